// Drizzle: it takes the pools.
//
//   npm start                       # in another terminal; it prints where the databases are
//   node examples/orm/drizzle.ts <url of accounts> <url of orders> [<coordinator>]
import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { int, bigint as mysqlBigint, mysqlTable, varchar } from 'drizzle-orm/mysql-core';
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2';
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import { bigint, integer, pgTable } from 'drizzle-orm/pg-core';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { connect } from '../../src/client/index.ts';
import { order, places } from './order.ts';

const customer = pgTable('customer', {
  id: integer('id').primaryKey(),
  deposit: bigint('deposit', { mode: 'number' }).notNull(),
});
const customerOrder = mysqlTable('customer_order', {
  id: varchar('id', { length: 64 }).primaryKey(),
  customerId: int('customer_id').notNull(),
  amount: mysqlBigint('amount', { mode: 'number' }).notNull(),
});

const { accountsUrl, ordersUrl, coordinator } = places();
await using concordat = await connect(coordinator, { application: 'examples/orm/drizzle' });
const accountsPool = new pg.Pool({ connectionString: accountsUrl });
const ordersPool = mysql.createPool({ uri: ordersUrl });
const accounts = drizzlePg({ client: concordat.pool('accounts', accountsPool) });
const orders = drizzleMysql({ client: concordat.pool('orders', ordersPool) });

await order(concordat, async (amount) => {
  await accounts.transaction((own) =>
    own
      .update(customer)
      .set({ deposit: sql`${customer.deposit} - ${amount}` })
      .where(eq(customer.id, 1)),
  );
  await orders.insert(customerOrder).values({ id: randomUUID(), customerId: 1, amount });
});
const [left] = await accounts.select().from(customer).where(eq(customer.id, 1));
console.log(`ordered; the customer has ${left?.deposit} left`);
await accountsPool.end();
await ordersPool.end();
