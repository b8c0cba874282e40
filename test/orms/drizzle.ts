// Drizzle takes the connection itself.
import type { Connection } from 'mysql2';
import type pg from 'pg';
import { library } from './libraries.ts';
import { type Orm, TABLE, type Work } from './orm.ts';

interface Database {
  insert(table: object): { values(row: object): Promise<unknown> };
  transaction(work: (inner: Database) => Promise<void>): Promise<void>;
}

interface Columns {
  varchar(name: string, options: object): { primaryKey(): object };
}

function workOf(database: Database, table: object): Work {
  return {
    save: (id) => database.insert(table).values({ id }),
    transaction: (work) => database.transaction((inner) => work(workOf(inner, table))),
  };
}

export const drizzle: Orm = {
  name: 'Drizzle',
  onPostgres: async (client: pg.Client, work) => {
    const { drizzle: open } = library<{ drizzle(client: object): Database }>('drizzle-orm/node-postgres');
    const core = library<Columns & { pgTable(name: string, columns: object): object }>('drizzle-orm/pg-core');
    const table = core.pgTable(TABLE, { id: core.varchar('id', { length: 64 }).primaryKey() });
    await work(workOf(open(client), table));
  },
  onMysql: async (connection: Connection, work) => {
    const { drizzle: open } = library<{ drizzle(client: object): Database }>('drizzle-orm/mysql2');
    const core = library<Columns & { mysqlTable(name: string, columns: object): object }>('drizzle-orm/mysql-core');
    const table = core.mysqlTable(TABLE, { id: core.varchar('id', { length: 64 }).primaryKey() });
    await work(workOf(open(connection), table));
  },
};
