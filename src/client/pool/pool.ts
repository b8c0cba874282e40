// The application's pool, as one whose connections take part in the transaction that asks for them.
import type { ConnectionPoolOptions } from '../public/pool.ts';
import type { Ambient } from '../scope/ambient.ts';
import { LeaseSource } from './leases.ts';
import { type MysqlPoolLike, type MysqlPromisePoolLike, mysqlPool, mysqlPromisePool } from './mysql-pool.ts';
import { type PgPoolLike, pgPool } from './pg-pool.ts';

/** @throws {TypeError} no pool of pg or mysql2. */
export function transactionalPool<P extends object>(
  ambient: Ambient,
  resource: string,
  pool: P,
  options: ConnectionPoolOptions,
): P {
  const parts = { ambient, resource, options };
  if (isMysqlPromisePool(pool)) {
    const { pool: core } = pool;
    return mysqlPromisePool(pool, new LeaseSource({ ...parts, pool: core, take: () => takeMysql(core) })) as P;
  }
  if (isMysqlPool(pool)) {
    return mysqlPool(pool, new LeaseSource({ ...parts, pool, take: () => takeMysql(pool) })) as P;
  }
  if (isPgPool(pool)) {
    return pgPool(pool, new LeaseSource({ ...parts, pool, take: () => pool.connect() })) as P;
  }
  throw new TypeError('pool() wants the name of a resource and a pool of pg, or of mysql2 in either flavour');
}

type MysqlTaken = Parameters<Parameters<MysqlPoolLike['getConnection']>[0]>[1] & object;

function takeMysql(pool: MysqlPoolLike): Promise<MysqlTaken> {
  return new Promise((resolve, reject) => {
    pool.getConnection((error, connection) => (connection === undefined ? reject(error) : resolve(connection)));
  });
}

function has(value: object, ...names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}

function isMysqlPool(pool: object): pool is MysqlPoolLike {
  return has(pool, 'getConnection', 'query', 'execute', 'promise');
}

function isMysqlPromisePool(pool: object): pool is MysqlPromisePoolLike {
  return has(pool, 'getConnection') && 'pool' in pool && typeof pool.pool === 'object' && pool.pool !== null
    ? isMysqlPool(pool.pool)
    : false;
}

function isPgPool(pool: object): pool is PgPoolLike {
  return has(pool, 'connect', 'query') && 'totalCount' in pool;
}
