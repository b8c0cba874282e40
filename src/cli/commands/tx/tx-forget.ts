// `concordat tx forget`: shows the effects, asks, then drops a heuristic outcome whose data has been fixed.
import { EXIT } from '../../../xa/errors.ts';
import type { Context } from '../../run/globals.ts';
import {
  type ActionOptions,
  checkReason,
  confirm,
  dryRunId,
  operatorName,
  printEffects,
  requestIdOf,
  requireKnownProtocol,
  withRepeat,
} from '../../run/operator-action.ts';

export type ForgetOptions = ActionOptions;

export async function forgetTransaction(context: Context, id: string, options: ForgetOptions): Promise<number> {
  const { console } = context;
  const request = { gtrid: id, reason: checkReason(options.reason), operator: operatorName() };
  const requestId = requestIdOf(options);
  using admin = await context.openAdmin();
  await requireKnownProtocol(admin);
  const shown = await admin.call('ForgetTransaction', { ...request, requestId: dryRunId(), dryRun: true });
  if (options.dryRun === true) {
    console.document('forgetting', { dryRun: true, id, effects: shown.effects });
    printEffects(console, 'This would happen:', shown.effects);
    return EXIT.ok;
  }
  await confirm(console, { id, effects: shown.effects }, options);
  const answer = await admin
    .call('ForgetTransaction', { ...request, requestId, dryRun: false })
    .catch((error: unknown) => Promise.reject(withRepeat(error, requestId)));
  console.document('forgetting', { dryRun: false, requestId, id, effects: answer.effects });
  printEffects(console, 'Done:', answer.effects);
  return EXIT.ok;
}
