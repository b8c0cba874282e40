// The course's first lessons on PostgreSQL and MariaDB: both tables after each success and each error.
import { describe, expect, test } from 'vitest';
import { readTwice, transfer } from '../../examples/course/01-local.ts';
import { work } from '../../examples/course/05-jta.ts';
import { placeOrder } from '../../examples/course/06-two-databases.ts';
import { SHOP } from '../../examples/course/shop.ts';
import { StatementError } from '../../src/client/index.ts';
import { openApi } from '../coordinator/unary.ts';
import { useSystem } from '../e2e/system.ts';
import { useLesson } from './databases.ts';

const used = useSystem('mariadb');
const lesson = useLesson(used, SHOP);

/** Deposits of anna and ben, and the orders. */
async function rows(): Promise<unknown> {
  await lesson.settled();
  const customers = await lesson.accounts.rows('select deposit from course_customer order by id');
  const orders = await lesson.orders.rows('select customer_id, title, amount from course_order order by title');
  return [...customers.map(({ deposit }) => Number(deposit)), ...orders.map((order) => Object.values(order).join(' '))];
}

async function forcedWrites(): Promise<number> {
  const api = openApi(used.system.cluster.address);
  try {
    return Number((await api.logStatus({})).forcedWrites);
  } finally {
    api.close();
  }
}

describe('01 a local transaction', () => {
  test('moves an amount between two rows', async () => {
    await transfer(lesson.concordat, 1, 2, 100);
    expect(await rows()).toEqual([900, 1100]);
  });

  test('that fails in between, or that the database refuses, moves nothing', async () => {
    await expect(transfer(lesson.concordat, 1, 3, 100)).rejects.toThrow('there is no customer 3');
    await expect(transfer(lesson.concordat, 1, 2, 5_000)).rejects.toMatchObject({ sqlstate: '23514' });
    await expect(transfer(lesson.concordat, 1, 2, 5_000)).rejects.toBeInstanceOf(StatementError);
    expect(await rows()).toEqual([1000, 1000]);
  });

  test('sees the commits of others with read committed, and not with repeatable read', async () => {
    const meanwhile = (): Promise<void> =>
      lesson.accounts.run('update course_customer set deposit = deposit + 1 where id = 1');
    expect(await readTwice(lesson.concordat, 'read-committed', meanwhile)).toEqual([1000, 1001]);
    expect(await readTwice(lesson.concordat, 'repeatable-read', meanwhile)).toEqual([1001, 1001]);
  });
});

describe('05 one manager', () => {
  test('forces nothing for one database, and one record for two', async () => {
    const before = await forcedWrites();
    await work(lesson.concordat, ['accounts']);
    await work(lesson.concordat, ['orders']);
    const between = await forcedWrites();
    await work(lesson.concordat, ['accounts', 'orders']);
    expect([between - before, (await forcedWrites()) - between]).toEqual([0, 1]);
    expect(await rows()).toEqual([980, 1000, '1 book 10', '1 book 10']);
  });
});

describe('06 two databases', () => {
  test('reduce the deposit and record the order', async () => {
    await placeOrder(lesson.concordat, { customer: 1, title: 'book', amount: 100 });
    expect(await rows()).toEqual([900, 1000, '1 book 100']);
  });

  test.each(['error1', 'error2'])('%s leaves nothing in either', async (title) => {
    await expect(placeOrder(lesson.concordat, { customer: 1, title, amount: 100 })).rejects.toThrow(title);
    expect(await rows()).toEqual([1000, 1000]);
  });

  test('leave nothing when one of them refuses', async () => {
    await expect(placeOrder(lesson.concordat, { customer: 1, title: 'house', amount: 5_000 })).rejects.toThrow(
      StatementError,
    );
    expect(await rows()).toEqual([1000, 1000]);
  });
});
