// The two databases of a transfer as hand-written code speaks to them: locally, by two-phase commit statement by statement, and by
// two-phase commit with everything up to the prepare in one round trip.
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from '../src/dev/engines/index.ts';

/** One side's half of a transfer that is prepared. */
export interface Prepared {
  /** Commits it and gives its connection back. */
  commit(): Promise<void>;
}

export interface Side extends AsyncDisposable {
  /** An autocommitted update. */
  update(id: number): Promise<void>;
  /** One round trip for each statement. */
  prepare(gid: string, id: number): Promise<Prepared>;
  /** One round trip for all of them. The numbers are ours, so that they may stand in the text. */
  prepareAtOnce(gid: string, id: number): Promise<Prepared>;
}

/** The statement of a transfer with its one parameter, the account. */
export function updateText(engine: EngineServer['engine'], amount: 1 | -1): string {
  return `update accounts set balance = balance ${amount < 0 ? '-' : '+'} 1 where id = ${engine === 'postgresql' ? '$1' : '?'}`;
}

export function openSide(server: EngineServer, amount: 1 | -1, clients: number): Side {
  return server.engine === 'postgresql' ? openPostgres(server, amount, clients) : openMysql(server, amount, clients);
}

function openPostgres(server: EngineServer, amount: 1 | -1, clients: number): Side {
  const pool = new pg.Pool({ connectionString: server.url, max: clients });
  const text = updateText(server.engine, amount);
  const held = (client: pg.PoolClient, gid: string): Prepared => ({
    commit: async () => {
      await client.query(`commit prepared '${gid}'`);
      client.release();
    },
  });
  return {
    update: async (id) => {
      await pool.query(text, [id]);
    },
    prepare: async (gid, id) => {
      const client = await pool.connect();
      await client.query('begin');
      await client.query(text, [id]);
      await client.query(`prepare transaction '${gid}'`);
      return held(client, gid);
    },
    prepareAtOnce: async (gid, id) => {
      const client = await pool.connect();
      await client.query(`begin; ${text.replace('$1', String(id))}; prepare transaction '${gid}'`);
      return held(client, gid);
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

function openMysql(server: EngineServer, amount: 1 | -1, clients: number): Side {
  const pool = mysql.createPool({ uri: server.url, connectionLimit: clients, multipleStatements: true });
  const text = updateText(server.engine, amount);
  const held = (connection: mysql.PoolConnection, gid: string): Prepared => ({
    commit: async () => {
      await connection.query(`xa commit '${gid}'`);
      connection.release();
    },
  });
  return {
    update: async (id) => {
      await pool.execute(text, [id]);
    },
    prepare: async (gid, id) => {
      const connection = await pool.getConnection();
      await connection.query(`xa start '${gid}'`);
      await connection.execute(text, [id]);
      await connection.query(`xa end '${gid}'`);
      await connection.query(`xa prepare '${gid}'`);
      return held(connection, gid);
    },
    prepareAtOnce: async (gid, id) => {
      const connection = await pool.getConnection();
      await connection.query(
        `xa start '${gid}'; ${text.replace('?', String(id))}; xa end '${gid}'; xa prepare '${gid}'`,
      );
      return held(connection, gid);
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
