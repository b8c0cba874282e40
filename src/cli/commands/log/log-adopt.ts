// `concordat log adopt`: shows what an old copy of the log lacks, asks, then takes it for the log.
import { EXIT } from '../../../xa/errors.ts';
import { usageError } from '../../run/failure.ts';
import type { Context } from '../../run/globals.ts';
import {
  checkReason,
  confirm,
  dryRunId,
  operatorName,
  printEffects,
  requestIdOf,
  requireKnownProtocol,
} from '../../run/operator-action.ts';

export interface AdoptOptions {
  readonly reason?: string;
  readonly incomplete?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export async function adoptLog(context: Context, options: AdoptOptions): Promise<number> {
  const { console } = context;
  const { dryRun = false, incomplete = false } = options;
  if (!dryRun && options.reason === undefined) {
    throw usageError('A reason is needed: --reason "disk lost, INC-1234".', 'Look first, with --dry-run.');
  }
  const reason = options.reason === undefined ? '' : checkReason(options.reason);
  const request = { reason, operator: operatorName(), incomplete };
  using admin = await context.openAdmin();
  await requireKnownProtocol(admin);
  const shown = await admin.call('AdoptLog', { ...request, requestId: dryRunId(), dryRun: true });
  if (dryRun) {
    console.document('log-adoption', { dryRun: true, effects: shown.effects });
    printEffects(console, 'What this copy lacks, and what would happen:', shown.effects);
    return EXIT.ok;
  }
  const { logIdentity: id } = await admin.call('GetLogStatus', {});
  const confirmed = { ...options, reason };
  await confirm(console, { id, effects: shown.effects }, confirmed);
  const answer = await admin.call('AdoptLog', { ...request, requestId: requestIdOf(confirmed), dryRun: false });
  console.document('log-adoption', { dryRun: false, effects: answer.effects });
  printEffects(console, 'Done:', answer.effects);
  return EXIT.ok;
}
