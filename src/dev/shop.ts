// The shop of the demonstration: customers in one database, their orders in another, and books that must agree.

import mysql from 'mysql2/promise';
import pg from 'pg';
import type { EngineServer } from './engines/index.ts';

export const DEPOSIT = 1_000;

export interface Books {
  /** What the customer has left. */
  readonly deposit: number;
  /** Orders recorded, and what they cost together. */
  readonly orders: number;
  readonly spent: number;
}

/** One of the two databases, reached directly and past Concordat: for set-up, and to judge from outside. */
interface Judge {
  run(sql: string): Promise<void>;
  row(sql: string): Promise<Readonly<Record<string, unknown>>>;
  /** Every prepared branch, in the engine's own words. */
  prepared(): Promise<readonly string[]>;
}

export class Shop {
  readonly #customers: Judge;
  readonly #orders: Judge;
  /** SQL for the id of an order that names none. */
  readonly #newId: string;

  constructor(customers: EngineServer, orders: EngineServer) {
    this.#customers = judgeOf(customers);
    this.#orders = judgeOf(orders);
    this.#newId = orders.engine === 'postgresql' ? 'gen_random_uuid()::text' : 'uuid()';
  }

  /** Tables anew, one customer with a full deposit. */
  async open(): Promise<void> {
    await this.#customers.run('drop table if exists customer');
    await this.#customers.run('create table customer (id int primary key, deposit bigint not null)');
    await this.#customers.run(`insert into customer values (1, ${DEPOSIT})`);
    await this.#orders.run('drop table if exists customer_order');
    await this.#orders.run(
      `create table customer_order (id varchar(64) primary key default (${this.#newId}), customer_id int not null, amount bigint not null)`,
    );
  }

  async books(): Promise<Books> {
    const [{ deposit }, { orders, spent }] = await Promise.all([
      this.#customers.row('select deposit from customer where id = 1'),
      this.#orders.row('select count(*) as orders, coalesce(sum(amount), 0) as spent from customer_order'),
    ]);
    return { deposit: Number(deposit), orders: Number(orders), spent: Number(spent) };
  }

  /** In-doubt branches as the engines list them. */
  async prepared(): Promise<{ readonly accounts: readonly string[]; readonly orders: readonly string[] }> {
    const [accounts, orders] = await Promise.all([this.#customers.prepared(), this.#orders.prepared()]);
    return { accounts, orders };
  }
}

export function balanced({ deposit, spent }: Books): boolean {
  return deposit + spent === DEPOSIT;
}

function judgeOf(server: EngineServer): Judge {
  return server.engine === 'postgresql' ? postgresJudge(server) : mysqlJudge(server);
}

function postgresJudge({ url }: EngineServer): Judge {
  const query = async (sql: string): Promise<pg.QueryResult> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  return {
    run: async (sql) => void (await query(sql)),
    row: async (sql) => (await query(sql)).rows[0] ?? {},
    prepared: async () =>
      (await query('select gid from pg_prepared_xacts order by gid')).rows.map(({ gid }) => String(gid)),
  };
}

function mysqlJudge({ url }: EngineServer): Judge {
  const query = async (sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const connection = await mysql.createConnection({ uri: url });
    try {
      const [rows] = await connection.query(sql);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    } finally {
      await connection.end();
    }
  };
  return {
    run: async (sql) => void (await query(sql)),
    row: async (sql) => (await query(sql))[0] ?? {},
    prepared: async () => (await query('xa recover')).map(({ data }) => String(data)),
  };
}
