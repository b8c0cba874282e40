// The course's lessons with an ORM, on PostgreSQL and MariaDB: the rows after each success and each error.
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { create, createWithFriend, PERSONS } from '../../examples/course/03-orm.ts';
import { placeOrder } from '../../examples/course/07-orm-and-database.ts';
import { loadOrm } from '../../examples/course/orm.ts';
import { SHOP } from '../../examples/course/shop.ts';
import { useSystem } from '../e2e/system.ts';
import { library, useLibraries } from '../orms/libraries.ts';
import { useLesson } from './databases.ts';

const used = useSystem('mariadb');
useLibraries();
const lesson = useLesson(used, { accounts: [...PERSONS.accounts, ...SHOP.accounts], orders: SHOP.orders });
const orm = () => loadOrm(library);

let client: pg.Client;

beforeEach(async () => {
  client = new pg.Client({ connectionString: used.accounts.server.url });
  await client.connect();
});

afterEach(async () => {
  await client.end();
});

describe('03 an ORM on one database', () => {
  async function names(): Promise<unknown> {
    await lesson.settled();
    return (await lesson.accounts.rows('select username from course_person order by id')).map(
      ({ username }) => username,
    );
  }

  test('saves a customer, and knows the id that the database gave', async () => {
    expect(await create(lesson.concordat, client, orm(), { username: 'anna' })).toBe(1);
    expect(await names()).toEqual(['anna']);
  });

  test('stores nothing of a customer that has an id, and the connection is usable again', async () => {
    const late = create(lesson.concordat, client, orm(), { id: 7, username: 'ben' });
    await expect(late).rejects.toThrow('ben has an id already');
    await create(lesson.concordat, client, orm(), { username: 'anna' });
    expect(await names()).toEqual(['anna']);
  });

  test('undoes its own transaction inside, and keeps what was saved before', async () => {
    await createWithFriend(lesson.concordat, client, orm(), 'carl');
    expect(await names()).toEqual(['carl']);
  });
});

describe('07 an ORM and a database', () => {
  async function rows(): Promise<unknown> {
    await lesson.settled();
    const [customer] = await lesson.accounts.rows('select deposit from course_customer where id = 1');
    const orders = await lesson.orders.rows('select title, amount from course_order');
    return [Number(customer?.['deposit']), ...orders.map((order) => Object.values(order).join(' '))];
  }

  const order = (title: string): Promise<void> =>
    placeOrder(lesson.concordat, client, orm(), { customer: 1, title, amount: 100 });

  test('commit both', async () => {
    await order('book');
    expect(await rows()).toEqual([900, 'book 100']);
  });

  test.each(['error1', 'error2'])('%s leaves nothing in either', async (title) => {
    await expect(order(title)).rejects.toThrow(title);
    expect(await rows()).toEqual([1000]);
  });
});
