// Prisma's adapter takes a pool of pg: one that lends the client. Its own client is generated with a program that it downloads, so that the
// tests speak to the adapter as that client does: a transaction is begun by the adapter, and ended by a statement and then by the adapter.
import { library } from './libraries.ts';
import { borrowedPg, type Orm, TABLE, type Work } from './orm.ts';

interface Queryable {
  executeRaw(query: {
    readonly sql: string;
    readonly args: readonly unknown[];
    readonly argTypes: readonly object[];
  }): Promise<number>;
}

interface OwnTransaction extends Queryable {
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

interface Adapter extends Queryable {
  startTransaction(): Promise<OwnTransaction>;
  dispose(): Promise<void>;
}

interface Pg {
  readonly Pool: new (options: object) => object;
}

const statement = (sql: string) => ({ sql, args: [], argTypes: [] });

function workOf(adapter: Adapter, queryable: Queryable): Work {
  return {
    save: (id) =>
      queryable.executeRaw({
        sql: `INSERT INTO ${TABLE} (id) VALUES ($1)`,
        args: [id],
        argTypes: [{ scalarType: 'string', arity: 'scalar' }],
      }),
    transaction: async (work) => {
      const own = await adapter.startTransaction();
      try {
        await work(workOf(adapter, own));
      } catch (error) {
        await own.executeRaw(statement('ROLLBACK'));
        await own.rollback();
        throw error;
      }
      await own.executeRaw(statement('COMMIT'));
      await own.commit();
    },
  };
}

export const prisma: Orm = {
  name: 'Prisma (adapter-pg)',
  onPostgres: async (client, work) => {
    const { PrismaPg } = library<{ PrismaPg: new (pool: object) => { connect(): Promise<Adapter> } }>(
      '@prisma/adapter-pg',
    );
    class LendingPool extends library<Pg>('pg').Pool {
      async connect(): Promise<object> {
        return borrowedPg(client);
      }
      query(...options: unknown[]): unknown {
        return (client.query as (...options: unknown[]) => unknown).apply(client, options);
      }
    }
    const adapter = await new PrismaPg(new LendingPool({ max: 1 })).connect();
    try {
      await work(workOf(adapter, adapter));
    } finally {
      await adapter.dispose();
    }
  },
};
