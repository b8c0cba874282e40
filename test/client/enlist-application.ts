// An application with connections of its own, for one test: to PostgreSQL, to MySQL or MariaDB, and to the coordinator.
import callbacks from 'mysql2';
import mysql, { type Connection, type ConnectionOptions } from 'mysql2/promise';
import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { type Concordat, connect } from '../../src/client/index.ts';
import type { UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';

/** The drivers of the application. They need not be those that Concordat itself uses. */
export interface Drivers {
  readonly pg: typeof pg;
  readonly mysql: Pick<typeof mysql, 'createConnection' | 'createPool'>;
  /** mysql2 with callbacks. */
  readonly callbacks: Pick<typeof callbacks, 'createConnection' | 'createPool'>;
}

let inUse: Drivers = { pg, mysql, callbacks };

export function drivers(): Drivers {
  return inUse;
}

/** From now on the tests of this file use these. */
export function useDrivers(others: Drivers): void {
  inUse = others;
}

export interface Application {
  readonly concordat: Concordat;
  readonly accounts: pg.Client;
  readonly orders: Connection;
}

export async function openClient(url: string): Promise<pg.Client> {
  const client = new inUse.pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(async () => void (await client.end().catch(() => undefined)));
  return client;
}

export async function openOrders(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  const connection = await inUse.mysql.createConnection({ uri: url, ...options });
  onTestFinished(() => connection.destroy());
  return connection;
}

export async function startApplication(pair: UsedSystem, options: ConnectionOptions = {}): Promise<Application> {
  const concordat = await connect(pair.system.cluster.address);
  onTestFinished(() => concordat.close());
  await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  return {
    concordat,
    accounts: await openClient(pair.accounts.server.url),
    orders: await openOrders(pair.orders.server.url, options),
  };
}

export const PAY = 'update customer set deposit = deposit - 10 where id = 1';
export const ORDER = 'insert into customer_order (id, customer_id, amount) values (?, 1, 10)';

/** Both connections take plain statements, and neither is in a transaction. Asked first is the one that may be bound for longer. */
export async function expectFree({ accounts, orders }: Pick<Application, 'accounts' | 'orders'>): Promise<void> {
  await orders.query('start transaction');
  await orders.query('rollback');
  expect((await accounts.query('select now() = statement_timestamp() as free')).rows).toEqual([{ free: true }]);
}
