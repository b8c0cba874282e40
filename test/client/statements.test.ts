// Statements within a transaction: their order and numbers, what the first and the last of a branch say, and what shares a stream or a frame.
import { expect, test } from 'vitest';
import { caught, deferred, startFixture, statements } from './fixture.ts';
import type { Reply } from './scripted-resource.ts';

test('the statements of a branch are numbered from 1, and only the first says how the branch starts', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  await concordat.transaction(
    async (tx) => {
      await tx.resource('accounts').query('insert one');
      await tx.resource('accounts').query('insert two');
    },
    { timeoutMs: 20_000, isolation: 'serializable', readOnly: true },
  );
  const [first, second] = accounts.executed;
  expect(first).toMatchObject({
    bqual: 'accounts',
    statement: 1,
    isolation: 'ISOLATION_SERIALIZABLE',
    readOnly: true,
    last: false,
  });
  expect(first?.timeoutMs).toBeGreaterThan(19_000);
  expect(first?.timeoutMs).toBeLessThanOrEqual(20_000);
  expect(second).toMatchObject({ statement: 2, isolation: 'ISOLATION_UNSPECIFIED', readOnly: false, timeoutMs: 0 });
});

test("a branch's own isolation overrides the transaction's, with the first statement only", async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  await concordat.transaction(
    async (tx) => {
      const resource = tx.resource('accounts');
      await resource.query('select 1', [], { isolation: 'repeatable-read', readOnly: true });
      await expect(resource.query('select 2', [], { isolation: 'serializable' })).rejects.toThrow(TypeError);
      await expect(resource.query('select 2', [], { readOnly: true })).rejects.toThrow(TypeError);
      await resource.query('select 3');
    },
    { isolation: 'serializable' },
  );
  expect(accounts.executed).toMatchObject([
    { sql: 'select 1', isolation: 'ISOLATION_REPEATABLE_READ', readOnly: true },
    { sql: 'select 3', statement: 2 },
  ]);
});

test('statements of one resource leave in the order of the calls and wait for no answer; each hears its own', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, orders } = fixture;
  const slow = deferred<Reply>();
  const { instance } = accounts;
  accounts.answer = ({ sql }) => (sql === 'first' ? slow.promise : { execute: { instance, rowCount: 2 } });
  await concordat.transaction(async (tx) => {
    const first = tx.resource('accounts').query('first');
    const second = tx.resource('accounts').query('second');
    await tx.resource('orders').query('third');
    expect(orders.sql).toEqual(['third']);
    expect((await second).rowCount).toBe(2);
    slow.resolve({ execute: { instance, rowCount: 1 } });
    expect((await first).rowCount).toBe(1);
  });
  expect(accounts.executed).toMatchObject([
    { sql: 'first', statement: 1 },
    { sql: 'second', statement: 2 },
  ]);
  expect(accounts.frameSizes[0]).toBe(2);
});

test('a branch has no more statements on the way than its sidecar queues; the rest follow the answers', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const go = deferred<Reply>();
  accounts.answer = () => go.promise;
  await concordat.transaction(async (tx) => {
    const all = Array.from({ length: 80 }, (_, n) => tx.resource('accounts').query(`statement ${n}`));
    await statements(accounts, 32);
    expect(accounts.executed).toHaveLength(32);
    go.resolve({ execute: { instance: accounts.instance } });
    await Promise.all(all);
  });
  expect(accounts.executed.map(({ statement }) => statement)).toEqual(Array.from({ length: 80 }, (_, n) => n + 1));
});

test('statements of many transactions share one stream, and those of one turn one frame', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const work = (): Promise<unknown> => concordat.transaction((tx) => tx.resource('accounts').query('select 1'));
  await work();
  await Promise.all([work(), work(), work()]);
  expect(accounts.opened).toBe(1);
  expect(accounts.frameSizes).toEqual([1, 3]);
});

test('large statements of one turn do not share a frame that their sidecar would refuse', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const insert = (): Promise<void> =>
    concordat.transaction(async (tx) => {
      await tx.resource('accounts').query('insert', [Buffer.alloc(1_500_000)]);
    });
  await Promise.all([insert(), insert(), insert(), insert()]);
  expect(accounts.executed).toHaveLength(4);
  expect(accounts.opened).toBe(1);
});

test('after the statement marked last the branch takes no other, and the transaction commits', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('insert', [], { last: true });
    const error = await caught(tx.resource('accounts').query('select 1'));
    expect(error).toMatchObject({ code: 'BRANCH_STATE', retryable: false });
  });
  expect(accounts.executed).toMatchObject([{ last: true }]);
  expect(coordinator.heard('commit')).toHaveLength(1);
});
