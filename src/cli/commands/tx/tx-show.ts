// `concordat tx show`: one transaction as the coordinator holds it.

import type { TransactionInfo__Output } from '../../../gen/concordat/v1/TransactionInfo.ts';
import { EXIT } from '../../../xa/errors.ts';
import { CliError } from '../../run/failure.ts';
import type { Context } from '../../run/globals.ts';
import { renderFields, renderTable } from '../../show/table.ts';
import {
  BRANCH_COLUMNS,
  type TransactionView,
  transactionFields,
  viewTransaction,
} from '../../show/transaction-view.ts';

/** The transaction of an answer. A coordinator that found none says so with an error; an answer without one breaks the contract. */
export function requireTransaction(info: TransactionInfo__Output | null): TransactionView {
  if (info === null) {
    throw new CliError({
      reason: 'PROTOCOL',
      message: 'The coordinator answered without the transaction.',
      advice: 'Compare the versions with `concordat status`, and upgrade the older side.',
      exit: EXIT.conflict,
    });
  }
  return viewTransaction(info);
}

export async function showTransaction(context: Context, id: string): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const answer = await admin.call('GetTransaction', { gtrid: id, probe: false });
  const transaction = requireTransaction(answer.transaction);
  console.document('transaction', { transaction });
  console.print(renderFields(transactionFields(transaction), console.layout));
  if (transaction.branches.length > 0) {
    console.print(`\n${renderTable(BRANCH_COLUMNS, transaction.branches, console.layout)}`);
  }
  return exitOfTransaction(transaction);
}

/** Showing succeeds; only an outcome that nobody can tell is a result of its own. */
export function exitOfTransaction(transaction: TransactionView): number {
  return transaction.outcome === 'unknown' ? EXIT.inDoubt : EXIT.ok;
}
