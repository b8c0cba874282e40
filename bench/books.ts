// The accounts of the bench: filled before, added up after. Money only moves.
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from '../src/dev/engines/index.ts';
import { ACCOUNTS } from './contestant.ts';

const START = 1_000_000;

export async function openBooks(first: EngineServer, second: EngineServer): Promise<() => Promise<string | undefined>> {
  const debits = new pg.Pool({ connectionString: first.url, max: 1 });
  const credits = mysql.createPool({ uri: second.url, connectionLimit: 1 });
  await debits.query('create table accounts (id int primary key, balance bigint not null)');
  await debits.query(`insert into accounts select n, ${START} from generate_series(1, ${ACCOUNTS}) n`);
  await debits.query('vacuum analyze accounts');
  await credits.query('create table accounts (id int primary key, balance bigint not null)');
  for (let id = 1; id <= ACCOUNTS; id += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, n) => `(${id + n}, ${START})`);
    await credits.query(`insert into accounts values ${rows.join(',')}`);
  }
  /** Undefined when the books are right; else what is wrong. */
  return async () => {
    const left = await debits.query('select sum(balance) as sum from accounts');
    const [right] = await credits.query<mysql.RowDataPacket[]>('select sum(balance) as sum from accounts');
    const prepared = await debits.query('select gid from pg_prepared_xacts');
    const [recover] = await credits.query<mysql.RowDataPacket[]>('xa recover');
    await Promise.all([debits.end(), credits.end()]);
    const total = Number(left.rows[0].sum) + Number(right[0]?.['sum']);
    if (total !== 2 * ACCOUNTS * START) {
      return `the balances add up to ${total}, not to ${2 * ACCOUNTS * START}`;
    }
    const rest = prepared.rows.length + recover.length;
    return rest === 0 ? undefined : `${rest} branches are left prepared`;
  };
}
