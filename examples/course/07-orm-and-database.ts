// As lesson 06, and one side goes through an ORM (S14): it neither knows nor needs to know that its connection is a branch.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Concordat } from '../../src/client/index.ts';
import type { Order } from './06-two-databases.ts';
import { teach } from './lesson.ts';
import { type Orm, ormOfTests } from './orm.ts';
import { SHOP } from './shop.ts';

export async function placeOrder(concordat: Concordat, client: pg.Client, orm: Orm, order: Order): Promise<void> {
  const { customer, title, amount } = order;
  await concordat.transaction(async (tx) => {
    await tx.enlist('accounts', client);
    const db = orm.drizzle(client);
    await db
      .update(orm.customer)
      .set({ deposit: orm.sql`${orm.customer.deposit} - ${amount}` })
      .where(orm.eq(orm.customer.id, customer));
    if (title === 'error1') {
      throw new Error('error1: what the ORM has done is undone');
    }
    await tx
      .resource('orders')
      .query('insert into course_order values (?, ?, ?, ?)', [randomUUID(), customer, title, amount]);
    if (title === 'error2') {
      throw new Error('error2: what both have done is undone');
    }
  });
}

await teach(import.meta, SHOP, async ({ concordat, accounts, orders, urls, show }) => {
  const orm = ormOfTests();
  const client = new pg.Client({ connectionString: urls.accounts });
  await client.connect();
  try {
    for (const title of ['book', 'error1', 'error2']) {
      await show(title, () => placeOrder(concordat, client, orm, { customer: 1, title, amount: 100 }));
    }
    await show('deposit', () => accounts.rows('select deposit from course_customer where id = 1'));
    await show('orders', () => orders.rows('select title, amount from course_order'));
  } finally {
    await client.end();
  }
});
