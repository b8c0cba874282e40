// An application with connections of its own, for one test: to PostgreSQL, to MySQL or MariaDB, and to the coordinator.
import mysql, { type Connection, type ConnectionOptions } from 'mysql2/promise';
import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { type Concordat, connect } from '../../src/client/index.ts';
import type { UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';

export interface Application {
  readonly concordat: Concordat;
  readonly accounts: pg.Client;
  readonly orders: Connection;
}

export async function openClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(async () => void (await client.end().catch(() => undefined)));
  return client;
}

export async function openOrders(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  const connection = await mysql.createConnection({ uri: url, ...options });
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
