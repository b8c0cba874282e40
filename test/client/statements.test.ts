// Statements within a transaction: order, numbers, what travels with them, and what a failure does to the rest.
import { expect, test } from 'vitest';
import { ConcordatError, StatementError, TransactionRolledBackError } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
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

test('parameters and results keep their types over the wire', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, orders } = fixture;
  accounts.answer = () => ({
    execute: {
      columns: ['n', 'b', 'i', 'big', 'd', 't', 'x', 'j', 'ts', 'dec', '__proto__'].map((name) => ({
        name,
        type: 'any',
      })),
      rows: [
        {
          values: [
            { null: true },
            { bool: true },
            { int: '-42' },
            { int: '9007199254740993' },
            { double: 0.5 },
            { text: 'Grüße' },
            { bytes: Buffer.from([0, 255]) },
            { json: '{"a":[1,null]}' },
            { timestamp: '2026-11-20 10:00:00.123456+00' },
            { decimal: '12345678901234567890.5' },
            { text: 'a column like any other' },
          ],
        },
      ],
      rowCount: 1,
      insertId: '7',
    },
  });
  const date = new Date('2026-11-20T10:00:00.123Z');
  await concordat.transaction(async (tx) => {
    const parameters = [null, true, 42, 2n ** 62n, 0.5, 'text', Buffer.from([1, 2]), date, { a: [1] }, [1, 'two']];
    const result = await tx.resource('accounts').query('select everything', parameters);
    const [row] = result.rows;
    expect(row).toMatchObject({
      n: null,
      b: true,
      i: -42,
      big: 9007199254740993n,
      d: 0.5,
      t: 'Grüße',
      x: Buffer.from([0, 255]),
      j: { a: [1, null] },
      ts: '2026-11-20 10:00:00.123456+00',
      dec: '12345678901234567890.5',
    });
    expect(Object.getOwnPropertyDescriptor(row, '__proto__')?.value).toBe('a column like any other');
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(result).toMatchObject({ rowCount: 1, insertId: 7 });
    expect(result.columns[0]).toEqual({ name: 'n', type: 'any' });
    await tx.resource('orders').query('select ?', [date]);
  });
  expect(accounts.executed[0]?.parameters.map(({ kind }) => kind)).toEqual([
    'null',
    'bool',
    'int',
    'int',
    'double',
    'text',
    'bytes',
    'timestamp',
    'json',
    'json',
  ]);
  expect(accounts.executed[0]?.parameters[3]?.int).toBe('4611686018427387904');
  expect(accounts.executed[0]?.parameters[7]?.timestamp).toBe('2026-11-20 10:00:00.123+00');
  expect(orders.executed[0]?.parameters[0]?.timestamp).toBe('2026-11-20 10:00:00.123');
});

test.each([
  ['undefined', [undefined], /parameter 1 is undefined; pass null/],
  ['a function', [1, () => 1], /parameter 2 is a function/],
  ['an integer of 65 bits', [2n ** 63n], /more than 64 bits/],
  ['half a surrogate pair', ['\ud800'], /surrogate/],
  ['an invalid date', [new Date('never')], /invalid Date/],
  ['a Map', [new Map()], /is a Map/],
])('%s is refused as a parameter, nothing is sent, and the transaction goes on', async (_name, parameters, message) => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  await concordat.transaction(async (tx) => {
    const error = await caught(tx.resource('accounts').query('insert', parameters as never));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
    await tx.resource('accounts').query('insert again');
  });
  expect(accounts.executed).toMatchObject([{ sql: 'insert again', statement: 1 }]);
});

test('a statement larger than a sidecar takes is refused alone, and the stream stays whole', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  await concordat.transaction(async (tx) => {
    const error = await caught(tx.resource('accounts').query('insert', [Buffer.alloc(5 * 1024 * 1024)]));
    expect(error).toBeInstanceOf(RangeError);
    await tx.resource('accounts').query('insert', [Buffer.alloc(3 * 1024 * 1024)]);
  });
  expect(accounts.opened).toBe(1);
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

test('a failed statement carries the database’s words, rejects what follows it, and rolls everything back', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => ({
    error: {
      reason: 'STATEMENT_FAILED',
      message: 'could not serialize access',
      metadata: { sqlstate: '40001', retryable: 'true' },
    },
  });
  let behind: unknown;
  const error = await caught(
    concordat.transaction(async (tx) => {
      const first = tx.resource('accounts').query('update one');
      const second = caught(tx.resource('accounts').query('update two'));
      await first.finally(async () => {
        behind = await second;
      });
    }),
  );
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', sqlstate: '40001', retryable: true, resource: 'accounts' });
  expect(behind).toBe(error);
  expect(coordinator.heard('commit')).toEqual([]);
  expect(coordinator.heard('rollback')).toMatchObject([{ branches: [{ bqual: 'accounts', instance: '' }] }]);
});

test('a failure that the application swallows cannot be committed', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => ({
    error: { reason: 'STATEMENT_FAILED', message: 'duplicate key', metadata: { errno: '1062' } },
  });
  const error = await caught(
    concordat.transaction(async (tx) => {
      await tx
        .resource('accounts')
        .query('insert')
        .catch(() => undefined);
    }),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', retryable: false, cause: { errno: 1062 } });
  expect(coordinator.heard('commit')).toEqual([]);
  expect(coordinator.heard('rollback')).toHaveLength(1);
});

test('an unknown resource is refused with the names of those that exist', async () => {
  await using fixture = await startFixture();
  const error = await caught(fixture.concordat.transaction((tx) => tx.resource('acounts').query('select 1')));
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'RESOURCE_UNKNOWN', retryable: false });
  expect((error as Error).message).toContain('accounts, orders');
});

test('a known resource whose sidecar is away is waited for', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  coordinator.setDirectory([{ ...accounts.entry('accounts'), address: '' }]);
  await eventually('the directory', () => concordat.resources().length === 1);
  const running = concordat.transaction((tx) => tx.resource('accounts').query('select 1'));
  coordinator.setDirectory([accounts.entry('accounts')]);
  await running;
  expect(accounts.sql).toEqual(['select 1']);
});

test('a known resource whose sidecar stays away is refused within the transaction’s time', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.setDirectory([{ name: 'accounts', engine: 'postgresql', address: '' }]);
  await eventually('the directory', () => concordat.resources().length === 1);
  const work = concordat.transaction((tx) => tx.resource('accounts').query('select 1'), { timeoutMs: 200 });
  expect(await caught(work)).toMatchObject({ code: 'RESOURCE_UNAVAILABLE', retryable: true });
});

test('a stream that breaks rejects its statements as retryable, rolls back, and the next transaction opens another', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  const usual = accounts.answer;
  accounts.answer = () => undefined;
  const broken = caught(concordat.transaction((tx) => tx.resource('accounts').query('update')));
  await statements(accounts, 1);
  accounts.breakStreams();
  const error = await broken;
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true, resource: 'accounts' });
  expect(coordinator.heard('rollback')).toMatchObject([{ branches: [{ bqual: 'accounts' }] }]);
  accounts.answer = usual;
  await concordat.transaction((tx) => tx.resource('accounts').query('again'));
  expect(accounts.opened).toBe(2);
});

test('a branch whose stream broke between two statements takes no further one over another stream', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const tx = concordat.begin();
  await tx.resource('accounts').query('one');
  accounts.breakStreams();
  await eventually('the loss', () => accounts.streams.size === 0);
  // Another transaction reopens the stream, so that the loss is known and a healthy stream is at hand.
  await eventually('another stream', async () => {
    await concordat.transaction((other) => other.resource('accounts').query('other')).catch(() => undefined);
    return accounts.opened > 1;
  });
  expect(await caught(tx.resource('accounts').query('two'))).toMatchObject({
    code: 'CONNECTION_LOST',
    retryable: true,
  });
  expect(accounts.sql).not.toContain('two');
  await tx.rollback();
});

test('a sidecar that never answers holds no statement much longer than the transaction may last', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => undefined;
  const started = performance.now();
  const work = concordat.transaction((tx) => tx.resource('accounts').query('update'), { timeoutMs: 100 });
  const error = await caught(work);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true });
  expect(performance.now() - started).toBeLessThan(8_000);
  expect(coordinator.heard('rollback')).toHaveLength(1);
}, 15_000);

test('what the coordinator rolls back on its own rejects the statement that waits', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => undefined;
  const tx = concordat.begin();
  const waiting = caught(tx.resource('accounts').query('update'));
  await statements(accounts, 1);
  coordinator.sessions[0]?.send({
    ended: {
      gtrid: tx.gtrid,
      outcome: 'OUTCOME_ROLLED_BACK',
      reason: { code: 'TXN_TIMEOUT', message: 'the deadline passed', retryable: true },
    },
  });
  const error = await waiting;
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true, gtrid: tx.gtrid });
  expect(await caught(tx.commit())).toBe(error);
});
