// The application's own pools of database connections, as far as the client looks at them.

/** A pool of `pg`. */
interface PgPool {
  connect(...values: never[]): unknown;
  readonly totalCount: number;
}

/** A pool of `mysql2`, of the callback or the promise flavour. */
interface MysqlPool {
  getConnection(...values: never[]): unknown;
}

/** A pool of one of the two drivers that can take part. */
export type ConnectionPool = PgPool | MysqlPool;

export interface ConnectionPoolOptions {
  /** Refuses what is asked for outside of a transaction, instead of taking it to the pool itself. False if not given. */
  readonly strict?: boolean;
}
