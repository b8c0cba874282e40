// Lesson 02 on PostgreSQL and MariaDB: what each propagation leaves in both databases.
import { expect, test } from 'vitest';
import { AUDITED, openShop } from '../../examples/course/02-declared.ts';
import { useSystem } from '../e2e/system.ts';
import { useLesson } from './databases.ts';

const lesson = useLesson(useSystem('mariadb'), AUDITED);

/** The deposit, the orders, and how often somebody was about to buy. */
async function rows(): Promise<unknown> {
  await lesson.settled();
  const [customer] = await lesson.accounts.rows('select deposit from course_customer where id = 1');
  const orders = await lesson.orders.rows('select title from course_order');
  const audits = await lesson.accounts.rows('select text from course_audit');
  return [Number(customer?.['deposit']), orders.map(({ title }) => title), audits.length];
}

test('required and mandatory join: deposit and order are one transaction', async () => {
  await openShop(lesson.concordat).buy('book', 100);
  expect(await rows()).toEqual([900, ['book'], 1]);
});

test.each(['error1', 'error2'])('%s leaves nothing but what requires-new has committed by itself', async (title) => {
  await expect(openShop(lesson.concordat).buy(title, 100)).rejects.toThrow(title);
  expect(await rows()).toEqual([1000, [], 1]);
});

test('required alone begins one', async () => {
  await openShop(lesson.concordat).charge(100);
  expect(await rows()).toEqual([900, [], 0]);
});

test('mandatory outside and never inside are refused, and change nothing', async () => {
  const shop = openShop(lesson.concordat);
  await expect(shop.record('pen', 1)).rejects.toMatchObject({ code: 'TRANSACTION_REQUIRED' });
  await expect(lesson.concordat.transaction(() => shop.report())).rejects.toMatchObject({
    code: 'TRANSACTION_PRESENT',
  });
  expect(await shop.report()).toBe('all is well');
  expect(await rows()).toEqual([1000, [], 0]);
});
