// `concordat resource forget`: shows what would happen, asks, then lets a name and its engine's identity go.
import { EXIT } from '../../../xa/errors.ts';
import type { Context } from '../../run/globals.ts';
import {
  type ActionOptions,
  checkReason,
  confirm,
  operatorName,
  printEffects,
  requestIdOf,
  requireKnownProtocol,
  withRepeat,
} from '../../run/operator-action.ts';

export async function forgetResource(context: Context, name: string, options: ActionOptions): Promise<number> {
  const { console } = context;
  const requestId = requestIdOf(options);
  const request = { resource: name, reason: checkReason(options.reason), operator: operatorName(), requestId };
  using admin = await context.openAdmin();
  await requireKnownProtocol(admin);
  const { engineIdentity, effects } = await admin.call('ForgetResource', { ...request, dryRun: true });
  if (options.dryRun === true) {
    console.document('resource-forget', { dryRun: true, resource: name, engineIdentity, effects });
    printEffects(console, 'Nothing is pending there. This would happen:', effects);
    return EXIT.ok;
  }
  await confirm(console, { id: name, effects, typed: 'id' }, options);
  const answer = await admin
    .call('ForgetResource', { ...request, dryRun: false })
    .catch((error: unknown) => Promise.reject(withRepeat(error, requestId, 'concordat resource list')));
  console.document('resource-forget', {
    dryRun: false,
    requestId,
    resource: name,
    engineIdentity,
    effects: answer.effects,
  });
  printEffects(console, 'Done:', answer.effects);
  return EXIT.ok;
}
