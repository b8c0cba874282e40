// What `once` and `lock` promise, on a real PostgreSQL and beside it MariaDB or MySQL: the tables are those of docs/client.md.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Concordat, connect, type OnceResult, type Transaction } from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { type UsedSystem, useSystem } from '../e2e/system.ts';
import type { UsedEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred } from './fixture.ts';

const PAGE = resolve(import.meta.dirname, '../../docs/client.md');
const PAY = 'update customer set deposit = deposit - $1 where id = 1';
const ORDER = 'insert into customer_order (id, customer_id, amount) values (?, 1, ?)';
const RESOURCES = ['accounts', 'orders'] as const;
type Name = (typeof RESOURCES)[number];

/** The statements of the page that begin with such a comment. */
async function migrations(page: string, engine: string): Promise<readonly string[]> {
  const blocks = [...page.matchAll(/```sql\n-- (.*)\n([^`]*)```/g)].filter(([, engines]) => engines === engine);
  return blocks.flatMap(([, , sql = '']) => sql.split(';')).filter((sql) => sql.trim() !== '');
}

async function run({ server }: UsedEngine, statements: readonly string[]): Promise<void> {
  if (server.engine === 'postgresql') {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    for (const sql of statements) {
      await client.query(sql);
    }
    await client.end();
    return;
  }
  const connection = await mysql.createConnection({ uri: server.url });
  for (const sql of statements) {
    await connection.query(sql);
  }
  await connection.end();
}

export function tablesFacts(orders: 'mariadb' | 'mysql'): void {
  const pair = useSystem(orders);
  missingTables(pair);
  describe('with the tables', () => {
    beforeAll(async () => {
      const page = await readFile(PAGE, 'utf8');
      await run(pair.accounts, await migrations(page, 'PostgreSQL'));
      await run(pair.orders, await migrations(page, 'MySQL, MariaDB'));
    });
    beforeEach(async () => {
      const clean = ['once', 'lock', 'fence'].map((table) => `delete from concordat_${table}`);
      await Promise.all([run(pair.accounts, clean), run(pair.orders, clean)]);
    });
    onceFacts(pair);
    lockFacts(pair);
  });
}

async function start(pair: UsedSystem): Promise<Concordat> {
  const concordat = await connect(pair.system.cluster.address);
  onTestFinished(() => concordat.close());
  await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  return concordat;
}

function missingTables(pair: UsedSystem): void {
  test.each(RESOURCES)('a table that is missing at %s is told with what to do', async (resource) => {
    const concordat = await start(pair);
    const once = await caught(concordat.transaction((tx) => tx.once(resource, 'key', () => 1)));
    expect(once).toMatchObject({ code: 'STATEMENT_FAILED', retryable: false, resource });
    expect(once).toMatchObject({ message: expect.stringMatching(/create it .* docs\/client\.md says under "once"/) });
    const lock = await caught(concordat.transaction((tx) => tx.lock(resource, 'name')));
    expect(lock).toMatchObject({ message: expect.stringMatching(/create it .* docs\/client\.md says under "lock"/) });
  });
}

/** Pays at one database and orders at the other, once for each key. */
function orderOnce(tx: Transaction, at: Name, key: string, fingerprint?: string): Promise<OnceResult<object>> {
  const work = async (): Promise<{ id: string; at: number }> => {
    await tx.resource('accounts').query(PAY, [10]);
    await tx.resource('orders').query(ORDER, [tx.gtrid, 10]);
    return { id: tx.gtrid, at: 1 };
  };
  return tx.once(at, key, work, fingerprint === undefined ? {} : { fingerprint });
}

function onceFacts(pair: UsedSystem): void {
  test.each(RESOURCES)('a request that comes twice is done once, and both get its result (%s)', async (at) => {
    const concordat = await start(pair);
    const first = await concordat.transaction((tx) => orderOnce(tx, at, 'Zwölf', 'body'));
    expect(first).toEqual({ value: { id: expect.any(String), at: 1 }, first: true });
    const second = await concordat.transaction((tx) => orderOnce(tx, at, 'Zwölf', 'body'));
    expect(second).toEqual({ value: first.value, first: false });
    // Not a key of another spelling, which collations would call the same.
    expect(await concordat.transaction((tx) => orderOnce(tx, at, 'zwölf ', 'body'))).toMatchObject({ first: true });
    expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
  });

  test.each(RESOURCES)('of many at the same time one does the work, and all get its result (%s)', async (at) => {
    const concordat = await start(pair);
    const all = await Promise.all(
      Array.from({ length: 12 }, () =>
        concordat.transaction((tx) => orderOnce(tx, at, 'at once'), { timeoutMs: 20_000, retries: 10 }),
      ),
    );
    expect(all.filter(({ first }) => first)).toHaveLength(1);
    expect(new Set(all.map(({ value }) => JSON.stringify(value))).size).toBe(1);
    expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test.each(RESOURCES)(
    'one that comes while the first is at work waits for it, or for its own deadline (%s)',
    async (at) => {
      const concordat = await start(pair);
      const claimed = deferred<void>();
      const goOn = deferred<void>();
      const holder = concordat.transaction((tx) =>
        tx.once(at, 'slow', async () => {
          claimed.resolve();
          await goOn.promise;
          return 'done';
        }),
      );
      await claimed.promise;
      const hasty = await caught(concordat.transaction((tx) => tx.once(at, 'slow', () => 'no'), { timeoutMs: 1_000 }));
      expect(hasty).toMatchObject({ retryable: true });
      const patient = concordat.transaction((tx) => tx.once(at, 'slow', () => 'no'));
      goOn.resolve();
      expect(await holder).toEqual({ value: 'done', first: true });
      expect(await patient).toEqual({ value: 'done', first: false });
    },
  );

  test.each(RESOURCES)('after a rollback the key is free again (%s)', async (at) => {
    const concordat = await start(pair);
    const broken = concordat.transaction(async (tx) => {
      await orderOnce(tx, at, 'again');
      throw new Error('the application changed its mind');
    });
    expect(await caught(broken)).toMatchObject({ message: 'the application changed its mind' });
    expect(await concordat.transaction((tx) => orderOnce(tx, at, 'again'))).toMatchObject({ first: true });
    expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('work that failed cannot be committed, even where its error is caught', async () => {
    const concordat = await start(pair);
    const failed = concordat.transaction(async (tx) => {
      const work = async (): Promise<void> => {
        await tx.resource('accounts').query(PAY, [10]);
        throw new Error('half done');
      };
      await caught(tx.once('orders', 'half', work));
    });
    expect(await caught(failed)).toMatchObject({
      code: 'ROLLBACK_ONLY',
      message: expect.stringContaining('half done'),
    });
    expect(await concordat.transaction((tx) => orderOnce(tx, 'orders', 'half'))).toMatchObject({ first: true });
    expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test.each(RESOURCES)('a key with another fingerprint is refused, and nothing is done (%s)', async (at) => {
    const concordat = await start(pair);
    await concordat.transaction((tx) => orderOnce(tx, at, 'key', 'one body'));
    const other = await caught(concordat.transaction((tx) => orderOnce(tx, at, 'key', 'another body')));
    expect(other).toMatchObject({ code: 'KEY_REUSED', retryable: false });
    expect(await concordat.transaction((tx) => orderOnce(tx, at, 'key'))).toMatchObject({ first: false });
    expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('work without a result is done once, too; within one transaction a key is asked for as often as one likes', async () => {
    const concordat = await start(pair);
    let done = 0;
    const work = (): void => void done++;
    await concordat
      .transaction(async (tx) => {
        expect(await tx.once('orders', 'message-1', work)).toEqual({ value: undefined, first: true });
        expect(await tx.once('orders', 'message-1', work)).toEqual({ value: undefined, first: false });
        const inner = await caught(
          tx.once('orders', 'message-2', () => tx.once('orders', 'message-2', work).then(() => 1)),
        );
        expect(inner).toMatchObject({ code: 'BRANCH_BUSY' });
      })
      .catch((error: unknown) => expect(error).toMatchObject({ code: 'ROLLBACK_ONLY' }));
    await concordat.transaction((tx) => tx.once('orders', 'message-1', work));
    await concordat.transaction((tx) => tx.once('orders', 'message-1', work));
    expect(done).toBe(2);
  });

  test('at PostgreSQL with repeatable-read the second is told by a retryable error', async () => {
    const concordat = await start(pair);
    const options = { isolation: 'repeatable-read', retries: 5 } as const;
    const all = await Promise.all(
      [1, 2, 3].map(() => concordat.transaction((tx) => orderOnce(tx, 'accounts', 'strict'), options)),
    );
    expect(all.filter(({ first }) => first)).toHaveLength(1);
    expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test.each(RESOURCES)(
    'a key that was taken in a nested scope is free again when the scope is undone (%s)',
    async (at) => {
      const concordat = await start(pair);
      const result = await concordat.transaction(async (tx) => {
        const undone = tx.nested(async () => {
          await orderOnce(tx, at, 'nested');
          throw new Error('only this part');
        });
        expect(await caught(undone)).toMatchObject({ message: 'only this part' });
        expect(await orderOnce(tx, at, 'nested')).toMatchObject({ first: true });
        return await orderOnce(tx, at, 'nested');
      });
      expect(result).toMatchObject({ first: false, value: { at: 1 } });
      expect(await pair.system.shop.books()).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
    },
  );

  test('a service that joined the transaction has its once, and it ends with the whole', async () => {
    const concordat = await start(pair);
    const consume = async (end: 'commit' | 'rollback'): Promise<boolean> => {
      await using tx = concordat.begin();
      const { first } = await concordat.join(tx.context).once('orders', 'joined', () => 1);
      await tx[end]();
      return first;
    };
    expect([await consume('rollback'), await consume('commit'), await consume('commit')]).toEqual([true, true, false]);
  });

  test.each([
    ['none', ''],
    ['too long', 'é'.repeat(128)],
  ])('a key must be a text of 1 to 255 bytes (%s)', async (_, key) => {
    const concordat = await start(pair);
    const error = await caught(concordat.transaction((tx) => tx.once('orders', key, () => 1)));
    expect(error).toMatchObject({ message: expect.stringMatching(/not empty|use a hash/) });
  });
}

function lockFacts(pair: UsedSystem): void {
  test.each(RESOURCES)(
    'one holds the lock at a time, and each token is greater than the one before (%s)',
    async (at) => {
      const concordat = await start(pair);
      const tokens: bigint[] = [];
      let holders = 0;
      const hold = (): Promise<void> =>
        concordat.transaction(
          async (tx) => {
            const { token } = await tx.lock(at, 'report');
            expect(++holders).toBe(1);
            tokens.push(token);
            const again = await tx.lock(at, 'report');
            expect(again.token).toBeGreaterThan(token);
            tokens.push(again.token);
            holders--;
          },
          { timeoutMs: 20_000, retries: 5 },
        );
      await Promise.all(Array.from({ length: 10 }, hold));
      expect(tokens.length).toBeGreaterThanOrEqual(20);
      expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)));
      expect(new Set(tokens).size).toBe(tokens.length);
    },
  );

  test.each(RESOURCES)('a token that was rolled back is not given out again (%s)', async (at) => {
    const concordat = await start(pair);
    const take = async (end: 'commit' | 'rollback'): Promise<bigint> => {
      await using tx = concordat.begin();
      const { token } = await tx.lock(at, 'report');
      await tx[end]();
      return token;
    };
    expect([await take('rollback'), await take('commit'), await take('rollback')]).toEqual([1n, 2n, 3n]);
  });

  test.each(RESOURCES)(
    'whoever waits in vain is told at his deadline, and other names do not wait (%s)',
    async (at) => {
      const concordat = await start(pair);
      await using holder = concordat.begin();
      await holder.lock(at, 'm');
      // New names on either side of the one that is held: no gap is locked.
      for (const name of ['a', 'l', 'n', 'z']) {
        await concordat.transaction((tx) => tx.lock(at, name), { timeoutMs: 3_000 });
      }
      const error = await caught(concordat.transaction((tx) => tx.lock(at, 'm'), { timeoutMs: 1_000 }));
      expect(error).toMatchObject({ retryable: true });
      await holder.rollback();
      await concordat.transaction((tx) => tx.lock(at, 'm'), { timeoutMs: 3_000 });
    },
  );

  test.each(RESOURCES)('a branch that did nothing but lock keeps the lock until the decision (%s)', async (at) => {
    const concordat = await start(pair);
    const other = at === 'accounts' ? 'orders' : 'accounts';
    await using holder = concordat.begin();
    await holder.lock(at, 'kept');
    await holder.lock(other, 'kept');
    await holder.resource(at).query('select 1', [], { last: true });
    const error = await caught(concordat.transaction((tx) => tx.lock(at, 'kept'), { timeoutMs: 1_000 }));
    expect(error).toMatchObject({ retryable: true });
    await holder.commit();
  });

  test.each(RESOURCES)(
    'a row that is deleted while its lock is waited for is no lock that nobody holds (%s)',
    async (at) => {
      const concordat = await start(pair);
      await concordat.transaction((tx) => tx.lock(at, 'swept'));
      const sleep = at === 'accounts' ? 'select pg_sleep(1.5)' : 'select sleep(1.5)';
      const sweep = run(at === 'accounts' ? pair.accounts : pair.orders, [
        'begin',
        "delete from concordat_lock where name = 'swept'",
        sleep,
        'commit',
      ]);
      // Were it too short, the lock would come first and the sweep wait for it: the same must hold.
      await new Promise((done) => setTimeout(done, 500));
      await using first = concordat.begin({ timeoutMs: 6_000 });
      const refused = await first.lock(at, 'swept').then(
        () => undefined,
        (error: unknown) => error,
      );
      await sweep;
      if (refused === undefined) {
        const second = await caught(concordat.transaction((tx) => tx.lock(at, 'swept'), { timeoutMs: 1_000 }));
        expect(second).toMatchObject({ retryable: true });
        await first.commit();
      } else {
        expect(refused).toMatchObject({ retryable: true });
      }
    },
  );
}
