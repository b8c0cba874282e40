// The lessons' ORM is Drizzle, on the application's own connection. What is used of it stands here, so that the lessons need no installed
// package to be checked; in your own code import `drizzle-orm` and its types.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

export interface Orm {
  /** A database object over one connection. */
  drizzle(client: pg.Client): OrmDatabase;
  eq(column: unknown, value: unknown): object;
  sql(text: TemplateStringsArray, ...values: readonly unknown[]): object;
  readonly person: object;
  readonly customer: { readonly id: object; readonly deposit: object };
}

interface OrmDatabase {
  insert(table: object): { values(row: object): { returning(): Promise<readonly { readonly id: number }[]> } };
  update(table: object): { set(row: object): { where(condition: object): Promise<unknown> } };
  /** Of the ORM's own. Within a global transaction it is a savepoint. */
  transaction<T>(work: (inner: OrmDatabase) => Promise<T>): Promise<T>;
}

interface Column {
  primaryKey(): Column;
  notNull(): Column;
}
type Columns = Readonly<
  Record<'serial' | 'integer' | 'varchar' | 'bigint', (name: string, options?: object) => Column>
>;

/** @param load what `require` gives for a package's name. */
export function loadOrm(load: (name: string) => unknown): Orm {
  const { drizzle } = load('drizzle-orm/node-postgres') as Pick<Orm, 'drizzle'>;
  const { eq, sql } = load('drizzle-orm') as Pick<Orm, 'eq' | 'sql'>;
  const core = load('drizzle-orm/pg-core') as Columns & { pgTable<T>(name: string, columns: T): object & T };
  const username = (): Column => core.varchar('username', { length: 40 }).notNull();
  return {
    ...{ drizzle, eq, sql },
    person: core.pgTable('course_person', { id: core.serial('id').primaryKey(), username: username() }),
    customer: core.pgTable('course_customer', {
      id: core.integer('id').primaryKey(),
      username: username(),
      deposit: core.bigint('deposit', { mode: 'number' }).notNull(),
    }),
  };
}

/** Drizzle out of the folder of the tests' libraries. */
export function ormOfTests(): Orm {
  const folder = fileURLToPath(new URL('../../test/orms/package.json', import.meta.url));
  try {
    return loadOrm(createRequire(folder));
  } catch (cause) {
    throw new Error('Drizzle is not installed yet: run `npm ci --prefix test/orms --ignore-scripts` once', { cause });
  }
}
