// The floor: two-phase commit by hand, statement by statement, branches in parallel; no coordinator, no log, no recovery.
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from '../src/dev/engines/index.ts';
import type { Contestant } from './contestant.ts';

export async function openRaw(first: EngineServer, second: EngineServer, clients: number): Promise<Contestant> {
  const debits = new pg.Pool({ connectionString: first.url, max: clients });
  const credits = mysql.createPool({ uri: second.url, connectionLimit: clients });
  let sequence = 0;
  const debit = async (gid: string, id: number): Promise<pg.PoolClient> => {
    const client = await debits.connect();
    await client.query('begin');
    await client.query('update accounts set balance = balance - 1 where id = $1', [id]);
    await client.query(`prepare transaction '${gid}'`);
    return client;
  };
  const credit = async (gid: string, id: number): Promise<mysql.PoolConnection> => {
    const connection = await credits.getConnection();
    await connection.query(`xa start '${gid}'`);
    await connection.execute('update accounts set balance = balance + 1 where id = ?', [id]);
    await connection.query(`xa end '${gid}'`);
    await connection.query(`xa prepare '${gid}'`);
    return connection;
  };
  return {
    name: 'raw',
    async transfer(from, to) {
      sequence += 1;
      const gid = `raw-${process.pid}-${sequence}`;
      const [client, connection] = await Promise.all([debit(gid, from), credit(gid, to)]);
      await Promise.all([client.query(`commit prepared '${gid}'`), connection.query(`xa commit '${gid}'`)]);
      client.release();
      connection.release();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([debits.end(), credits.end()]);
    },
  };
}
