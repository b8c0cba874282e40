// The same order with the application's own database connections: no sidecar in between, and any query builder or ORM fits.
//
//   npm start                       # in another terminal; it prints where the databases are
//   npm run example own-connections -- <url of accounts> <url of orders> [<coordinator>]
import { randomUUID } from 'node:crypto';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { connect } from '../src/client/index.ts';

const [accountsUrl, ordersUrl, coordinator = 'localhost:7420'] = process.argv.slice(2);
if (accountsUrl === undefined || ordersUrl === undefined) {
  throw new Error('usage: npm run example own-connections -- <postgresql://…> <mysql://…> [<coordinator>]');
}
const accounts = new pg.Client({ connectionString: accountsUrl });
await accounts.connect();
// With several texts in one write the branch costs fewer round trips. Without it everything works as well.
const orders = await mysql.createConnection({ uri: ordersUrl, multipleStatements: true });

try {
  await using concordat = await connect(coordinator, { application: 'examples/own-connections' });
  await concordat.transaction(async (tx) => {
    // An ORM may be given these connections: its own transactions are savepoints within this one (docs/client.md, With an ORM).
    await tx.enlist('accounts', accounts);
    await tx.enlist('orders', orders);
    await accounts.query('update customer set deposit = deposit - $1 where id = $2', [25, 1]);
    await orders.query('insert into customer_order (id, customer_id, amount) values (?, ?, ?)', [randomUUID(), 1, 25]);
  });
  // From here on the connections are ours again.
  const { rows } = await accounts.query('select deposit from customer where id = 1');
  console.log(`committed; the customer has ${rows[0].deposit} left`);
} finally {
  await accounts.end();
  await orders.end();
}
