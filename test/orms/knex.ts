// Knex asks its client for a connection: that one is lent instead of one of its pool.
import { library } from './libraries.ts';
import { type Orm, TABLE, type Work } from './orm.ts';

interface Builder {
  (table: string): { insert(row: object): Promise<unknown> };
  transaction(work: (inner: Builder) => Promise<void>): Promise<void>;
  destroy(): Promise<void>;
  readonly client: { acquireConnection(): Promise<object>; releaseConnection(): Promise<void> };
}

function workOf(builder: Builder): Work {
  return {
    save: (id) => builder(TABLE).insert({ id }),
    transaction: (work) => builder.transaction((inner) => work(workOf(inner))),
  };
}

async function run(client: string, connection: object, work: (work: Work) => Promise<void>): Promise<void> {
  const builder = library<(options: object) => Builder>('knex')({ client });
  builder.client.acquireConnection = async () => Object.assign(connection, { __knexUid: 'lent' });
  builder.client.releaseConnection = async () => undefined;
  try {
    await work(workOf(builder));
  } finally {
    await builder.destroy();
  }
}

export const knex: Orm = {
  name: 'Knex',
  onPostgres: (client, work) => run('pg', client, work),
  onMysql: (connection, work) => run('mysql2', connection, work),
};
