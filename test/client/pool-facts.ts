// A pool of the application's whose connections take part in the transaction that asks for them: one for each, own transactions as
// savepoints, and never the pool itself where the transaction has ended. One definition, run with MariaDB and with MySQL.
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool, type Pool as MysqlPool, type PoolConnection, type ResultSetHeader } from 'mysql2';
import pg from 'pg';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Concordat, connect, TransactionRolledBackError } from '../../src/client/index.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred } from './fixture.ts';

const problem = new Error('the application changed its mind');

/** What the facts do with a pool, whichever driver and flavour. */
interface Pooled {
  readonly resource: 'accounts' | 'orders';
  /** By a connection that is taken and given back for it. */
  query(sql: string): Promise<readonly { readonly n: number }[]>;
  take(): Promise<{ query(sql: string): Promise<unknown>; release(): void }>;
}

export function poolFacts(pair: UsedSystem): void {
  let concordat: Concordat;
  let accounts: pg.Pool;
  let orders: MysqlPool;

  beforeEach(async () => {
    accounts = new pg.Pool({ connectionString: pair.accounts.server.url, max: 2 });
    orders = createPool({ uri: pair.orders.server.url, connectionLimit: 2 });
    for (const text of ['drop table if exists pooled', 'create table pooled (id varchar(64) primary key)']) {
      await accounts.query(text);
      await orders.promise().query(text);
    }
    concordat = await connect(pair.system.cluster.address);
    await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
    onTestFinished(async () => {
      await concordat.close();
      await accounts.end();
      await orders.promise().end();
    });
  });

  function onPg(pool: pg.Pool = concordat.pool('accounts', accounts)): Pooled {
    return {
      resource: 'accounts',
      query: async (sql) => (await pool.query(sql)).rows,
      take: () => pool.connect(),
    };
  }

  function onCallbacks(pool: MysqlPool = concordat.pool('orders', orders)): Pooled {
    type Rows = readonly { readonly n: number }[];
    const asked = (on: MysqlPool | PoolConnection, sql: string) =>
      new Promise<Rows>((resolve, reject) => {
        on.query(sql, (error, rows) => (error ? reject(error) : resolve(rows as unknown as Rows)));
      });
    return {
      resource: 'orders',
      query: (sql) => asked(pool, sql),
      take: async () => {
        const connection = await new Promise<PoolConnection>((resolve, reject) => {
          pool.getConnection((error, taken) => (error ? reject(error) : resolve(taken)));
        });
        return { query: (sql) => asked(connection, sql), release: () => connection.release() };
      },
    };
  }

  function onPromises(): Pooled {
    const pool = concordat.pool('orders', orders.promise());
    return {
      resource: 'orders',
      query: async (sql) => (await pool.query(sql))[0] as never,
      take: () => pool.getConnection(),
    };
  }

  const insert = (id: string): string => `insert into pooled values ('${id}')`;
  const rows = async (): Promise<{ accounts: readonly string[]; orders: readonly string[] }> => {
    const sql = 'select id from pooled order by id';
    const ids = (all: unknown): readonly string[] => (all as { readonly id: string }[]).map(({ id }) => id);
    const found = {
      accounts: ids((await accounts.query(sql)).rows),
      orders: ids((await orders.promise().query(sql))[0]),
    };
    return found;
  };

  /** A transaction of the application's own. */
  async function own(pooled: Pooled, ids: readonly string[], fails = false): Promise<void> {
    const connection = await pooled.take();
    try {
      await connection.query('begin');
      for (const id of ids) {
        await connection.query(insert(id));
        await sleep(5);
      }
      await connection.query(fails ? 'rollback' : 'commit');
    } finally {
      connection.release();
    }
  }

  test('what is asked of pools takes part in the transaction, and ends with it, in both flavours', async () => {
    const work = (end: () => void) =>
      concordat.transaction(async () => {
        for (const [index, pooled] of [onPg(), onCallbacks(), onPromises()].entries()) {
          await pooled.query(insert(`query ${index}`));
          await own(pooled, [`own ${index}`]);
          await own(pooled, [`undone ${index}`], true);
        }
        end();
      });
    expect(
      await caught(
        work(() => {
          throw problem;
        }),
      ),
    ).toBe(problem);
    expect(await rows()).toEqual({ accounts: [], orders: [] });
    await work(() => undefined);
    expect(await rows()).toEqual({
      accounts: ['own 0', 'query 0'],
      orders: ['own 1', 'own 2', 'query 1', 'query 2'],
    });
    // Everything was given back: to as many as the pool has.
    expect([accounts.totalCount, accounts.idleCount, accounts.waitingCount]).toEqual([1, 1, 0]);
  });

  test('each transaction has one connection, which its pool gets when it has ended', async () => {
    const pool = concordat.pool('accounts', accounts);
    await concordat.transaction(async () => {
      const pids = await Promise.all(
        [1, 2, 3].map(async () => (await pool.query('select pg_backend_pid() as pid')).rows[0].pid),
      );
      expect(new Set(pids).size).toBe(1);
      expect([accounts.totalCount, accounts.idleCount]).toEqual([1, 0]);
    });
    expect([accounts.totalCount, accounts.idleCount]).toEqual([1, 1]);
  });

  test('a pool that is asked in both flavours, or wrapped twice, lends one connection', async () => {
    const pools = [concordat.pool('orders', orders).promise(), concordat.pool('orders', orders.promise())];
    const again = concordat.pool('orders', orders.promise());
    await concordat.transaction(async () => {
      const ids = [];
      for (const pool of [...pools, again]) {
        const [found] = await pool.query('select connection_id() as id');
        ids.push((found as unknown as readonly { readonly id: number }[])[0]?.id);
      }
      expect(new Set(ids).size).toBe(1);
    });
  });

  describe.each([
    ['pg', onPg],
    ['mysql2, callbacks', onCallbacks],
    ['mysql2, promises', onPromises],
  ] as const)('%s', (_, open) => {
    test('own transactions side by side queue, and one that fails takes nothing of another along', async () => {
      const pooled = open();
      await concordat.transaction(async () => {
        await Promise.all([
          own(pooled, ['a1', 'a2', 'a3']),
          own(pooled, ['b1', 'b2', 'b3'], true),
          pooled.query(insert('single')),
          own(pooled, ['c1', 'c2', 'c3']),
        ]);
      });
      expect((await rows())[pooled.resource]).toEqual(['a1', 'a2', 'a3', 'c1', 'c2', 'c3', 'single']);
    });

    test('outside of a transaction it is the pool itself, and a strict one is refused', async () => {
      const pooled = open();
      await pooled.query(insert('outside'));
      await concordat
        .transaction(
          async () => {
            await concordat.transactional({ propagation: 'not-supported' })(() => pooled.query(insert('set aside')))();
            throw problem;
          },
          { rollbackOn: () => true },
        )
        .catch(() => undefined);
      expect((await rows())[pooled.resource]).toEqual(['outside', 'set aside']);
    });

    test('work that goes on after the end is refused, and the pool itself does not see it', async () => {
      const pooled = open();
      const gate = deferred<void>();
      let late: Promise<readonly unknown[]> | undefined;
      await concordat.transaction(async () => {
        const connection = await pooled.take();
        await connection.query(insert('within'));
        late = gate.promise.then(async () => [
          await caught(connection.query(insert('late'))),
          await caught(pooled.query(insert('late, too'))),
          await caught(pooled.take()),
        ]);
      });
      // The connection works for somebody else meanwhile.
      await pooled.query(insert('somebody else'));
      gate.resolve();
      expect(await late).toMatchObject([{ code: 'TXN_STATE' }, { code: 'TXN_STATE' }, { code: 'TXN_STATE' }]);
      expect((await rows())[pooled.resource]).toEqual(['somebody else', 'within']);
    });

    test('parts of the transaction are undone on it, and whoever is outside of one waits', async () => {
      const pooled = open();
      await concordat.transaction(async (tx) => {
        await caught(tx.nested(() => pooled.query(insert('undone first')).then(() => Promise.reject(problem))));
        await pooled.query(insert('a'));
        const began = deferred<void>();
        const part = tx.nested(async () => {
          await own(pooled, ['undone']);
          began.resolve();
          await sleep(50);
          await pooled.query(insert('undone, too'));
          throw problem;
        });
        await Promise.all([caught(part), began.promise.then(() => pooled.query(insert('b')))]);
        await tx.nested(() => own(pooled, ['c']));
      });
      expect((await rows())[pooled.resource]).toEqual(['a', 'b', 'c']);
    });

    test('an own transaction that is left open makes the commit fail', async () => {
      const pooled = open();
      const error = await caught(
        concordat.transaction(async () => {
          const connection = await pooled.take();
          await connection.query('begin');
          await connection.query(insert('x'));
          connection.release();
          await pooled.query(insert('y'));
        }),
      );
      expect(error).toBeInstanceOf(TransactionRolledBackError);
      expect((await rows())[pooled.resource]).toEqual([]);
    });

    test('a failure in the database is the driver’s own error, and is worth a retry where it is one', async () => {
      const pooled = open();
      const error = await caught(
        concordat.transaction(async () => {
          await pooled.query(insert('a'));
          await pooled.query(insert('a'));
        }),
      );
      expect(error).toMatchObject({ code: pooled.resource === 'accounts' ? '23505' : 'ER_DUP_ENTRY' });
      expect((await rows())[pooled.resource]).toEqual([]);
    });
  });

  test('a strict pool refuses what comes from outside of a transaction', async () => {
    const strict = [
      onPg(concordat.pool('accounts', accounts, { strict: true })),
      onCallbacks(concordat.pool('orders', orders, { strict: true })),
    ];
    for (const pooled of strict) {
      expect(await caught(pooled.query(insert('x')))).toMatchObject({ code: 'TRANSACTION_REQUIRED' });
      expect(await caught(pooled.take())).toMatchObject({ code: 'TRANSACTION_REQUIRED' });
      await concordat.transaction(() => pooled.query(insert('a')));
    }
    expect(await rows()).toEqual({ accounts: ['a'], orders: ['a'] });
  });

  test('prepared statements, callbacks and queries that write themselves work as on the pool', async () => {
    const [mine, theirs] = [concordat.pool('accounts', accounts), concordat.pool('orders', orders)];
    await concordat.transaction(async (tx) => {
      await mine.query({ name: 'put', text: 'insert into pooled values ($1)', values: ['named'] });
      const client = await mine.connect();
      const query = client.query(new pg.Query("insert into pooled values ('itself')"));
      await new Promise<void>((resolve, reject) => {
        query.on('end', () => resolve());
        query.on('error', reject);
      });
      await new Promise<void>((resolve, reject) => {
        client.query("insert into pooled values ('callback')", (error) => (error ? reject(error) : resolve()));
      });
      // The driver calls from elsewhere: the transaction goes along all the same.
      const current = await new Promise((resolve) => {
        mine.connect((_, taken, done) => {
          done();
          resolve(taken && concordat.current);
        });
      });
      expect(current).toBe(tx);
      client.release();
      const [header] = await theirs.promise().execute<ResultSetHeader>('insert into pooled values (?)', ['prepared']);
      expect(header.affectedRows).toBe(1);
      expect(await caught(theirs.promise().execute('insert into no_such_table values (?)', ['x']))).toMatchObject({
        code: 'ER_NO_SUCH_TABLE',
      });
      const connection = await theirs.promise().getConnection();
      await connection.beginTransaction();
      await connection.execute('insert into pooled values (?)', ['undone']);
      await connection.rollback();
      connection.release();
    });
    expect(await rows()).toEqual({ accounts: ['callback', 'itself', 'named'], orders: ['prepared'] });
  });

  test('a connection that cannot take part is refused, and its pool has it again', async () => {
    const pool = concordat.pool('orders', accounts);
    const error = await caught(concordat.transaction(() => pool.query('select 1')));
    expect(error).toMatchObject({ code: 'RESOURCE_IDENTITY' });
    expect([accounts.totalCount, accounts.idleCount]).toEqual([1, 1]);
    expect(() => concordat.pool('orders', {} as never)).toThrow(TypeError);
  });

  test('nothing of it is left open', async () => {
    await settled(pair.system);
  });
}
