// One manager for one database and for two: the same code, and what a second resource costs (S6, S7, S8).
//
// With one database the coordinator passes the commit on and keeps no record. With two it asks both to prepare, forces one record, its
// decision, to disk, and tells both. `concordat log status` counts these records.
import { randomUUID } from 'node:crypto';
import type { Concordat } from '../../src/client/index.ts';
import { teach } from './lesson.ts';
import { SHOP } from './shop.ts';

/** Work at any number of databases. `where` is all that differs. */
export async function work(concordat: Concordat, where: readonly ('accounts' | 'orders')[]): Promise<string> {
  return await concordat.transaction(async (tx) => {
    if (where.includes('accounts')) {
      await tx.resource('accounts').query('update course_customer set deposit = deposit - $1 where id = 1', [10]);
    }
    if (where.includes('orders')) {
      await tx.resource('orders').query('insert into course_order values (?, 1, ?, ?)', [randomUUID(), 'book', 10]);
    }
    return tx.gtrid; // The id by which everybody knows it: the log, both databases, `concordat tx show`.
  });
}

await teach(import.meta, SHOP, async ({ concordat, accounts, orders, show }) => {
  await show('one database, one phase', () => work(concordat, ['accounts']));
  await show('two databases, two phases and one record', () => work(concordat, ['accounts', 'orders']));
  await show('deposit', () => accounts.rows('select deposit from course_customer where id = 1'));
  await show('orders', () => orders.rows('select title, amount from course_order'));
});
