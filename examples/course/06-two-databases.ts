// A deposit in one database, an order in another: both or neither, wherever it fails (S13).
//
// The course chains two local managers here: they commit one after the other, and a failure between the two commits leaves the first. Here
// both databases have promised before the first is told.
import { randomUUID } from 'node:crypto';
import type { Concordat } from '../../src/client/index.ts';
import { teach } from './lesson.ts';
import { SHOP } from './shop.ts';

/** Each database has its own way to write parameters; the course has two MySQL servers, the playground begins with PostgreSQL. */
function debit(engine: string | undefined): string {
  return engine === 'postgresql'
    ? 'update course_customer set deposit = deposit - $1 where id = $2'
    : 'update course_customer set deposit = deposit - ? where id = ?';
}

export interface Order {
  readonly customer: number;
  /** `error1` and `error2` fail after the first and after the second statement, as in the course. */
  readonly title: string;
  readonly amount: number;
}

export async function placeOrder(concordat: Concordat, { customer, title, amount }: Order): Promise<string> {
  const id = randomUUID();
  const engine = concordat.resources().find(({ name }) => name === 'accounts')?.engine;
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query(debit(engine), [amount, customer]);
    if (title === 'error1') {
      throw new Error('error1: the deposit is reduced, and the order is not there');
    }
    await tx.resource('orders').query('insert into course_order values (?, ?, ?, ?)', [id, customer, title, amount]);
    if (title === 'error2') {
      throw new Error('error2: both statements are done, and nothing is committed');
    }
  });
  return id;
}

await teach(import.meta, SHOP, async ({ concordat, accounts, orders, show }) => {
  for (const title of ['book', 'error1', 'error2']) {
    await show(title, () => placeOrder(concordat, { customer: 1, title, amount: 100 }));
  }
  await show('more than the deposit', () => placeOrder(concordat, { customer: 1, title: 'house', amount: 5_000 }));
  await show('deposit', () => accounts.rows('select deposit from course_customer where id = 1'));
  await show('orders', () => orders.rows('select title, amount from course_order'));
});
