// The client against the real coordinator and real sidecars, over memory engines.
import { expect, test } from 'vitest';
import { runTransaction } from '../../examples/unary-client.mjs';
import {
  type Concordat,
  OutcomeUnknownError,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught } from './fixture.ts';
import { startCluster } from './real-cluster.ts';

/** What the two memory engines hold under `key`, read in a transaction of its own. */
function read(concordat: Concordat, key: string): Promise<unknown[]> {
  return concordat.transaction(async (tx) => {
    const results = await Promise.all([
      tx.resource('accounts').query(`get ${key}`),
      tx.resource('orders').query(`get ${key}`),
    ]);
    return results.map(({ rows }) => Object.values(rows[0] ?? {})[0]);
  });
}

function isConnected(concordat: Concordat): boolean {
  try {
    void concordat.begin().rollback();
    return true;
  } catch {
    return false;
  }
}

test('what a transaction wrote at two resources is there for the next one, all of it', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('set a 1');
    await tx.resource('orders').query('set a $1', ['two']);
    await tx.resource('orders').query('set b 3');
  });
  expect(await read(concordat, 'a')).toEqual([1, 'two']);
  expect(await read(concordat, 'b')).toEqual([undefined, 3]);
});

test('with the votes unasked the result is the same', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const result = await concordat.begin().commit();
  expect(result).toEqual({ outcome: 'committed', applied: true });
  await concordat.transaction(async (tx) => {
    await Promise.all([
      tx.resource('accounts').query('set a 1', [], { last: true }),
      tx.resource('orders').query('set a 2', [], { last: true }),
    ]);
  });
  expect(await read(concordat, 'a')).toEqual([1, 2]);
});

test('a failure at one resource leaves nothing at the other', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const error = await caught(
    concordat.transaction(async (tx) => {
      await tx.resource('accounts').query('set a 1');
      await tx.resource('orders').query('fail');
    }),
  );
  expect(error).toBeInstanceOf(StatementError);
  expect(await read(concordat, 'a')).toEqual([undefined, undefined]);
});

test('hundreds of concurrent transactions over one session add up', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('set sum 0');
    await tx.resource('orders').query('set sum 0');
  });
  const add = (): Promise<unknown> =>
    concordat.transaction(
      async (tx) => {
        await tx.resource('accounts').query('add sum 1');
        await tx.resource('orders').query('add sum 1');
      },
      { retries: 50 },
    );
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 32 }, add));
  }
  expect(await read(concordat, 'sum')).toEqual([320, 320]);
});

test('a transaction over two services commits as one, and only when its beginner says so (conformance A9)', async () => {
  await using cluster = await startCluster();
  const orderService = await cluster.connect({ application: 'orders' });
  const stockService = await cluster.connect({ application: 'stock' });
  const tx = orderService.begin();
  await tx.resource('orders').query('set order 1');
  const joined = stockService.join(tx.context);
  await joined.resource('accounts').query('set stock 9');
  await joined.resource('orders').query('set reserved 1');
  expect(await orderService.outcome(tx.gtrid)).toBe('active');
  await tx.commit();
  expect(await stockService.outcome(tx.gtrid)).toBe('committed');
  expect(await read(orderService, 'stock')).toEqual([9, undefined]);
  expect(await read(orderService, 'reserved')).toEqual([undefined, 1]);
});

test('a statement that fails in a joined service rolls back what its beginner did', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const tx = concordat.begin();
  await tx.resource('orders').query('set order 1');
  const joined = concordat.join(tx.context);
  expect(await caught(joined.resource('accounts').query('fail'))).toBeInstanceOf(StatementError);
  expect(await caught(tx.commit())).toBeInstanceOf(TransactionRolledBackError);
  expect(await read(concordat, 'order')).toEqual([undefined, undefined]);
});

test('the transaction’s time is kept by the coordinator, and the client is told before it asks', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const tx = concordat.begin({ timeoutMs: 150 });
  await tx.resource('orders').query('set late 1');
  const error = await eventually('the deadline is told', async () => {
    const thrown: unknown = await tx
      .resource('orders')
      .query('get late')
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    return thrown;
  });
  expect(error).toMatchObject({ retryable: true });
  expect(await caught(tx.commit())).toBeInstanceOf(TransactionRolledBackError);
  expect(await read(concordat, 'late')).toEqual([undefined, undefined]);
});

test('a coordinator that dies before the commit was asked for loses the transaction, and nothing of it stays (faults F02)', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const tx = concordat.begin();
  await tx.resource('accounts').query('set a 1');
  await tx.resource('orders').query('set a 1');
  await cluster.killCoordinator();
  await eventually('the loss is noticed', () => !isConnected(concordat));
  expect(await caught(tx.commit())).toMatchObject({ code: 'CLIENT_LOST', retryable: true });
  await cluster.startCoordinator();
  await eventually('both sidecars are back', () => concordat.resources().every(({ available }) => available));
  expect(
    await concordat.outcome(tx.gtrid, [
      { bqual: 'accounts', instance: '' },
      { bqual: 'orders', instance: '' },
    ]),
  ).toBe('rolled-back');
  expect(
    await concordat.transaction((again) => again.resource('accounts').query('set a 2'), { retries: 10 }),
  ).toMatchObject({
    rowCount: 1,
  });
});

test('commits in flight while the coordinator is restarted all end with an answer that the databases agree with', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const told: (readonly [string, string])[] = [];
  let running = true;
  const worker = async (name: number): Promise<void> => {
    for (let n = 0; running; n++) {
      const key = `k${name}.${n}`;
      const ending = await concordat
        .transaction(async (tx) => {
          await tx.resource('accounts').query(`set ${key} 1`);
          await tx.resource('orders').query(`set ${key} 1`);
        })
        .then(
          () => 'committed',
          (error: unknown) => (error instanceof OutcomeUnknownError ? 'unknown' : 'rolled back'),
        );
      told.push([key, ending]);
    }
  };
  const workers = Array.from({ length: 8 }, (_, name) => worker(name));
  for (let restart = 0; restart < 3; restart++) {
    const before = told.filter(([, ending]) => ending === 'committed').length;
    await eventually('work is done', () => told.filter(([, ending]) => ending === 'committed').length > before + 20);
    await cluster.killCoordinator();
    await cluster.startCoordinator();
    await eventually('both sidecars are back', () => concordat.resources().every(({ available }) => available));
  }
  running = false;
  await Promise.all(workers);
  expect(told.some(([, ending]) => ending === 'unknown')).toBe(false);
  for (const [key, ending] of told) {
    const both = await read(concordat, key);
    expect([key, both]).toEqual([key, ending === 'committed' ? [1, 1] : [undefined, undefined]]);
  }
}, 60_000);

test('a sidecar that is restarted fails the transactions that had work there, and serves the next ones', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const tx = concordat.begin();
  await tx.resource('orders').query('set a 1');
  await cluster.stopSidecar('orders');
  await cluster.startSidecar('orders');
  const error = await caught(tx.resource('orders').query('set b 1'));
  expect(error).toMatchObject({ retryable: true });
  await tx.rollback();
  await concordat.transaction((again) => again.resource('orders').query('set c 1'), { retries: 20 });
  expect(await read(concordat, 'c')).toEqual([undefined, 1]);
  expect(await read(concordat, 'a')).toEqual([undefined, undefined]);
});

test('a client of nothing but the proto files and unary calls commits numbered statements at two resources', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const { gtrid, outcome, results } = await runTransaction(cluster.address, [
    { resource: 'accounts', statements: [{ sql: 'set a 100' }] },
    { resource: 'orders', statements: [{ sql: 'set a $1', parameters: [{ int: '50' }] }, { sql: 'add a 50' }] },
  ]);
  expect(outcome).toBe('OUTCOME_COMMITTED');
  expect(results).toHaveLength(3);
  expect(await read(concordat, 'a')).toEqual([100, 100]);
  expect(await concordat.outcome(gtrid)).toBe('committed');
});

test('the same client leaves nothing behind when a statement fails', async () => {
  await using cluster = await startCluster();
  const concordat = await cluster.connect();
  const error = await caught(
    runTransaction(cluster.address, [
      { resource: 'accounts', statements: [{ sql: 'set a 1' }] },
      { resource: 'orders', statements: [{ sql: 'fail' }] },
    ]),
  );
  expect(error).toMatchObject({ code: 10 });
  expect(await read(concordat, 'a')).toEqual([undefined, undefined]);
});
