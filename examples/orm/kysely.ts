// Kysely: its dialects take the pools.
//
//   npm start                       # in another terminal; it prints where the databases are
//   node examples/orm/kysely.ts <url of accounts> <url of orders> [<coordinator>]
import { randomUUID } from 'node:crypto';
import { Kysely, MysqlDialect, PostgresDialect } from 'kysely';
import mysql from 'mysql2';
import pg from 'pg';
import { connect } from '../../src/client/index.ts';
import { order, places } from './order.ts';

interface Accounts {
  customer: { id: number; deposit: number };
}

interface Orders {
  customer_order: { id: string; customer_id: number; amount: number };
}

const { accountsUrl, ordersUrl, coordinator } = places();
await using concordat = await connect(coordinator, { application: 'examples/orm/kysely' });
const accounts = new Kysely<Accounts>({
  dialect: new PostgresDialect({ pool: concordat.pool('accounts', new pg.Pool({ connectionString: accountsUrl })) }),
});
const orders = new Kysely<Orders>({
  dialect: new MysqlDialect({ pool: concordat.pool('orders', mysql.createPool({ uri: ordersUrl })) }),
});

await order(concordat, async (amount) => {
  await accounts.transaction().execute((own) =>
    own
      .updateTable('customer')
      .set(({ eb }) => ({ deposit: eb('deposit', '-', amount) }))
      .where('id', '=', 1)
      .execute(),
  );
  await orders.insertInto('customer_order').values({ id: randomUUID(), customer_id: 1, amount }).execute();
});
const { deposit } = await accounts
  .selectFrom('customer')
  .select('deposit')
  .where('id', '=', 1)
  .executeTakeFirstOrThrow();
console.log(`ordered; the customer has ${deposit} left`);
await accounts.destroy();
await orders.destroy();
