// Transactions of a coordinator, page by page until there are enough.
import type { TransactionState } from '../../gen/concordat/v1/TransactionState.ts';
import { TRANSACTIONS_PAGE_MAX } from '../../xa/limits.ts';
import {
  hasHeuristicOutcome,
  IN_DOUBT_STATES,
  type TransactionView,
  viewTransaction,
} from '../show/transaction-view.ts';
import type { AdminClient } from './admin-client.ts';

/** What transactions can be asked for by: states, and two words for what operators look for. */
export const STATE_FILTERS = [
  'active',
  'preparing',
  'deciding',
  'committing',
  'rolling-back',
  'completed',
  'in-doubt',
  'heuristic',
] as const;
export type StateFilter = (typeof STATE_FILTERS)[number];

export interface TransactionFilter {
  readonly state: readonly StateFilter[];
  readonly resource?: string;
  readonly olderThan?: number;
  readonly limit: number;
  readonly pageToken?: string;
}

/** Those that ended at most `sinceMs` ago, the newest first; the coordinator tells at most 1,000. */
export async function fetchFinished(
  admin: AdminClient,
  options: { readonly sinceMs: number; readonly resource: string; readonly limit: number },
): Promise<readonly TransactionView[]> {
  const { sinceMs, resource, limit } = options;
  const pageSize = Math.min(TRANSACTIONS_PAGE_MAX, limit);
  const answer = await admin.call('ListTransactions', { finished: true, sinceMs, resource, pageSize });
  return answer.transactions.map(viewTransaction);
}

interface TransactionPage {
  readonly transactions: readonly TransactionView[];
  /** Empty: the list is complete. */
  readonly nextPageToken: string;
}

const STATE_NAMES: Readonly<Record<string, TransactionState>> = {
  active: 'TRANSACTION_STATE_ACTIVE',
  preparing: 'TRANSACTION_STATE_PREPARING',
  deciding: 'TRANSACTION_STATE_DECIDING',
  committing: 'TRANSACTION_STATE_COMMITTING',
  'rolling-back': 'TRANSACTION_STATE_ROLLING_BACK',
  completed: 'TRANSACTION_STATE_COMPLETED',
};

/** Fetches until `limit` transactions pass the filter, or the list ends. */
export async function fetchTransactions(admin: AdminClient, options: TransactionFilter): Promise<TransactionPage> {
  const heuristic = options.state.includes('heuristic');
  const words = new Set(options.state.flatMap((word) => (word === 'in-doubt' ? IN_DOUBT_STATES : [word])));
  // Heuristic is an outcome, not a state: the coordinator's list without a filter of states has them all.
  const states = heuristic ? [] : [...words].flatMap((word) => STATE_NAMES[word] ?? []);
  const wanted = (view: TransactionView): boolean => !heuristic || hasHeuristicOutcome(view) || words.has(view.state);
  const found: TransactionView[] = [];
  let pageToken = options.pageToken ?? '';
  let asked: string;
  do {
    asked = pageToken;
    const answer = await admin.call('ListTransactions', {
      pageSize: Math.min(TRANSACTIONS_PAGE_MAX, options.limit - found.length),
      pageToken,
      states,
      resource: options.resource ?? '',
      minAgeMs: options.olderThan ?? 0,
    });
    found.push(...answer.transactions.map(viewTransaction).filter(wanted));
    pageToken = answer.nextPageToken;
    // A token that leads to itself would never end.
  } while (pageToken !== '' && pageToken !== asked && found.length < options.limit);
  return { transactions: found, nextPageToken: pageToken };
}
