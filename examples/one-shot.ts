// The same order as statements that are all known beforehand: they and the commit leave at once, and no answer is awaited on the way.
//
//   npm start                       # in another terminal
//   npm run example one-shot        # or: npm run example one-shot -- <coordinator>
import { randomUUID } from 'node:crypto';
import { connect, ResultsLostError } from '../src/client/index.ts';

const PRICE = 25;

await using concordat = await connect(process.argv[2] ?? 'localhost:7420', { application: 'examples/one-shot' });
try {
  const { results } = await concordat.transact(
    [
      {
        resource: 'accounts',
        sql: 'update customer set deposit = deposit - $1 where id = 1 returning deposit',
        parameters: [PRICE],
      },
      {
        resource: 'orders',
        sql: 'insert into customer_order (id, customer_id, amount) values (?, 1, ?)',
        parameters: [randomUUID(), PRICE],
      },
    ],
    { timeoutMs: 10_000, retries: 3 },
  );
  console.log(`ordered in one go; the customer has ${results[0]?.rows[0]?.['deposit']} left`);
} catch (error) {
  if (!(error instanceof ResultsLostError)) {
    throw error; // As with any other transaction, see order.ts.
  }
  // Committed all the same: running it again would order twice.
  console.log(`ordered in one go, and the answer was lost: ${error.gtrid}`);
}
