// What every lesson shares when it is run by hand: where the playground is, its databases past Concordat, and a line for what happens.
import mysql from 'mysql2/promise';
import pg from 'pg';
import { type Concordat, connect } from '../../src/client/index.ts';

type Row = Readonly<Record<string, unknown>>;

/** A database, reached directly: to make tables, and to look at rows from outside. */
export interface Database {
  /** Runs each statement, one after the other. */
  run(...statements: readonly string[]): Promise<void>;
  rows(sql: string): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export async function openDatabase(url: string): Promise<Database> {
  return url.startsWith('postgres') ? await openPostgres(url) : await openMysql(url);
}

/** Tables of a lesson, by resource: each text is one statement. They are made anew. */
export interface Tables {
  readonly accounts: readonly string[];
  readonly orders: readonly string[];
}

export interface Classroom {
  readonly concordat: Concordat;
  readonly accounts: Database;
  readonly orders: Database;
  readonly urls: { readonly accounts: string; readonly orders: string };
  say(text: string): void;
  /** Says how it ended: with its result, or with its error. */
  show(title: string, work: () => Promise<unknown>): Promise<void>;
}

const USAGE = 'the arguments are: <coordinator> <url of accounts> <url of orders>, as `npm start` prints them';

/** Runs `story` if `meta` is of the file that was started; a test that imports it calls the lesson's functions itself. */
export async function teach(
  meta: ImportMeta,
  tables: Tables,
  story: (room: Classroom) => Promise<void>,
): Promise<void> {
  if (!meta.main) {
    return;
  }
  const [coordinator, accountsUrl, ordersUrl] = process.argv.slice(2);
  if (coordinator === undefined || accountsUrl === undefined || ordersUrl === undefined) {
    throw new Error(USAGE);
  }
  const [accounts, orders] = await Promise.all([openDatabase(accountsUrl), openDatabase(ordersUrl)]);
  const say = (text: string): void => console.log(text);
  try {
    await accounts.run(...tables.accounts);
    await orders.run(...tables.orders);
    await using concordat = await connect(coordinator, { application: 'examples/course' });
    await story({
      ...{ concordat, accounts, orders, say, urls: { accounts: accountsUrl, orders: ordersUrl } },
      show: async (title, work) => {
        try {
          say(`${title}: ${JSON.stringify(await work()) ?? 'done'}`);
        } catch (error) {
          say(`${title}: ${error instanceof Error ? error.message : String(error)}`);
        }
      },
    });
  } finally {
    await Promise.all([accounts.close(), orders.close()]);
  }
}

async function openPostgres(url: string): Promise<Database> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return {
    run: async (...statements) => {
      for (const sql of statements) {
        await client.query(sql);
      }
    },
    rows: async (sql) => (await client.query(sql)).rows as Row[],
    close: () => client.end(),
  };
}

async function openMysql(url: string): Promise<Database> {
  const connection = await mysql.createConnection({ uri: url });
  return {
    run: async (...statements) => {
      for (const sql of statements) {
        await connection.query(sql);
      }
    },
    rows: async (sql) => (await connection.query(sql))[0] as Row[],
    close: () => connection.end(),
  };
}
