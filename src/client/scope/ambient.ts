// The transaction that the running code works in. It goes along with every await, timer and callback of a scope, and also with work that
// nobody awaits: that finds its transaction ended, and is refused.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { TransactionOptions } from '../public/options.ts';
import type { EnlistedConnection, TransactionWork } from '../public/transaction.ts';
import type { Level } from './level.ts';
import type { RollbackOn } from './rollback-on.ts';

/** What a pool that lends the connection on has to know of it. */
export interface PooledConnection extends EnlistedConnection {
  /** How many transactions of the application's own are open on it. */
  readonly ownDepth: number;
  /** Resolves when the connection is the application's again, or is gone. */
  readonly released: Promise<void>;
}

/** A transaction as scopes see it, whoever began it. */
export interface ScopedTransaction extends TransactionWork {
  /** The transaction itself, in which scopes are nested. */
  readonly root: Level;
  /** Its end was asked for. */
  readonly hasEnded: boolean;
  /** What it was begun with: a scope that joins asks for nothing else. */
  readonly startOptions: TransactionOptions;
  /** Milliseconds from begin to decision; undefined: the service that began it knows. */
  readonly timeoutMs: number | undefined;
  /** As `Transaction.enlist`, with what a pool has to know of it. */
  enlist(resource: string, connection: object): Promise<PooledConnection>;
  /** As `TransactionWork.nested`; an error that `rollbackOn` lets pass is thrown, and its work kept. */
  nested<T>(work: () => Promise<T> | T, rollbackOn?: RollbackOn): Promise<T>;
  /** A scope that joined has failed, so that the whole can only be rolled back: its commit fails with `error` as the cause. */
  scopeFailed(error: unknown): void;
}

/** Where the running code is. */
export interface Surroundings {
  readonly tx: ScopedTransaction;
  readonly level: Level;
}

/** Belongs to one client: a transaction of another one is not seen. */
export class Ambient {
  readonly #storage = new AsyncLocalStorage<Surroundings | undefined>();

  get now(): Surroundings | undefined {
    return this.#storage.getStore();
  }

  /** The level of `tx` that the running code is in; code from elsewhere works in the transaction itself. */
  levelIn(tx: { readonly root: Level }): Level {
    const now = this.#storage.getStore();
    return now !== undefined && now.tx.root === tx.root ? now.level : tx.root;
  }

  inside<T>(surroundings: Surroundings, work: () => T): T {
    return this.#storage.run(surroundings, work);
  }

  outside<T>(work: () => T): T {
    return this.#storage.run(undefined, work);
  }
}
