// Locks with a name, held by a row of the branch, and their fencing tokens.

import type { RunOptions } from '../public/options.ts';
import type { QueryResult } from '../public/resource.ts';
import type { NamedLock } from '../public/tables.ts';
import type { OneShotStatement, TransactResult } from '../public/transaction.ts';
import type { Parameter } from '../values/values.ts';
import { checkName, explainMissing, type TableEngine, type TablesTransaction, tableEngine } from './tables.ts';

interface LockStatements {
  readonly look: string;
  readonly create: string;
  readonly take: string;
  readonly token: string;
}

/**
 * A missing row is created in a transaction of its own, and only if a plain read has not found it: in the branch, MySQL would lock the gap
 * beside it as well, and others would wait for it under names that nobody holds.
 */
export const LOCK_STATEMENTS: Readonly<Record<TableEngine, LockStatements>> = {
  postgresql: {
    look: 'select name from concordat_lock where name = $1',
    create: 'insert into concordat_lock (name) values ($1) on conflict (name) do nothing',
    take: 'update concordat_lock set gtrid = $1 where name = $2',
    token:
      'insert into concordat_fence (name, token) values ($1, 1) on conflict (name) do update set token = concordat_fence.token + 1 returning token',
  },
  mysql: {
    look: 'select name from concordat_lock where name = ?',
    create: 'insert ignore into concordat_lock (name) values (?)',
    take: 'update concordat_lock set gtrid = ? where name = ?',
    token:
      'insert into concordat_fence (name, token) values (?, last_insert_id(1)) on duplicate key update token = last_insert_id(token + 1)',
  },
};

/** What the locks need of the client that their transaction belongs to. */
export interface LockParts {
  readonly engine: (resource: string) => string | undefined;
  readonly remainingMs: () => number;
  /** A transaction beside this one. */
  readonly transact: (statements: readonly OneShotStatement[], options: RunOptions) => Promise<TransactResult>;
}

/** The locks of one transaction object. */
export class NamedLocks {
  readonly #tx: TablesTransaction;
  readonly #parts: LockParts;
  #takes = 0;

  constructor(tx: TablesTransaction, parts: LockParts) {
    this.#tx = tx;
    this.#parts = parts;
  }

  /** As `TransactionWork.lock` says. */
  async lock(resource: string, name: string): Promise<NamedLock> {
    checkName('the name of a lock', name);
    const { look, create, take, token } = LOCK_STATEMENTS[tableEngine(this.#parts.engine(resource))];
    const branch = this.#tx.branch(resource);
    try {
      const { rows } = await branch.query(look, [name]);
      if (rows.length === 0) {
        await this.#beside(resource, create, [name]);
      }
      // Another text each time: MySQL may count only rows that change. No row: somebody has deleted it meanwhile, and nothing is locked.
      while ((await branch.query(take, [`${this.#tx.gtrid}/${++this.#takes}`, name])).rowCount === 0) {
        await this.#beside(resource, create, [name]);
      }
      // Committed before it is given out: no rollback and no crash of the database takes it back, and nobody gets it again.
      const { rows: given, insertId } = await this.#beside(resource, token, [name]);
      return { token: BigInt((given[0]?.['token'] as number | bigint | undefined) ?? insertId) };
    } catch (error) {
      throw explainMissing(error, 'lock');
    }
  }

  async #beside(resource: string, sql: string, parameters: readonly Parameter[]): Promise<QueryResult> {
    const timeoutMs = this.#parts.remainingMs();
    const { results } = await this.#parts.transact([{ resource, sql, parameters }], { timeoutMs });
    const [result] = results;
    if (result === undefined) {
      throw new TypeError('a transaction of one statement has one result');
    }
    return result;
  }
}
