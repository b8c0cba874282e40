// Concordat in each of its forms, through the client that applications use.
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { Concordat, Transaction, TransactionOptions } from '../../src/client/index.ts';
import type { Contestant } from '../contestant.ts';
import { type Database, updateText } from '../sides.ts';

type Servers = readonly [Database, Database];

/**
 * Through the sidecars: client, coordinator, two sidecars in one process or in two.
 * @param last the statement is marked as the branch's last one: it is executed, prepared and voted on in one round trip.
 */
export function sidecars(
  concordat: Concordat,
  [first, second]: Servers,
  last: boolean,
  options: TransactionOptions = {},
): Contestant {
  const debit = updateText(first.engine, -1);
  const credit = updateText(second.engine, 1);
  return {
    name: last ? 'last' : 'interactive',
    transfer: (from, to) =>
      concordat.transaction(async (tx) => {
        await Promise.all([
          tx.resource('accounts').query(debit, [from], { last }),
          tx.resource('orders').query(credit, [to], { last }),
        ]);
      }, options),
  };
}

/** Through the sidecars, everything known in advance: the statements and the commit leave at once. */
export function oneShot(concordat: Concordat, [first, second]: Servers, options: TransactionOptions): Contestant {
  const debit = updateText(first.engine, -1);
  const credit = updateText(second.engine, 1);
  return {
    name: 'one-shot',
    async transfer(from, to) {
      await concordat.transact(
        [
          { resource: 'accounts', sql: debit, parameters: [from] },
          { resource: 'orders', sql: credit, parameters: [to] },
        ],
        options,
      );
    },
  };
}

/**
 * On the application's own connections: client and coordinator, two processes; the sidecars only stand by.
 * @param last the application says when a branch's work is done: it prepares then, and its vote is not asked for.
 */
export function inApp(
  concordat: Concordat,
  servers: Servers,
  clients: number,
  last: boolean,
  options: TransactionOptions = {},
): Contestant {
  const [debit, credit] = [connections(servers[0], -1, clients), connections(servers[1], 1, clients)];
  const half = async (tx: Transaction, resource: string, { connection, update }: Lent, id: number): Promise<void> => {
    const enlisted = await tx.enlist(resource, connection);
    await update(id);
    await (last ? enlisted.prepare() : undefined);
  };
  return {
    name: last ? 'in-app-last' : 'in-app',
    async transfer(from, to) {
      const [a, b] = await Promise.all([debit.lend(), credit.lend()]);
      try {
        await concordat.transaction(async (tx) => {
          // Both are waited for, also if one has failed: a connection goes back when nobody uses it.
          const halves = await Promise.allSettled([half(tx, 'accounts', a, from), half(tx, 'orders', b, to)]);
          const failed = halves.find((result) => result.status === 'rejected');
          if (failed !== undefined) {
            throw failed.reason;
          }
        }, options);
      } finally {
        a.release();
        b.release();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([debit.close(), credit.close()]);
    },
  };
}

/** The same where the application asks its pools, which take part by themselves. */
export function pooled(
  concordat: Concordat,
  servers: Servers,
  clients: number,
  options: TransactionOptions = {},
): Contestant {
  const halves = [
    pool(concordat, 'accounts', servers[0], -1, clients),
    pool(concordat, 'orders', servers[1], 1, clients),
  ];
  return {
    name: 'pool',
    transfer: (...ids) =>
      concordat.transaction(async () => {
        const updates = await Promise.allSettled(halves.map(({ update }, index) => update(ids[index] ?? 0)));
        const failed = updates.find((result) => result.status === 'rejected');
        if (failed !== undefined) {
          throw failed.reason;
        }
      }, options),
    async [Symbol.asyncDispose]() {
      await Promise.all(halves.map(({ close }) => close()));
    },
  };
}

function pool(concordat: Concordat, resource: string, server: Database, amount: 1 | -1, clients: number) {
  const text = updateText(server.engine, amount);
  if (server.engine === 'postgresql') {
    const own = new pg.Pool({ connectionString: server.url, max: clients, idleTimeoutMillis: 0 });
    const taking = concordat.pool(resource, own);
    return { update: (id: number): Promise<unknown> => taking.query(text, [id]), close: () => own.end() };
  }
  const own = mysql.createPool({ uri: server.url, connectionLimit: clients, multipleStatements: true });
  const taking = concordat.pool(resource, own);
  return { update: (id: number): Promise<unknown> => taking.execute(text, [id]), close: () => own.end() };
}

interface Lent {
  readonly connection: object;
  readonly update: (id: number) => Promise<unknown>;
  readonly release: () => void;
}

function connections(
  server: Database,
  amount: 1 | -1,
  clients: number,
): { lend(): Promise<Lent>; close(): Promise<void> } {
  const text = updateText(server.engine, amount);
  if (server.engine === 'postgresql') {
    const pool = new pg.Pool({ connectionString: server.url, max: clients, idleTimeoutMillis: 0 });
    return {
      lend: async () => {
        const connection = await pool.connect();
        return { connection, update: (id) => connection.query(text, [id]), release: () => connection.release() };
      },
      close: () => pool.end(),
    };
  }
  const pool = mysql.createPool({ uri: server.url, connectionLimit: clients, multipleStatements: true });
  return {
    lend: async () => {
      const connection = await pool.getConnection();
      return { connection, update: (id) => connection.execute(text, [id]), release: () => connection.release() };
    },
    close: () => pool.end(),
  };
}
