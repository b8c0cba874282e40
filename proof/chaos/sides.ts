// The databases as the workload uses them and as the judge reads them: directly, past Concordat.
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import type { EngineName, EngineServer } from '../../src/dev/engines/index.ts';
import { FORMAT_ID } from '../../src/xa/xid.ts';
import type { Books, Entry } from './judge.ts';

/** The resource's name is its engine's. */
export type SideName = EngineName;
export const SIDE_NAMES = ['postgresql', 'mariadb', 'mysql'] as const satisfies readonly SideName[];

/** Transactions on different lanes do not wait for each other; those on one lane have an order. */
export const LANES = 12;
export const ACCOUNTS = 200;
const BALANCE = 1_000;
export const MONEY_PER_SIDE = ACCOUNTS * BALANCE;

type Row = Readonly<Record<string, unknown>>;
export type Query = (sql: string) => Promise<readonly Row[]>;

/** Runs `use` on a connection of its own. */
export async function atSide<T>({ url, engine }: EngineServer, use: (query: Query) => Promise<T>): Promise<T> {
  if (engine === 'postgresql') {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {
      // The pending query reports it.
    });
    await client.connect();
    try {
      return await use(async (sql) => (await client.query(sql)).rows as readonly Row[]);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  const connection = await createConnection({ uri: url });
  connection.on('error', () => {
    // The pending query reports it.
  });
  try {
    return await use(async (sql) => {
      const [rows] = await connection.query<RowDataPacket[]>(sql);
      return Array.isArray(rows) ? rows : [];
    });
  } finally {
    connection.destroy();
  }
}

/** Tables anew; every lane of every group starts at 0. */
export function openBooks(server: EngineServer, groups: readonly string[]): Promise<void> {
  return atSide(server, async (query) => {
    await query(
      'create table chaos_counter (grp varchar(40) not null, lane int not null, n bigint not null, primary key (grp, lane))',
    );
    await query(
      'create table chaos_entry (id varchar(64) primary key, gtrid varchar(64) not null, grp varchar(40) not null, lane int not null, n bigint not null)',
    );
    await query('create table chaos_account (id int primary key, balance bigint not null)');
    const lanes = groups.flatMap((group) => Array.from({ length: LANES }, (_, lane) => `('${group}', ${lane}, 0)`));
    await query(`insert into chaos_counter values ${lanes.join(', ')}`);
    const accounts = Array.from({ length: ACCOUNTS }, (_, id) => `(${id}, ${BALANCE})`);
    await query(`insert into chaos_account values ${accounts.join(', ')}`);
  });
}

export function readBooks(server: EngineServer): Promise<Books> {
  return atSide(server, async (query) => {
    const entries = (await query('select id, gtrid, grp, lane, n from chaos_entry')).map(
      (row): Entry => ({
        id: String(row['id']),
        gtrid: String(row['gtrid']),
        group: String(row['grp']),
        lane: Number(row['lane']),
        n: Number(row['n']),
      }),
    );
    const counters = (await query('select grp, lane, n from chaos_counter')).map(
      (row) => [`${row['grp']}/${row['lane']}`, Number(row['n'])] as const,
    );
    const [total] = await query('select sum(balance) as money from chaos_account');
    return { side: server.engine, entries, counters: new Map(counters), money: Number(total?.['money']) };
  });
}

/** Branches of ours that the engine holds prepared, in its own words. */
export function preparedAt(server: EngineServer): Promise<readonly string[]> {
  return atSide(server, async (query) => {
    if (server.engine === 'postgresql') {
      const rows = await query("select gid from pg_prepared_xacts where gid like 'concordat:%'");
      return rows.map(({ gid }) => String(gid));
    }
    const rows = await query('xa recover');
    return rows.filter((row) => Number(row['formatID']) === FORMAT_ID).map((row) => String(row['data']));
  });
}
