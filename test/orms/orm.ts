// What a test wants of each ORM: rows saved on a lent connection, within transactions of the ORM's own.
import { EventEmitter } from 'node:events';
import type { Connection } from 'mysql2';
import type pg from 'pg';

/** One ORM at work on one lent connection. */
export interface Work {
  /** The ORM's usual way to save one row, by itself. */
  save(id: string): Promise<unknown>;
  /** The ORM's own transaction: committed when `work` returns, rolled back when it throws. Within `work`, another one. */
  transaction(work: (inner: Work) => Promise<void>): Promise<void>;
}

export interface Orm {
  readonly name: string;
  /** `work` gets the ORM on that client, which stays the test's own. */
  onPostgres?(client: pg.Client, work: (work: Work) => Promise<void>): Promise<void>;
  onMysql?(connection: Connection, work: (work: Work) => Promise<void>): Promise<void>;
}

export const TABLE = 'orm_row';

/** What libraries get in the place of a client that they would give back: to them every give back is the last. */
export function borrowedPg(client: pg.Client): object {
  return Object.assign(new EventEmitter(), {
    query: (...options: unknown[]) => (client.query as (...options: unknown[]) => unknown).apply(client, options),
    release: () => undefined,
  });
}

/** The same of a connection of mysql2, in its callback flavour. */
export function borrowedMysql(connection: Connection): object {
  return Object.assign(new EventEmitter(), {
    config: connection.config,
    threadId: connection.threadId,
    promise: () => connection.promise(),
    query: (...options: unknown[]) =>
      (connection.query as (...options: unknown[]) => unknown).apply(connection, options),
    execute: (...options: unknown[]) =>
      (connection.execute as (...options: unknown[]) => unknown).apply(connection, options),
    release: () => undefined,
  });
}
