// `concordat resource accept`: shows what is pending at the former database, asks, then lets another one take its place.
import type { PendingBranch__Output } from '../../../gen/concordat/v1/PendingBranch.ts';
import { EXIT } from '../../../xa/errors.ts';
import { CliError } from '../../run/failure.ts';
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
import { enumWord } from '../../show/transaction-view.ts';

interface PendingView {
  readonly id: string;
  readonly bqual: string;
  readonly state: string;
  readonly fix: string;
}

/** On the screen; the JSON document has as many as the coordinator tells. */
const SHOWN_MAX = 20;

export async function acceptResource(context: Context, name: string, options: ActionOptions): Promise<number> {
  const { console } = context;
  // The dry run has the same id: a call that is repeated because its answer was lost hears that it is done, not that nobody asks any more.
  const requestId = requestIdOf(options);
  const request = { resource: name, reason: checkReason(options.reason), operator: operatorName(), requestId };
  using admin = await context.openAdmin();
  await requireKnownProtocol(admin);
  const shown = await admin.call('AcceptResource', { ...request, dryRun: true });
  const { formerIdentity, engineIdentity, effects } = shown;
  const pending = shown.pending.map(viewPending);
  if (options.dryRun === true || pending.length > 0) {
    const dryRun = { dryRun: true, resource: name, formerIdentity, engineIdentity, pending, effects };
    console.document('resource-accept', dryRun);
    if (pending.length > 0) {
      throw pendingError(name, pending, shown.pendingCount);
    }
    printEffects(console, 'Nothing is pending at the former database. This would happen:', effects);
    return EXIT.ok;
  }
  await confirm(console, { id: name, effects, typed: 'id' }, options);
  // The identity that was shown: another database may be asking by now.
  const answer = await admin
    .call('AcceptResource', { ...request, engineIdentity, dryRun: false })
    .catch((error: unknown) => Promise.reject(withRepeat(error, requestId, 'concordat resource list')));
  console.document('resource-accept', {
    ...{ dryRun: false, requestId, resource: name, formerIdentity, engineIdentity, pending, effects: answer.effects },
  });
  printEffects(console, 'Done:', answer.effects);
  return EXIT.ok;
}

function viewPending({ gtrid, bqual, state, fix }: PendingBranch__Output): PendingView {
  return { id: gtrid, bqual, state: enumWord('TRANSACTION_STATE_', state) ?? 'unknown', fix };
}

function pendingError(name: string, pending: readonly PendingView[], count: number): CliError {
  const shown = pending.slice(0, SHOWN_MAX);
  return new CliError({
    reason: 'RESOURCE_PENDING',
    message: `${count} ${count === 1 ? 'branch is' : 'branches are'} pending at the former database of ${name}, which only that database can finish:`,
    details: [
      ...shown.map(({ id, bqual, state, fix }) => `${id} ${bqual} (${state}): ${fix}`),
      ...(count > shown.length ? [`and ${count - shown.length} more: concordat tx list`] : []),
    ],
    advice: 'Nothing was changed. Settle them, then repeat the command.',
    exit: EXIT.conflict,
  });
}
