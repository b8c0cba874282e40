// Kysely takes a pool: one that lends the connection, and again to a transaction within a transaction.
import type { Connection } from 'mysql2';
import type pg from 'pg';
import { library } from './libraries.ts';
import { borrowedMysql, borrowedPg, type Orm, TABLE, type Work } from './orm.ts';

interface Executor {
  insertInto(table: string): { values(row: object): { execute(): Promise<unknown> } };
}

interface Database extends Executor {
  transaction(): { execute(work: (inner: Executor) => Promise<void>): Promise<void> };
  destroy(): Promise<void>;
}

interface Library {
  readonly Kysely: new (options: { readonly dialect: object }) => Database;
  readonly PostgresDialect: new (options: object) => object;
  readonly MysqlDialect: new (options: object) => object;
}

/** A dialect over the lent client; MikroORM takes it as well. */
export function postgresDialect(kysely: Library, client: pg.Client): object {
  const pool = { connect: async () => borrowedPg(client), end: async () => undefined };
  return new kysely.PostgresDialect({ pool });
}

export function mysqlDialect(kysely: Library, connection: Connection): object {
  const pool = {
    getConnection: (done: (error: undefined, connection: object) => void) => done(undefined, borrowedMysql(connection)),
    end: (done: () => void) => done(),
  };
  return new kysely.MysqlDialect({ pool });
}

export function kyselyLibrary(): Library {
  return library<Library>('kysely');
}

function workOf(database: Database, executor: Executor): Work {
  return {
    save: (id) => executor.insertInto(TABLE).values({ id }).execute(),
    transaction: (work) => database.transaction().execute((inner) => work(workOf(database, inner))),
  };
}

async function run(dialect: object, work: (work: Work) => Promise<void>): Promise<void> {
  const { Kysely } = kyselyLibrary();
  const database = new Kysely({ dialect });
  try {
    await work(workOf(database, database));
  } finally {
    await database.destroy();
  }
}

export const kysely: Orm = {
  name: 'Kysely',
  onPostgres: (client, work) => run(postgresDialect(kyselyLibrary(), client), work),
  onMysql: (connection, work) => run(mysqlDialect(kyselyLibrary(), connection), work),
};
