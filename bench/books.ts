// The accounts of the bench: filled before, added up after. Money only moves.
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from '../src/dev/engines/index.ts';
import { ACCOUNTS } from './contestant.ts';

const START = 1_000_000;

interface Books extends AsyncDisposable {
  balance(): Promise<number>;
  /** Branches that are left prepared, anybody's. */
  prepared(): Promise<number>;
}

/** @returns asks whether all is right: undefined, or what is wrong. */
export async function openBooks(servers: readonly EngineServer[]): Promise<() => Promise<string | undefined>> {
  const all = await Promise.all(
    servers.map((server) => (server.engine === 'postgresql' ? postgresBooks(server) : mysqlBooks(server))),
  );
  return async () => {
    const balances = await Promise.all(all.map((books) => books.balance()));
    const prepared = await Promise.all(all.map((books) => books.prepared()));
    await Promise.all(all.map((books) => books[Symbol.asyncDispose]()));
    const [total, expected] = [sum(balances), servers.length * ACCOUNTS * START];
    if (total !== expected) {
      return `the balances add up to ${total}, not to ${expected}`;
    }
    return sum(prepared) === 0 ? undefined : `${sum(prepared)} branches are left prepared`;
  };
}

async function postgresBooks(server: EngineServer): Promise<Books> {
  const pool = new pg.Pool({ connectionString: server.url, max: 1 });
  await pool.query('create table accounts (id int primary key, balance bigint not null)');
  await pool.query(`insert into accounts select n, ${START} from generate_series(1, ${ACCOUNTS}) n`);
  await pool.query('vacuum analyze accounts');
  return {
    balance: async () => Number((await pool.query('select sum(balance) as sum from accounts')).rows[0].sum),
    prepared: async () => (await pool.query('select gid from pg_prepared_xacts')).rows.length,
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

async function mysqlBooks(server: EngineServer): Promise<Books> {
  const pool = mysql.createPool({ uri: server.url, connectionLimit: 1 });
  await pool.query('create table accounts (id int primary key, balance bigint not null)');
  for (let id = 1; id <= ACCOUNTS; id += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, n) => `(${id + n}, ${START})`);
    await pool.query(`insert into accounts values ${rows.join(',')}`);
  }
  const ask = async (sql: string): Promise<mysql.RowDataPacket[]> => (await pool.query<mysql.RowDataPacket[]>(sql))[0];
  return {
    balance: async () => Number((await ask('select sum(balance) as sum from accounts'))[0]?.['sum']),
    prepared: async () => (await ask('xa recover')).length,
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
