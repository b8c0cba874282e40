// `concordat tx list`: pages through the coordinator's list until there is enough.

import type { TransactionState } from '../../gen/concordat/v1/TransactionState.ts';
import { EXIT } from '../../xa/errors.ts';
import type { AdminClient } from '../run/admin-client.ts';
import type { Context } from '../run/globals.ts';
import { formatDuration } from '../show/duration.ts';
import { renderTable } from '../show/table.ts';
import {
  IN_DOUBT_STATES,
  isHeuristic,
  TRANSACTION_COLUMNS,
  type TransactionView,
  viewTransaction,
} from '../show/transaction-view.ts';
import type { StateFilter } from './tx.ts';

/** What the coordinator answers at once, at most. */
const PAGE_SIZE_MAX = 1_000;

export interface ListOptions {
  readonly state: readonly StateFilter[];
  readonly resource?: string;
  readonly olderThan?: number;
  readonly limit: number;
  readonly all?: boolean;
  readonly pageToken?: string;
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
export async function fetchTransactions(
  admin: AdminClient,
  options: Omit<ListOptions, 'all'>,
): Promise<TransactionPage> {
  const heuristic = options.state.includes('heuristic');
  const words = new Set(options.state.flatMap((word) => (word === 'in-doubt' ? IN_DOUBT_STATES : [word])));
  // Heuristic is an outcome, not a state: the coordinator's list without a filter of states has them all.
  const states = heuristic ? [] : [...words].flatMap((word) => STATE_NAMES[word] ?? []);
  const wanted = (view: TransactionView): boolean => !heuristic || isHeuristic(view) || words.has(view.state);
  const found: TransactionView[] = [];
  let pageToken = options.pageToken ?? '';
  let asked: string;
  do {
    asked = pageToken;
    const answer = await admin.call('ListTransactions', {
      pageSize: Math.min(PAGE_SIZE_MAX, options.limit - found.length),
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

export async function listTransactions(context: Context, options: ListOptions): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const limit = options.all === true ? Number.MAX_SAFE_INTEGER : options.limit;
  const { transactions, nextPageToken } = await fetchTransactions(admin, { ...options, limit });
  console.document('transactions', { transactions, nextPageToken: nextPageToken === '' ? null : nextPageToken });
  if (transactions.length === 0) {
    const age = options.olderThan === undefined ? '' : ` at least ${formatDuration(options.olderThan)} old`;
    console.note(`No such transactions${age}.`);
    return EXIT.ok;
  }
  console.print(renderTable(TRANSACTION_COLUMNS, transactions, console.layout));
  if (nextPageToken !== '') {
    console.note(`There are more: add --all, or --page-token ${nextPageToken}`);
  }
  return EXIT.ok;
}
