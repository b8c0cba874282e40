// `concordat tx resolve`: shows the effects, asks, then settles by hand what recovery cannot.
import { EXIT } from '../../../xa/errors.ts';
import { parseBqual } from '../../../xa/xid.ts';
import type { RequestOf } from '../../run/admin-client.ts';
import { usageError } from '../../run/failure.ts';
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
import { renderFields } from '../../show/table.ts';
import { transactionFields, viewTransaction } from '../../show/transaction-view.ts';

export interface ResolveOptions extends ActionOptions {
  readonly rollback?: boolean;
  readonly commit?: boolean;
  readonly branch?: string;
  readonly committed?: boolean;
  readonly rolledBack?: boolean;
}

type Chosen = Pick<RequestOf<'ResolveTransaction'>, 'resolution' | 'bqual'>;

/** @throws {CliError} USAGE: not exactly one resolution. */
function chosenResolution(options: ResolveOptions): Chosen {
  const { rollback = false, commit = false, branch, committed = false, rolledBack = false } = options;
  if (rollback !== commit && branch === undefined && !committed && !rolledBack) {
    return { resolution: commit ? 'RESOLUTION_COMMIT' : 'RESOLUTION_ROLLBACK', bqual: '' };
  }
  if (!rollback && !commit && branch !== undefined && committed !== rolledBack) {
    if (parseBqual(branch) === undefined) {
      throw usageError(`${branch} is not a branch: <resource> or <resource>.<n>.`);
    }
    return { resolution: committed ? 'RESOLUTION_BRANCH_COMMITTED' : 'RESOLUTION_BRANCH_ROLLED_BACK', bqual: branch };
  }
  throw usageError(
    'Give exactly one of: --rollback; --commit; --branch B --committed; --branch B --rolled-back.',
    'Look first, with `concordat tx explain`: only it tells which of them is true.',
  );
}

export async function resolveTransaction(context: Context, id: string, options: ResolveOptions): Promise<number> {
  const { console } = context;
  const chosen = chosenResolution(options);
  const request = { gtrid: id, ...chosen, reason: checkReason(options.reason), operator: operatorName() };
  const requestId = requestIdOf(options);
  using admin = await context.openAdmin();
  await requireKnownProtocol(admin);
  const shown = await admin.call('ResolveTransaction', { ...request, requestId: dryRunId(), dryRun: true });
  const before = shown.transaction === null ? null : viewTransaction(shown.transaction);
  if (options.dryRun === true) {
    console.document('resolution', { dryRun: true, transaction: before, effects: shown.effects });
    printEffects(console, 'This would happen:', shown.effects);
    return EXIT.ok;
  }
  await confirm(console, { id, effects: shown.effects }, options);
  // The version that was shown: what changed since then is looked at again, not overrun.
  const expectedVersion = before?.version ?? 0;
  const answer = await admin
    .call('ResolveTransaction', { ...request, requestId, dryRun: false, expectedVersion })
    .catch((error: unknown) => Promise.reject(withRepeat(error, requestId)));
  // Null: it ended at once and is known by its outcome only.
  const transaction = answer.transaction === null ? null : viewTransaction(answer.transaction);
  console.document('resolution', { dryRun: false, requestId, transaction, effects: answer.effects });
  printEffects(console, 'Done:', answer.effects);
  if (transaction !== null) {
    console.print(`\n${renderFields(transactionFields(transaction), console.layout)}`);
  }
  return EXIT.ok;
}
