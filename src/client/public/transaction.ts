// What applications hold of a transaction: the public shapes, for the service that began it and for those that joined.

import type { Parameter } from '../values/values.ts';
import type { BranchStart } from './options.ts';
import type { QueryResult, Resource } from './resource.ts';
import type { NamedLock, OnceOptions, OnceResult, OnceValue } from './tables.ts';

/** How a commit ended. */
export interface CommitResult {
  readonly outcome: 'committed';
  /** Every branch is finished: a read anywhere sees it. False with `decided`, or while a database is away. */
  readonly applied: boolean;
}

/** `active`: not decided yet. `unknown`: nothing may be concluded. `expired`: it was known once, and has left the log. */
export type TransactionOutcome = 'committed' | 'rolled-back' | 'mixed' | 'hazard' | 'unknown' | 'active' | 'expired';

/**
 * `rollback-only`: something failed, or it was marked, and its commit will throw. `unknown`: it ended, and nobody could say how, or its
 * branches did not end alike.
 */
export type TransactionStatus = 'active' | 'rollback-only' | 'committing' | 'committed' | 'rolled-back' | 'unknown';

/** How a transaction ended, as far as this client knows. */
export type CompletionOutcome = 'committed' | 'rolled-back' | 'unknown';

/** What a service may do within a transaction, whoever began it. */
export interface TransactionWork {
  /** The transaction's id, for logs and for `Concordat.outcome`. */
  readonly gtrid: string;
  /** Pass it to another service, in the call metadata `concordat-context`, so that it can `join`. */
  readonly context: string;
  /** The branch at a resource. Nothing is sent before its first statement; a resource that has an enlisted connection takes none. */
  resource(name: string): Resource;
  /**
   * Takes the application's own connection into the transaction: a connected client of pg, or a connection of mysql2 of either
   * flavour, that has no transaction open. Execute on it as usual from then on: a BEGIN, COMMIT or ROLLBACK of the application's is a
   * savepoint, and what would take the branch from the connection is refused before it is sent. When `commit` or `rollback` has answered,
   * it is the application's again. If the application dies, the resource's sidecar finishes what was prepared.
   *
   * A service that joined the transaction calls `prepare` when its work on the connection is done, whatever came of it: nobody tells it
   * the end, and the connection is its own again some time after that.
   *
   * The first call for a resource attaches a participant inside this process, which keeps a few connections of its own.
   * @throws {TypeError} the connection cannot take part, or `resource(…)` was used there in this transaction. {ConcordatError} RESOURCE_UNAVAILABLE, RESOURCE_IDENTITY.
   * @throws {StatementError} the database refused to open the branch.
   */
  enlist(resource: string, connection: object, options?: EnlistOptions): Promise<EnlistedConnection>;
  /**
   * From now on the transaction can only be rolled back. The mark holds here at once; it resolves when the coordinator has it.
   * @throws {ConcordatError} the coordinator could not be told.
   */
  setRollbackOnly(reason: string): Promise<void>;
  /**
   * Does `work` once for each `key`, however often the same request or message comes: the key and what `work` returns are a row of the
   * table `concordat_once` at the resource, in the branch. A rollback leaves nothing of it, and the next one is the first again. Another
   * transaction that has the key is waited for, until this one's deadline.
   *
   * If `work` fails, the transaction can only be rolled back.
   * @throws {ConcordatError} KEY_REUSED: the key was used with another fingerprint. BRANCH_BUSY: this transaction is at work with it.
   * @throws {StatementError} as `Resource.query`; retryable where another transaction came first at `repeatable-read` or above.
   * @throws {TypeError} {RangeError} the key is not a text of 1 to 255 bytes.
   */
  once<T extends OnceValue>(
    resource: string,
    key: string,
    work: () => Promise<T> | T,
    options?: OnceOptions,
  ): Promise<OnceResult<T>>;
  /**
   * Waits for the lock `name` at the resource, until the transaction's deadline, and holds it until the transaction is decided and
   * the branch has ended, also while it is prepared: a row of the table `concordat_lock`. There is no lease to renew. A
   * nested scope that is undone gives back what was locked in it. Asked again in the same transaction, it gives a newer token.
   * @throws {StatementError} as `Resource.query`; retryable where another transaction came first at `repeatable-read` or above.
   * @throws {TypeError} {RangeError} the name is not a text of 1 to 255 bytes.
   */
  lock(resource: string, name: string): Promise<NamedLock>;
  /** Where it stands; in a service that joined, `active` or `rollback-only`. */
  readonly status: TransactionStatus;
  /**
   * Runs `work` as a part that can be undone by itself: if it throws, every branch goes back to where it was before, and the transaction
   * goes on. What a failed statement dooms within is only this part, unless its database has rolled back everything (a deadlock at MySQL)
   * or the session is lost. Nested parts of one transaction run one after the other; what is asked for outside of one waits for its end.
   * @throws what `work` throws. {ConcordatError} BRANCH_BUSY: it returned while statements of it were unanswered; it is undone.
   */
  nested<T>(work: () => Promise<T> | T): Promise<T>;
  /**
   * Calls `work` when the commit is asked for, within the transaction; it may execute statements and register more. If it throws, the
   * transaction is rolled back. Not called for a rollback. In order of registration.
   * @throws {ConcordatError} TXN_STATE: its end was asked for, or this service joined and does not hear of the end.
   */
  beforeCommit(work: (tx: Transaction) => Promise<void> | void): void;
  /**
   * Calls `work` with the outcome when the transaction has ended, outside of it, before `commit` or `rollback` resolves. In order of
   * registration. What it throws is logged and changes nothing. A process that dies never calls it: for what must happen write a row.
   * @throws {ConcordatError} TXN_STATE: it has ended, or this service joined and does not hear of the end.
   */
  afterCompletion(work: (outcome: CompletionOutcome) => Promise<void> | void): void;
}

/** The application's own connection at work in a transaction. */
export interface EnlistedConnection {
  readonly resource: string;
  /**
   * The work on the connection is done: prepares now, and the vote goes to the coordinator unasked, which saves the commit a round
   * trip. Send nothing more on the connection until the transaction has ended.
   */
  prepare(): Promise<void>;
}

export interface EnlistOptions extends BranchStart {
  /** Where the client's own connections for phase two go; where the enlisted connection goes if not given. */
  readonly url?: string;
}

/**
 * A transaction that this client began. `await using` rolls it back at the end of the scope unless it was committed.
 */
export interface Transaction extends TransactionWork, AsyncDisposable {
  /**
   * Commits. Called again, it answers the same.
   * @throws {TransactionRolledBackError} nothing is committed.
   * @throws {OutcomeUnknownError} nobody could be asked, or the signal aborted: it may be committed.
   * @throws {HeuristicOutcomeError} branches ended otherwise than decided.
   * @throws {ConcordatError} BRANCH_BUSY: statements are unanswered; nothing was sent. TXN_STATE: it was rolled back before.
   */
  commit(): Promise<CommitResult>;
  /**
   * Rolls back, and resolves when the coordinator has answered or cannot be heard for some seconds: the end is the same.
   * Called again, or after a failed commit, it is harmless.
   * @throws {ConcordatError} TXN_STATE: it was committed.
   * @throws {HeuristicOutcomeError} a statement on an enlisted connection had ended its branch, and that part is committed.
   */
  rollback(reason?: string): Promise<void>;
}

/** A statement of `Concordat.transact`. `isolation` and `readOnly` belong to the first one of its resource. */
export interface OneShotStatement extends BranchStart {
  readonly resource: string;
  readonly sql: string;
  /** `$1` at PostgreSQL, `?` at MySQL and MariaDB. */
  readonly parameters?: readonly Parameter[];
}

export interface TransactResult extends CommitResult {
  readonly gtrid: string;
  /** One for each statement, in their order. */
  readonly results: readonly QueryResult[];
}
