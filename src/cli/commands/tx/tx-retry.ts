// `concordat tx retry`: makes the next phase-two calls due now.
import { EXIT } from '../../../xa/errors.ts';
import type { Context } from '../../run/globals.ts';
import { renderFields } from '../../show/table.ts';
import { transactionFields, viewTransaction } from '../../show/transaction-view.ts';

export async function retryTransaction(context: Context, id: string): Promise<number> {
  const { console } = context;
  using admin = await context.openAdmin();
  const answer = await admin.call('RetryTransaction', { gtrid: id });
  // Null: it ended meanwhile and is known by its outcome only.
  const transaction = answer.transaction === null ? null : viewTransaction(answer.transaction);
  console.document('retry', { transaction, branches: answer.branches });
  if (transaction !== null) {
    console.print(renderFields(transactionFields(transaction), console.layout));
  }
  console.note(
    answer.branches === 0
      ? 'No branch waits for a call.'
      : `${answer.branches} branch${answer.branches === 1 ? ' is' : 'es are'} called now. Look again with \`concordat tx explain ${id}\`.`,
  );
  return EXIT.ok;
}
