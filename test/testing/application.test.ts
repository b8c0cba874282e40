// `concordat/testing` as an application's unit tests use it: no database, and every trouble on demand.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Concordat,
  connect,
  OutcomeUnknownError,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { startTesting, type TestConcordat, type TestDatabase } from '../../src/testing/index.ts';
import { caught } from '../client/fixture.ts';
import { eventually } from '../support/eventually.ts';
import { placeOrder } from './shop.ts';

let testing: TestConcordat;
let concordat: Concordat;
let accounts: TestDatabase;
let orders: TestDatabase;

beforeAll(async () => {
  testing = await startTesting({ databases: { accounts: 'postgresql', orders: 'mariadb' } });
  concordat = await connect(testing.address, { outcomeTimeoutMs: 500 });
  accounts = testing.database('accounts');
  orders = testing.database('orders');
});

afterAll(async () => {
  await concordat?.close();
  await testing?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  accounts.clear();
  orders.clear();
  accounts.answer(/^update customer/, ([amount]) => (Number(amount) > 100 ? {} : { rows: [{ deposit: 42 }] }));
  orders.answer(/^insert into customer_order/, { rowCount: 1 });
});

const ORDER = { id: 'one', customer: 7, amount: 25 };

test('an order is committed at both databases, and the statements are there to be looked at', async () => {
  expect(await placeOrder(concordat, ORDER)).toBe('placed');
  expect(accounts.committed).toEqual([{ sql: expect.stringMatching(/^update/), parameters: [25, 7] }]);
  expect(orders.committed).toEqual([
    { sql: 'insert into customer_order values (?, ?, ?)', parameters: ['one', 7, 25] },
  ]);
});

test('answers may depend on the parameters, and are of every type', async () => {
  expect(await placeOrder(concordat, { ...ORDER, amount: 1_000 })).toBe('too expensive');
  expect(orders.committed).toEqual([]);
  const row = { a: null, b: true, c: 2n ** 60n, d: 0.5, e: 'é', f: Buffer.from([1]), g: { h: [1] } };
  accounts.answer('select everything', { rows: [row] });
  const { rows } = await concordat.transaction((tx) => tx.resource('accounts').query('select everything'));
  expect(rows).toEqual([row]);
});

test('a statement that the database refuses leaves nothing at either', async () => {
  orders.answer(/^insert/, { refused: 'Duplicate entry', sqlstate: '23000', errno: 1062 });
  const error = await caught(placeOrder(concordat, ORDER));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ resource: 'orders', sqlstate: '23000', errno: 1062, retryable: false });
  expect([...accounts.committed, ...orders.committed]).toEqual([]);
});

test('a deadlock is tried again, and the application commits once', async () => {
  orders.refuse('statement', { refused: 'Deadlock found', sqlstate: '40001', errno: 1213, retryable: true });
  expect(await placeOrder(concordat, ORDER)).toBe('placed');
  expect(accounts.committed).toHaveLength(1);
});

test('a database that cannot keep its promise rolls the other one back', async () => {
  accounts.refuse('prepare', { refused: 'a deferred constraint failed', sqlstate: '23505' });
  const error = await caught(placeOrder(concordat, ORDER));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'BRANCH_VOTED_NO', branches: [{ resource: 'accounts', sqlstate: '23505' }] });
  expect([...accounts.committed, ...orders.committed]).toEqual([]);
});

test('a lost answer to the commit of a branch changes nothing: it is asked again', async () => {
  accounts.lose('commit');
  orders.lose('commit', 'request');
  expect(await placeOrder(concordat, ORDER)).toBe('placed');
  await eventually('both have it', () => accounts.committed.length + orders.committed.length === 2);
});

test('a lost statement ends its session, and is tried again', async () => {
  accounts.lose('statement');
  expect(await placeOrder(concordat, ORDER)).toBe('placed');
  expect(accounts.committed).toHaveLength(1);
});

test('a slow database runs into the deadline, and everything is rolled back', async () => {
  orders.delay('statement', 2_000);
  const slow = concordat.transaction((tx) => tx.resource('orders').query('insert into customer_order values (1)'), {
    timeoutMs: 200,
  });
  expect(await caught(slow)).toMatchObject({ retryable: true });
  expect(orders.committed).toEqual([]);
});

test('a coordinator that is gone before the answer leaves the outcome unknown, until somebody can be asked', async () => {
  accounts.delay('prepare', 300);
  const placing = caught(placeOrder(concordat, ORDER));
  await eventually('one has promised', () => orders.prepared === 1);
  await testing.stopCoordinator();
  const error = await placing;
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  await testing.startCoordinator();
  const { gtrid, branches } = error as OutcomeUnknownError;
  await concordat.ready();
  await eventually('it is known', async () => (await concordat.outcome(gtrid, branches)) === 'rolled-back');
  await eventually('nothing is left', () => accounts.prepared + orders.prepared === 0);
}, 30_000);

test('a resource without a participant is refused at once', async () => {
  await orders.stop();
  await eventually('it is gone', () => concordat.resources().some(({ available }) => !available));
  const error = await caught(concordat.transaction((tx) => tx.gtrid, { requires: ['orders'] }));
  expect(error).toMatchObject({ code: 'RESOURCE_UNAVAILABLE', retryable: true });
  await orders.start();
  await eventually('it is back', () => concordat.resources().every(({ available }) => available));
  expect(await placeOrder(concordat, ORDER)).toBe('placed');
}, 30_000);

test.each(['accounts', 'orders'])('once and lock work without a table (%s)', async (name) => {
  const work = (key: string, end = 'commit'): Promise<unknown> =>
    concordat.transaction(async (tx) => {
      const { token } = await tx.lock(name, 'one at a time');
      const { first, value } = await tx.once(name, key, () => ({ token: String(token) }), { fingerprint: key });
      if (end !== 'commit') {
        throw new Error('changed its mind');
      }
      return { first, value, token };
    });
  await caught(work('a', 'rollback'));
  expect(await work('a')).toEqual({ first: true, value: { token: '2' }, token: 2n });
  expect(await work('a')).toEqual({ first: false, value: { token: '2' }, token: 3n });
  const all = await Promise.all([1, 2, 3, 4].map(() => work('b')));
  expect(all.filter((one) => (one as { first: boolean }).first)).toHaveLength(1);
});

test('a statement that nobody has an answer for fails, and says so', async () => {
  const error = await caught(concordat.transaction((tx) => tx.resource('accounts').query('select now()')));
  expect(error).toMatchObject({ message: expect.stringContaining("database('accounts').answer(…)") });
  expect(() => testing.database('stock')).toThrow('there is no database stock; there are: accounts, orders');
});
