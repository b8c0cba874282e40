// Parts of a transaction that are undone by themselves, on a real PostgreSQL and with MariaDB and MySQL: what is left of them, and what
// dooms the whole. One definition, run with each pair.
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  type Concordat,
  connect,
  StatementError,
  type Transaction,
  TransactionRolledBackError,
  type TransactionWork,
} from '../../src/client/index.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred } from './fixture.ts';

const problem = new Error('the part failed');
const ACCOUNTS = 'insert into part values ($1, 0)';
const ORDERS = 'insert into part values (?, 0)';

export function nestedFacts(pair: UsedSystem): void {
  let concordat: Concordat;
  let pg: Client;
  let mysql: Awaited<ReturnType<typeof createConnection>>;

  beforeEach(async () => {
    pg = new Client({ connectionString: pair.accounts.server.url });
    await pg.connect();
    mysql = await createConnection({ uri: pair.orders.server.url, multipleStatements: false });
    for (const text of [
      'drop table if exists part',
      'create table part (id varchar(64) primary key, n int not null)',
    ]) {
      await pg.query(text);
      await mysql.query(text);
    }
    concordat = await connect(pair.system.cluster.address);
    await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
    onTestFinished(async () => {
      await concordat.close();
      await pg.end();
      mysql.destroy();
    });
  });

  async function both(tx: TransactionWork, id: string): Promise<void> {
    await Promise.all([tx.resource('accounts').query(ACCOUNTS, [id]), tx.resource('orders').query(ORDERS, [id])]);
  }

  /** The rows of both databases, which are the same. */
  async function rows(): Promise<readonly string[]> {
    const query = 'select id from part order by id';
    const [orders] = await mysql.query(query);
    const ids = (all: unknown): readonly string[] => (all as { readonly id: string }[]).map(({ id }) => id);
    const accounts = ids((await pg.query(query)).rows);
    expect(ids(orders)).toEqual(accounts);
    return accounts;
  }

  test('a part that fails costs only itself, at every depth and at branches that it opened', async () => {
    await concordat.transaction(async (tx) => {
      expect(await caught(tx.nested(() => both(tx, 'opened within').then(() => Promise.reject(problem))))).toBe(
        problem,
      );
      await both(tx, 'a');
      const value = await tx.nested(async () => {
        await both(tx, 'b');
        await caught(
          tx.nested(async () => {
            await both(tx, 'inner');
            await tx.nested(() => both(tx, 'innermost'));
            throw problem;
          }),
        );
        await tx.nested(() => both(tx, 'c'));
        return 'kept';
      });
      expect(value).toBe('kept');
      await caught(tx.nested(() => tx.nested(() => both(tx, 'd')).then(() => Promise.reject(problem))));
      await both(tx, 'e');
    });
    expect(await rows()).toEqual(['a', 'b', 'c', 'e']);
  });

  test('a transaction of one branch commits in one phase with parts in it', async () => {
    for (const resource of ['accounts', 'orders']) {
      const sql = resource === 'accounts' ? ACCOUNTS : ORDERS;
      await concordat.transaction(async (tx) => {
        await caught(
          tx.nested(() =>
            tx
              .resource(resource)
              .query(sql, ['x'])
              .then(() => Promise.reject(problem)),
          ),
        );
        await tx.nested(() => tx.resource(resource).query(sql, ['a']));
      });
    }
    expect(await rows()).toEqual(['a']);
  });

  test.each(['accounts', 'orders'])(
    'a statement of %s that fails in a part dooms only the part, also if it is caught there',
    async (where) => {
      const sql = where === 'accounts' ? ACCOUNTS : ORDERS;
      await concordat.transaction(async (tx) => {
        await both(tx, 'a');
        let refused: unknown;
        const failure = await caught(
          tx.nested(async () => {
            await both(tx, 'b');
            await caught(tx.resource(where).query(sql, ['a']));
            refused = await caught(tx.resource(where).query(sql, ['c']));
          }),
        );
        expect(failure).toBeInstanceOf(StatementError);
        expect(failure).toMatchObject({ resource: where, code: 'STATEMENT_FAILED' });
        expect(refused).toBe(failure);
        expect(tx.status).toBe('active');
        await tx.nested(() => both(tx, 'd'));
        await both(tx, 'e');
      });
      expect(await rows()).toEqual(['a', 'd', 'e']);
    },
  );

  test('outside of a part a failed statement dooms the whole, as ever', async () => {
    const error = await caught(
      concordat.transaction(async (tx) => {
        await tx.nested(() => both(tx, 'a'));
        await caught(tx.resource('orders').query(ORDERS, ['a']));
        await caught(tx.nested(() => both(tx, 'b')));
      }),
    );
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    expect(await rows()).toEqual([]);
  });

  test('parts that are begun side by side run one after the other, and none loses the work of another', async () => {
    await concordat.transaction(async (tx) => {
      await tx.resource('accounts').query("insert into part values ('sum', 0)");
      await tx.resource('orders').query("insert into part values ('sum', 0)");
      const add = (fails: boolean) =>
        tx.nested(async () => {
          await Promise.all([
            tx.resource('accounts').query("update part set n = n + 1 where id = 'sum'"),
            tx.resource('orders').query("update part set n = n + 1 where id = 'sum'"),
          ]);
          if (fails) {
            throw problem;
          }
        });
      const parts = Array.from({ length: 20 }, (_, index) => add(index % 2 === 1));
      const ends = await Promise.allSettled(parts);
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    });
    const sum = (await pg.query('select n from part')).rows;
    const [other] = await mysql.query('select n from part');
    expect([sum, other]).toEqual([[{ n: 10 }], [{ n: 10 }]]);
    expect(await rows()).toEqual(['sum']);
  });

  test('a statement from outside of a part waits for its end, and is not undone with it', async () => {
    await concordat.transaction(async (tx) => {
      const began = deferred<void>();
      const failing = tx.nested(async () => {
        await both(tx, 'within');
        began.resolve();
        await new Promise((resolve) => setTimeout(resolve, 50));
        await both(tx, 'within, later');
        throw problem;
      });
      const outside = began.promise.then(() => both(tx, 'outside'));
      await Promise.all([caught(failing), outside]);
    });
    expect(await rows()).toEqual(['outside']);
  });

  test('work of a part that goes on after its end is refused; one that returns too early is undone', async () => {
    await concordat.transaction(async (tx) => {
      const gate = deferred<void>();
      let late: Promise<unknown> | undefined;
      await caught(
        tx.nested(() => {
          late = caught(gate.promise.then(() => both(tx, 'late')));
          return Promise.reject(problem);
        }),
      );
      gate.resolve();
      expect(await late).toMatchObject({ code: 'TXN_STATE' });
      let forgotten: Promise<unknown> | undefined;
      const early = tx.nested(async () => {
        forgotten = both(tx, 'forgotten');
      });
      expect(await caught(early)).toMatchObject({ code: 'BRANCH_BUSY' });
      await forgotten;
      await both(tx, 'a');
    });
    expect(await rows()).toEqual(['a']);
  });

  test('an error that rollbackOn lets pass keeps the part, and is thrown', async () => {
    await concordat.transaction(async (tx) => {
      const keeps = concordat.transactional({ propagation: 'nested', rollbackOn: (error) => error !== problem });
      expect(await caught(keeps(() => both(tx, 'a').then(() => Promise.reject(problem)))())).toBe(problem);
      await caught(keeps(() => both(tx, 'b').then(() => Promise.reject(new Error('another'))))());
      // A scope that joins within a part dooms the part, and not the whole.
      const joins = concordat.transactional()(() => both(tx, 'c').then(() => Promise.reject(problem)));
      expect(await caught(tx.nested(() => caught(joins())))).toBe(problem);
    });
    expect(await rows()).toEqual(['a']);
  });

  test('a deadlock that has undone everything dooms the whole, and not the part alone', async () => {
    await concordat.transaction(async (tx) => {
      await tx.resource('orders').query("insert into part values ('one', 0), ('two', 0)");
    });
    const [mine, theirs] = [deferred<void>(), deferred<void>()];
    const add = (tx: Transaction, id: string) =>
      tx.resource('orders').query('update part set n = n + 1 where id = ?', [id]);
    const victim = concordat.transaction(async (tx) => {
      await tx.resource('orders').query(ORDERS, ['before']);
      await tx.resource('accounts').query(ACCOUNTS, ['before']);
      const failure = await caught(
        tx.nested(async () => {
          await add(tx, 'one');
          mine.resolve();
          await theirs.promise;
          await add(tx, 'two');
        }),
      );
      expect(failure).toMatchObject({ errno: 1213 });
    });
    const survivor = concordat.transaction(async (tx) => {
      // The server ends the one that has changed less.
      for (let index = 0; index < 50; index++) {
        await tx.resource('orders').query(ORDERS, [`weight ${index}`]);
      }
      await add(tx, 'two');
      await mine.promise;
      const waiting = add(tx, 'one');
      setTimeout(() => theirs.resolve(), 100);
      await waiting;
      await tx.resource('orders').query("delete from part where id <> 'survivor'");
      await tx.resource('orders').query(ORDERS, ['survivor']);
      await tx.resource('accounts').query(ACCOUNTS, ['survivor']);
    });
    const error = await caught(victim);
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    expect(error).toMatchObject({ retryable: true });
    await survivor;
    expect(await rows()).toEqual(['survivor']);
  });

  test('a session that is lost within a part dooms the whole', async () => {
    const error = await caught(
      concordat.transaction(async (tx) => {
        await both(tx, 'a');
        await caught(
          tx.nested(async () => {
            const { rows: found } = await tx.resource('accounts').query('select pg_backend_pid() as pid');
            await pg.query('select pg_terminate_backend($1)', [found[0]?.['pid']]);
            await both(tx, 'b');
          }),
        );
      }),
    );
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    expect(await rows()).toEqual([]);
  });

  test('the context that was passed on within a part that failed dooms the whole: who joined has no savepoint', async () => {
    const error = await caught(
      concordat.transaction(async (tx) => {
        await both(tx, 'a');
        await caught(
          tx.nested(async () => {
            await concordat.join(tx.context).resource('accounts').query(ACCOUNTS, ['joined']);
            throw problem;
          }),
        );
      }),
    );
    expect(error).toMatchObject({ code: 'ROLLBACK_ONLY', cause: problem });
    expect(await rows()).toEqual([]);
    await concordat.transaction(async (tx) => {
      await tx.nested(() => concordat.join(tx.context).resource('accounts').query(ACCOUNTS, ['joined']));
      await tx.resource('orders').query(ORDERS, ['joined']);
    });
    expect(await rows()).toEqual(['joined']);
  });

  test('a service that joined has parts of its own', async () => {
    await concordat.transaction(async (tx) => {
      const joined = concordat.join(tx.context);
      await caught(joined.nested(() => both(joined, 'x').then(() => Promise.reject(problem))));
      await joined.nested(() => both(joined, 'a'));
    });
    expect(await rows()).toEqual(['a']);
  });

  test('connections of the application go back with the part, also those that were enlisted within it', async () => {
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', pg);
      await pg.query(ACCOUNTS, ['a']);
      await caught(
        tx.nested(async () => {
          await tx.enlist('orders', mysql);
          await mysql.query(ORDERS, ['x']);
          await pg.query('begin');
          await pg.query(ACCOUNTS, ['x']);
          await pg.query('commit');
          throw problem;
        }),
      );
      await mysql.query(ORDERS, ['a']);
      // PostgreSQL takes nothing more after an error, whoever has caught it.
      const failure = await caught(
        tx.nested(async () => {
          await mysql.query(ORDERS, ['b']);
          await caught(pg.query(ACCOUNTS, ['a']));
        }),
      );
      expect(failure).toMatchObject({ resource: 'accounts', sqlstate: '23505' });
      await tx.nested(async () => {
        await pg.query(ACCOUNTS, ['c']);
        await mysql.query(ORDERS, ['c']);
      });
    });
    expect(await rows()).toEqual(['a', 'c']);
  });

  test('a transaction that waits for a row of the one around it names that one when its time is over', async () => {
    await concordat.transaction(async (outer) => {
      await both(outer, 'a');
      const inner = concordat.transaction(
        async (tx) => {
          await tx.resource('orders').query(ORDERS, ['a']);
        },
        { timeoutMs: 700 },
      );
      const error = (await caught(inner)) as Error;
      expect(error.message).toContain(`It was begun within ${outer.gtrid}`);
    });
    expect(await rows()).toEqual(['a']);
  });

  test('nothing of it is left open', async () => {
    await settled(pair.system);
  });
}
