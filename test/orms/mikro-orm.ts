// MikroORM takes a dialect of Kysely.
import { kyselyLibrary, mysqlDialect, postgresDialect } from './kysely.ts';
import { library } from './libraries.ts';
import { type Orm, TABLE, type Work } from './orm.ts';

interface Manager {
  fork(): Manager;
  create(entity: object, row: object): object;
  persist(row: object): { flush(): Promise<void> };
  transactional(work: (inner: Manager) => Promise<void>): Promise<void>;
}

interface Library {
  readonly MikroORM: { init(options: object): Promise<{ readonly em: Manager; close(): Promise<void> }> };
  readonly EntitySchema: new (options: object) => object;
}

async function run(name: string, dialect: object, work: (work: Work) => Promise<void>): Promise<void> {
  const { MikroORM, EntitySchema } = library<Library>(name);
  const entity = new EntitySchema({
    name: 'OrmRow',
    tableName: TABLE,
    properties: { id: { type: 'string', primary: true, length: 64 } },
  });
  const orm = await MikroORM.init({ entities: [entity], dbName: 'concordat', driverOptions: dialect });
  const workOf = (manager: Manager): Work => ({
    // The unit of work: its flush begins and commits a transaction of its own.
    save: (id) => manager.persist(manager.create(entity, { id })).flush(),
    transaction: (inner) => manager.transactional((own) => inner(workOf(own))),
  });
  try {
    await work(workOf(orm.em.fork()));
  } finally {
    await orm.close();
  }
}

export const mikroOrm: Orm = {
  name: 'MikroORM',
  onPostgres: (client, work) => run('@mikro-orm/postgresql', postgresDialect(kyselyLibrary(), client), work),
  onMysql: (connection, work) => run('@mikro-orm/mysql', mysqlDialect(kyselyLibrary(), connection), work),
};
