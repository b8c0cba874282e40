// An order: charge the customer in one database, record it in another. All of it or none of it.
//
//   npm start                       # in another terminal: two databases, a coordinator, two sidecars
//   npm run example order           # or: npm run example order -- <coordinator>
//
// In a project of yours the import is from 'concordat-client'.
import { randomUUID } from 'node:crypto';
import {
  type Concordat,
  connect,
  HeuristicOutcomeError,
  OutcomeUnknownError,
  TransactionRolledBackError,
} from '../src/client/index.ts';

const PRICE = 25;

/** @returns the id of the transaction. */
async function placeOrder(concordat: Concordat): Promise<string> {
  const id = randomUUID();
  return await concordat.transaction(
    async (tx) => {
      // Two databases, so the statements run side by side. `last`: each branch is prepared in the same round trip.
      await Promise.all([
        tx
          .resource('accounts')
          .query(`update customer set deposit = deposit - ${PRICE} where id = 1`, [], { last: true }),
        tx
          .resource('orders')
          .query(`insert into customer_order (id, customer_id, amount) values ('${id}', 1, ${PRICE})`, [], {
            last: true,
          }),
      ]);
      return tx.gtrid;
    },
    // A deadlock, a lost connection or a restarted coordinator is worth a second try; a constraint is not.
    { timeoutMs: 10_000, retries: 3 },
  );
}

await using concordat = await connect(process.argv[2] ?? 'localhost:7420', { application: 'examples/order' });
try {
  console.log(`an order is placed and paid, by transaction ${await placeOrder(concordat)}`);
} catch (error) {
  process.exitCode = 1;
  if (error instanceof TransactionRolledBackError) {
    console.error(`nothing happened: ${error.message}`);
  } else if (error instanceof OutcomeUnknownError) {
    // The one case in which nothing may be concluded: keep the id, and ask until it is known.
    console.error(`ask again: concordat.outcome('${error.gtrid}', ${JSON.stringify(error.branches)})`);
  } else if (error instanceof HeuristicOutcomeError) {
    console.error(`call an operator: concordat tx explain ${error.gtrid}`);
  } else {
    throw error;
  }
}
