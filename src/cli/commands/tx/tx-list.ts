// `concordat tx list`: a table of transactions.

import { EXIT } from '../../../xa/errors.ts';
import { usageError } from '../../run/failure.ts';
import type { Context } from '../../run/globals.ts';
import { fetchFinished, fetchTransactions, type TransactionFilter } from '../../run/transactions.ts';
import { formatDuration } from '../../show/duration.ts';
import { renderTable } from '../../show/table.ts';
import { FINISHED_COLUMNS, TRANSACTION_COLUMNS } from '../../show/transaction-view.ts';

export interface ListOptions extends TransactionFilter {
  readonly all?: boolean;
  readonly finished?: boolean;
  readonly since?: number;
}

const SINCE_DEFAULT_MS = 3_600_000;

export async function listTransactions(context: Context, options: ListOptions): Promise<number> {
  const { console } = context;
  if (options.finished === true) {
    return listFinished(context, options);
  }
  if (options.since !== undefined) {
    throw usageError(
      '--since is of finished transactions.',
      'Add --finished, or use --older-than for those that are open.',
    );
  }
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

async function listFinished({ console, openAdmin }: Context, options: ListOptions): Promise<number> {
  if (options.state.length > 0 || options.olderThan !== undefined || options.pageToken !== undefined) {
    throw usageError('--finished goes with --since, --resource and --limit only.');
  }
  const sinceMs = options.since ?? SINCE_DEFAULT_MS;
  const limit = options.all === true ? Number.MAX_SAFE_INTEGER : options.limit;
  using admin = await openAdmin();
  const transactions = await fetchFinished(admin, { sinceMs, resource: options.resource ?? '', limit });
  console.document('transactions', { transactions, nextPageToken: null });
  if (transactions.length === 0) {
    console.note(
      `None has ended in the last ${formatDuration(sinceMs)}, as far as is known: of earlier lives of the coordinator only commits are.`,
    );
    return EXIT.ok;
  }
  console.print(renderTable(FINISHED_COLUMNS, transactions, console.layout));
  if (transactions.length >= options.limit) {
    console.note('There may be more: raise --limit (at most 1,000 are told), or ask for a shorter time with --since.');
  }
  return EXIT.ok;
}
