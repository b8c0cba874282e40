// What `status` and `doctor` both ask: health, log, resources and every transaction that is open or heuristic.

import { isSpoken, PROTOCOL } from '../../wire/protocol.ts';
import { productVersion } from '../../wire/version.ts';
import { OVERDUE_MS } from '../../xa/times.ts';
import { type LogView, viewLog } from '../show/log-view.ts';
import { type ResourceView, viewResource } from '../show/resource-view.ts';
import { hasHeuristicOutcome, isInDoubt, type TransactionView } from '../show/transaction-view.ts';
import type { AdminClient, Health } from './admin-client.ts';
import { fetchResources } from './resources.ts';
import { fetchTransactions } from './transactions.ts';

interface InDoubtView {
  readonly count: number;
  readonly oldestAgeMs: number;
  /** Of them, how many are older than OVERDUE_MS. */
  readonly overdue: number;
}

export interface Survey {
  readonly health: Health;
  readonly log: LogView;
  readonly resources: readonly ResourceView[];
  readonly open: number;
  readonly inDoubt: InDoubtView;
  readonly overdue: readonly TransactionView[];
  readonly heuristic: readonly TransactionView[];
}

/** @throws {CliError | CoordinatorError} the coordinator does not answer. */
export async function surveyCoordinator(admin: AdminClient): Promise<Survey> {
  const health = await admin.health();
  const [log, resources, page] = await Promise.all([
    admin.call('GetLogStatus', {}),
    fetchResources(admin),
    fetchTransactions(admin, { state: [], limit: Number.MAX_SAFE_INTEGER }),
  ]);
  const inDoubt = page.transactions.filter(isInDoubt);
  const overdue = inDoubt.filter((transaction) => transaction.ageMs > OVERDUE_MS);
  return {
    health,
    log: viewLog(log),
    resources: resources.map(viewResource),
    open: page.transactions.filter((transaction) => transaction.state !== 'completed').length,
    inDoubt: {
      count: inDoubt.length,
      oldestAgeMs: Math.max(0, ...inDoubt.map((transaction) => transaction.ageMs)),
      overdue: overdue.length,
    },
    overdue,
    heuristic: page.transactions.filter(hasHeuristicOutcome),
  };
}

/** A sentence when the two sides may not understand each other (faults B70); undefined: they do. */
export function versionProblem(log: LogView): string | undefined {
  const { protocolVersion, coordinatorVersion } = log;
  if (isSpoken(protocolVersion)) {
    return undefined;
  }
  const sides = `The coordinator is ${coordinatorVersion ?? 'of an unknown version'} and speaks protocol ${protocolVersion}; this command is ${productVersion()} and speaks protocol ${PROTOCOL.protocolHighest}.`;
  return protocolVersion > PROTOCOL.protocolHighest
    ? `${sides} Looking works, but newer states may show as unknown: upgrade this command.`
    : `${sides} Looking works, but calls that the coordinator does not know are refused: upgrade it, or use its own command.`;
}
