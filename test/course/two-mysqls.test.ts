// Lesson 06 with two MySQL servers, as the course has it: the same function, and both or neither.
import { expect, test } from 'vitest';
import { placeOrder } from '../../examples/course/06-two-databases.ts';
import { SHOP } from '../../examples/course/shop.ts';
import { useSystem } from '../e2e/system.ts';
import { useLesson } from './databases.ts';

const lesson = useLesson(useSystem('mysql', { accounts: 'mysql' }), SHOP);

async function rows(): Promise<unknown> {
  await lesson.settled();
  const [customer] = await lesson.accounts.rows('select deposit from course_customer where id = 1');
  const orders = await lesson.orders.rows('select title, amount from course_order order by title');
  return [Number(customer?.['deposit']), ...orders.map((order) => Object.values(order).join(' '))];
}

test('two MySQL servers reduce the deposit and record the order', async () => {
  await placeOrder(lesson.concordat, { customer: 1, title: 'book', amount: 100 });
  expect(await rows()).toEqual([900, 'book 100']);
});

test.each(['error1', 'error2'])('%s leaves nothing at either MySQL server', async (title) => {
  await expect(placeOrder(lesson.concordat, { customer: 1, title, amount: 100 })).rejects.toThrow(title);
  expect(await rows()).toEqual([1000]);
});
