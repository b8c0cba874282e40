// One-shot transactions against the real coordinator and real sidecars, over memory engines.
import { expect, test } from 'vitest';
import {
  type Concordat,
  type OneShotStatement,
  OutcomeUnknownError,
  ResultsLostError,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught } from './fixture.ts';
import { type RealCluster, startCluster } from './real-cluster.ts';

/** Writes `key` twice at accounts and once at orders. */
function writes(key: string): OneShotStatement[] {
  return [
    { resource: 'accounts', sql: `set ${key} $1`, parameters: [1] },
    { resource: 'orders', sql: `set ${key} $1`, parameters: [1] },
    { resource: 'accounts', sql: `set ${key}.again $1`, parameters: [1] },
  ];
}

/** What `writes` left of `key`. */
async function read(concordat: Concordat, key: string): Promise<unknown[]> {
  const { results } = await concordat.transact(
    [
      { resource: 'accounts', sql: `get ${key}` },
      { resource: 'orders', sql: `get ${key}` },
      { resource: 'accounts', sql: `get ${key}.again` },
    ],
    { retries: 20 },
  );
  return results.map(({ rows }) => Object.values(rows[0] ?? {})[0]);
}

const ALL = [1, 1, 1];
const NOTHING = [undefined, undefined, undefined];

async function connectWarm(cluster: RealCluster): Promise<Concordat> {
  const concordat = await cluster.connect();
  await read(concordat, 'anything');
  return concordat;
}

test('what it wrote at two resources is there for the next one, and the results are those of its statements', async () => {
  await using cluster = await startCluster();
  const concordat = await connectWarm(cluster);
  const done = await concordat.transact([...writes('a'), { resource: 'orders', sql: 'add a 2' }]);
  expect(done).toMatchObject({ outcome: 'committed', applied: true });
  expect(done.results).toHaveLength(4);
  expect(await concordat.outcome(done.gtrid)).toBe('committed');
  expect(await read(concordat, 'a')).toEqual([1, 3, 1]);
});

test('a failure of any statement leaves nothing anywhere, and is the error of that statement', async () => {
  await using cluster = await startCluster();
  const concordat = await connectWarm(cluster);
  for (const place of [0, 1, 2, 3]) {
    for (const resource of ['accounts', 'orders']) {
      const key = `${resource}${place}`;
      const statements = writes(key).toSpliced(place, 0, { resource, sql: 'fail' });
      const error = await caught(concordat.transact(statements));
      expect(error).toBeInstanceOf(StatementError);
      expect(error).toMatchObject({ code: 'STATEMENT_FAILED', resource, retryable: false });
      expect([key, await read(concordat, key)]).toEqual([key, NOTHING]);
    }
  }
});

test('a statement that no participant takes is refused with its reason, though its branch has nothing to vote on', async () => {
  await using cluster = await startCluster();
  const concordat = await connectWarm(cluster);
  const error = await caught(concordat.transact([...writes('a'), { resource: 'orders', sql: ' ' }]));
  expect(error).toMatchObject({ code: 'FIELD_INVALID', resource: 'orders' });
  expect(await read(concordat, 'a')).toEqual(NOTHING);
});

test('beyond the open transactions it is refused as such, and what its participants have prepared is rolled back', async () => {
  await using cluster = await startCluster(1);
  const concordat = await connectWarm(cluster);
  const { transactions } = cluster.coordinator;
  const open = concordat.begin();
  expect(open.context).not.toBe('');
  await eventually('the place is taken', () => transactions.undecidedCount === 1);
  for (const key of ['a', 'b', 'c']) {
    const error = await caught(concordat.transact(writes(key)));
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    expect(error).toMatchObject({ code: 'LIMIT_TRANSACTIONS', retryable: true });
  }
  await eventually('nothing is left', () => cluster.prepared === 0 && transactions.liveCount === 1);
  await open.rollback();
  for (const key of ['a', 'b', 'c']) {
    expect(await read(concordat, key)).toEqual(NOTHING);
  }
});

test('hundreds at once are all committed', async () => {
  await using cluster = await startCluster();
  const concordat = await connectWarm(cluster);
  const keys = Array.from({ length: 300 }, (_, n) => `k${n}`);
  await Promise.all(keys.map((key) => concordat.transact(writes(key), { retries: 50 })));
  for (const key of keys.filter((_, n) => n % 50 === 0)) {
    expect(await read(concordat, key)).toEqual(ALL);
  }
});

test('while the coordinator and a sidecar are restarted, all end with an answer that the databases agree with', async () => {
  await using cluster = await startCluster();
  const concordat = await connectWarm(cluster);
  const told: (readonly [string, string])[] = [];
  let running = true;
  const worker = async (name: number): Promise<void> => {
    for (let n = 0; running; n++) {
      const key = `k${name}.${n}`;
      const ending = await concordat.transact(writes(key)).then(
        () => 'committed',
        (error: unknown) =>
          error instanceof ResultsLostError
            ? 'committed'
            : error instanceof OutcomeUnknownError
              ? 'unknown'
              : 'rolled back',
      );
      told.push([key, ending]);
      if (ending !== 'committed') {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  const workers = Array.from({ length: 8 }, (_, name) => worker(name));
  const committed = (count: number): Promise<unknown> => {
    const before = told.length;
    const since = (): number => told.slice(before).filter(([, ending]) => ending === 'committed').length;
    return eventually('work', () => since() >= count);
  };
  await committed(50);
  await cluster.killCoordinator();
  await cluster.startCoordinator();
  await committed(50);
  await cluster.stopSidecar('orders');
  await cluster.startSidecar('orders');
  await committed(50);
  running = false;
  await Promise.all(workers);
  expect(told.some(([, ending]) => ending === 'unknown')).toBe(false);
  for (const [key, ending] of told) {
    expect([key, await read(concordat, key)]).toEqual([key, ending === 'committed' ? ALL : NOTHING]);
  }
}, 60_000);
