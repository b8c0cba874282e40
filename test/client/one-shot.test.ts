// Transactions whose statements are all known: what leaves when, what is refused before that, and the results.
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { caught, deferred, startFixture, statements } from './fixture.ts';
import { COMMITTED, holdCommit, startWarm, TRANSFER } from './one-shot-fixture.ts';
import type { Reply } from './scripted-resource.ts';

test('statements and commit leave in one turn; results come in the order of the statements', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const go = deferred<void>();
  const held = holdCommit(fixture);
  accounts.answer = async ({ statement }) => {
    await go.promise;
    return { execute: { instance: accounts.instance, rowCount: statement * 10 } };
  };
  const running = concordat.transact(TRANSFER);
  await held.asked;
  await statements(accounts, 2);
  await statements(orders, 1);
  expect(coordinator.frames).toEqual([['begin', 'commit']]);
  expect(accounts.frameSizes).toEqual([2]);
  expect(accounts.executed).toMatchObject([
    { sql: 'debit $1', bqual: 'accounts', statement: 1, oneShot: true, named: true, last: false },
    { sql: 'book', bqual: 'accounts', statement: 2, oneShot: false, last: true },
  ]);
  expect(accounts.executed[0]?.timeoutMs).toBeGreaterThan(0);
  expect(orders.executed).toMatchObject([{ sql: 'credit ?', statement: 1, oneShot: true, last: true }]);
  expect(coordinator.heard('commit')).toMatchObject([
    {
      branches: [
        { bqual: 'accounts', instance: accounts.instance, asked: true },
        { bqual: 'orders', instance: orders.instance, asked: true },
      ],
    },
  ]);
  held.answer(COMMITTED);
  go.resolve();
  const { outcome, applied, results, gtrid } = await running;
  expect({ outcome, applied, gtrid }).toEqual({
    outcome: 'committed',
    applied: true,
    gtrid: coordinator.heard('begin')[0]?.gtrid,
  });
  expect(results.map(({ rowCount }) => rowCount)).toEqual([10, 1, 20]);
  expect(coordinator.heard('rollback')).toEqual([]);
  expect(accounts.asked).toHaveLength(1); // From the start of the test: the statement marked last asks.
});

test('values go as parameters, and never as text', async () => {
  await using fixture = await startWarm();
  const value = "1'; drop table customer; --";
  await fixture.concordat.transact([
    { resource: 'accounts', sql: 'select $1', parameters: [value] },
    { resource: 'orders', sql: 'select ?', parameters: [value] },
  ]);
  for (const { executed } of [fixture.accounts, fixture.orders]) {
    expect(executed[0]?.sql).not.toContain('drop');
    expect(executed[0]?.parameters).toMatchObject([{ text: value }]);
  }
});

test('a branch starts as its first statement says, else as the options say', async () => {
  await using fixture = await startWarm();
  const { concordat, accounts, orders } = fixture;
  await concordat.transact(
    [
      { resource: 'accounts', sql: 'one', isolation: 'read-committed' },
      { resource: 'orders', sql: 'two' },
    ],
    { isolation: 'serializable', readOnly: true },
  );
  expect(accounts.executed).toMatchObject([{ isolation: 'ISOLATION_READ_COMMITTED', readOnly: true }]);
  expect(orders.executed).toMatchObject([{ isolation: 'ISOLATION_SERIALIZABLE', readOnly: true }]);
  const late = concordat.transact([...TRANSFER, { resource: 'accounts', sql: 'late', readOnly: true }]);
  expect(await caught(late)).toBeInstanceOf(TypeError);
});

test('the statements of a single resource leave together, and it is committed in one phase when all are answered', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  const go = deferred<Reply>();
  accounts.answer = () => go.promise;
  const running = concordat.transact([
    { resource: 'accounts', sql: 'one' },
    { resource: 'accounts', sql: 'two' },
  ]);
  await statements(accounts, 2);
  expect(accounts.frameSizes).toEqual([2]);
  expect(accounts.executed).toMatchObject([
    { last: false, oneShot: false },
    { last: false, oneShot: false },
  ]);
  expect(coordinator.heard('commit')).toEqual([]);
  go.resolve({ execute: { instance: accounts.instance } });
  expect((await running).results).toHaveLength(2);
  expect(coordinator.heard('commit')).toMatchObject([{ branches: [{ bqual: 'accounts', asked: false }] }]);
});

test('where a sidecar has not been heard yet, or there are too many statements, the commit waits for the answers', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const go = deferred<Reply>();
  accounts.answer = () => go.promise;
  const cold = concordat.transact(TRANSFER);
  await statements(accounts, 2);
  expect(accounts.executed).toMatchObject([
    { oneShot: false, last: false },
    { oneShot: false, last: true },
  ]);
  expect(coordinator.heard('commit')).toEqual([]);
  go.resolve({ execute: { instance: accounts.instance } });
  expect((await cold).results).toHaveLength(3);
  const many = Array.from({ length: 33 }, (_, n) => ({ resource: 'accounts', sql: `book ${n}` }));
  await concordat.transact([...many, { resource: 'orders', sql: 'credit' }]);
  expect(accounts.executed.slice(2).map(({ sql }) => sql)).toEqual(many.map(({ sql }) => sql));
  expect(accounts.executed.some(({ oneShot }) => oneShot)).toBe(false);
  await concordat.transact([...many.slice(1), { resource: 'orders', sql: 'credit' }]);
  expect(accounts.executed.some(({ oneShot }) => oneShot)).toBe(true);
});

test('a resource that is away is waited for, one that nobody knows is not, and of neither anything is sent', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const unknown = await caught(concordat.transact([...TRANSFER, { resource: 'stock', sql: 'take' }]));
  expect(unknown).toMatchObject({ code: 'RESOURCE_UNKNOWN', retryable: false });
  coordinator.setDirectory([accounts.entry('accounts'), { name: 'orders', engine: 'mariadb' }]);
  await eventually('the news', () => concordat.resources().some(({ available }) => !available));
  const running = concordat.transact(TRANSFER);
  coordinator.setDirectory([accounts.entry('accounts'), orders.entry('orders', 'mariadb')]);
  expect((await running).results).toHaveLength(3);
});

test('no statement at all is a transaction that is committed', async () => {
  await using fixture = await startWarm();
  expect(await fixture.concordat.transact([])).toMatchObject({ outcome: 'committed', results: [] });
});

test('a statement that cannot be sent is refused before anything leaves', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  const bad = [...TRANSFER, { resource: 'orders', sql: 'credit ?', parameters: [undefined as never] }];
  const error = await caught(concordat.transact(bad, { retries: 3 }));
  expect(error).toBeInstanceOf(TypeError);
  await concordat.transact(TRANSFER);
  expect(coordinator.heard('begin')).toHaveLength(1);
  expect(accounts.executed).toHaveLength(2);
});

test('a client that is closed waits for the commit that is under way', async () => {
  await using fixture = await startWarm();
  const { concordat } = fixture;
  const held = holdCommit(fixture);
  const running = concordat.transact(TRANSFER);
  await held.asked;
  const closed = concordat.close();
  held.answer(COMMITTED);
  expect((await running).outcome).toBe('committed');
  await closed;
  expect(await caught(concordat.transact(TRANSFER))).toMatchObject({ code: 'TXN_STATE' });
});
