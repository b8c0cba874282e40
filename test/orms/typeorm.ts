// TypeORM takes another driver: one whose pool lends the connection.
import { library } from './libraries.ts';
import { borrowedMysql, borrowedPg, type Orm, TABLE, type Work } from './orm.ts';

interface Manager {
  /** A transaction of its own, unless it is in one. */
  save(entity: object, row: object): Promise<unknown>;
  transaction(work: (inner: Manager) => Promise<void>): Promise<void>;
}

interface Library {
  readonly EntitySchema: new (options: object) => object;
  readonly DataSource: new (
    options: object,
  ) => {
    readonly manager: Manager;
    initialize(): Promise<unknown>;
    destroy(): Promise<void>;
  };
}

async function run(options: object, work: (work: Work) => Promise<void>): Promise<void> {
  const { DataSource, EntitySchema } = library<Library>('typeorm');
  const entity = new EntitySchema({
    name: TABLE,
    tableName: TABLE,
    columns: { id: { type: 'varchar', length: 64, primary: true } },
  });
  const workOf = (manager: Manager): Work => ({
    save: (id) => manager.save(entity, { id }),
    transaction: (inner) => manager.transaction((own) => inner(workOf(own))),
  });
  const source = new DataSource({ ...options, entities: [entity] });
  await source.initialize();
  try {
    await work(workOf(source.manager));
  } finally {
    await source.destroy();
  }
}

export const typeorm: Orm = {
  name: 'TypeORM',
  onPostgres: (client, work) => {
    class Pool {
      connect(done: (error: undefined, client: object, release: () => void) => void): void {
        done(undefined, borrowedPg(client), () => undefined);
      }
      on(): void {}
      end(done: () => void): void {
        done();
      }
    }
    return run({ type: 'postgres', driver: { ...library<object>('pg'), Pool } }, work);
  },
  onMysql: (connection, work) => {
    const pool = {
      getConnection: (done: (error: undefined, connection: object) => void) =>
        done(undefined, borrowedMysql(connection)),
      on: () => undefined,
      end: (done: () => void) => done(),
    };
    return run({ type: 'mysql', driver: { ...library<object>('mysql2'), createPool: () => pool } }, work);
  },
};
