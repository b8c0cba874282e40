// The two databases of a transfer as hand-written code speaks to them: locally, by two-phase commit statement by statement, and by
// two-phase commit with everything up to the prepare in one round trip.
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from '../src/dev/engines/index.ts';

/** What it takes to speak to one. */
export type Database = Pick<EngineServer, 'engine' | 'url'>;

/** One side's half of a transfer that is prepared. */
export interface Prepared {
  /** Commits it and gives its connection back. */
  commit(): Promise<void>;
  /** The other side was not prepared. */
  rollback(): Promise<void>;
}

export interface Side extends AsyncDisposable {
  /** An autocommitted update. */
  update(id: number): Promise<void>;
  /** One round trip for each statement. */
  prepare(gid: string, id: number): Promise<Prepared>;
  /** The same, with a row that proves the commit and is deleted after it. */
  prepareWithEvidence(gid: string, id: number): Promise<Prepared>;
  /** One round trip for all of them. The numbers are ours, so that they may stand in the text. */
  prepareAtOnce(gid: string, id: number): Promise<Prepared>;
}

const ROWS_AT_ONCE = 100;

/** The statement of a transfer with its one parameter, the account. */
export function updateText(engine: Database['engine'], amount: 1 | -1): string {
  return `update accounts set balance = balance ${amount < 0 ? '-' : '+'} 1 where id = ${engine === 'postgresql' ? '$1' : '?'}`;
}

export function openSide(server: Database, amount: 1 | -1, clients: number): Side {
  return server.engine === 'postgresql' ? openPostgres(server, amount, clients) : openMysql(server, amount, clients);
}

function openPostgres(server: Database, amount: 1 | -1, clients: number): Side {
  const pool = new pg.Pool({ connectionString: server.url, max: clients });
  const text = updateText(server.engine, amount);
  /** Where a statement fails, the connection goes, and its transaction with it. */
  const prepared = async (gid: string, work: (client: pg.PoolClient) => Promise<unknown>): Promise<Prepared> => {
    const client = await pool.connect();
    const finish = async (verb: 'commit' | 'rollback'): Promise<void> => {
      await client.query(`${verb} prepared '${gid}'`);
      client.release();
    };
    try {
      await work(client);
    } catch (error) {
      client.release(true);
      throw error;
    }
    return { commit: () => finish('commit'), rollback: () => finish('rollback') };
  };
  const prepare = (gid: string, id: number, beforeEnd = ''): Promise<Prepared> =>
    prepared(gid, async (client) => {
      await client.query('begin');
      await client.query(text, [id]);
      await client.query(`${beforeEnd}prepare transaction '${gid}'`);
    });
  const evidence = evidenceRows(
    () => pool.query('create table if not exists evidence_by_hand (gid text primary key)'),
    (gids) => pool.query(`delete from evidence_by_hand where gid in (${gids})`),
  );
  return {
    update: async (id) => {
      await pool.query(text, [id]);
    },
    prepare: (gid, id) => prepare(gid, id),
    async prepareWithEvidence(gid, id) {
      await evidence.ready();
      const half = await prepare(gid, id, `insert into evidence_by_hand values ('${gid}'); `);
      return {
        ...half,
        async commit() {
          await half.commit();
          evidence.forget(gid);
        },
      };
    },
    prepareAtOnce: (gid, id) =>
      prepared(gid, (client) => client.query(`begin; ${text.replace('$1', String(id))}; prepare transaction '${gid}'`)),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

function openMysql(server: Database, amount: 1 | -1, clients: number): Side {
  const pool = mysql.createPool({ uri: server.url, connectionLimit: clients, multipleStatements: true });
  const text = updateText(server.engine, amount);
  const prepared = async (
    gid: string,
    work: (connection: mysql.PoolConnection) => Promise<unknown>,
  ): Promise<Prepared> => {
    const connection = await pool.getConnection();
    const finish = async (verb: 'commit' | 'rollback'): Promise<void> => {
      await connection.query(`xa ${verb} '${gid}'`);
      connection.release();
    };
    try {
      await work(connection);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    return { commit: () => finish('commit'), rollback: () => finish('rollback') };
  };
  const prepare = (gid: string, id: number, beforeEnd: string): Promise<Prepared> =>
    prepared(gid, async (connection) => {
      await connection.query(`xa start '${gid}'`);
      await connection.execute(text, [id]);
      await connection.query(`${beforeEnd}xa end '${gid}'`);
      await connection.query(`xa prepare '${gid}'`);
    });
  const evidence = evidenceRows(
    () => pool.query('create table if not exists evidence_by_hand (gid varbinary(80) primary key)'),
    (gids) => {
      // By key and without locks on the gaps: other branches hold rows of theirs.
      const deletion = `delete r from evidence_by_hand r force index (primary) where gid in (${gids})`;
      return pool.query(`set transaction isolation level read committed; ${deletion}`);
    },
  );
  return {
    update: async (id) => {
      await pool.execute(text, [id]);
    },
    prepare: (gid, id) => prepare(gid, id, ''),
    async prepareWithEvidence(gid, id) {
      await evidence.ready();
      const half = await prepare(gid, id, `insert into evidence_by_hand values ('${gid}'); `);
      return {
        ...half,
        async commit() {
          await half.commit();
          evidence.forget(gid);
        },
      };
    },
    prepareAtOnce: (gid, id) =>
      prepared(gid, (connection) =>
        connection.query(`xa start '${gid}'; ${text.replace('?', String(id))}; xa end '${gid}'; xa prepare '${gid}'`),
      ),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

/** Rows are deleted many at a time, and nobody waits for it: one that is left behind has proven nothing wrong. */
function evidenceRows(
  create: () => Promise<unknown>,
  remove: (gids: string) => Promise<unknown>,
): { ready(): Promise<unknown>; forget(gid: string): void } {
  let table: Promise<unknown> | undefined;
  let done: string[] = [];
  return {
    ready() {
      table ??= create();
      return table;
    },
    forget(gid) {
      done.push(`'${gid}'`);
      if (done.length >= ROWS_AT_ONCE) {
        remove(done.join()).catch(() => undefined);
        done = [];
      }
    },
  };
}
