// `concordat tx list`: a table of transactions.

import { EXIT } from '../../xa/errors.ts';
import type { Context } from '../run/globals.ts';
import { fetchTransactions, type TransactionFilter } from '../run/transactions.ts';
import { formatDuration } from '../show/duration.ts';
import { renderTable } from '../show/table.ts';
import { TRANSACTION_COLUMNS } from '../show/transaction-view.ts';

export interface ListOptions extends TransactionFilter {
  readonly all?: boolean;
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
