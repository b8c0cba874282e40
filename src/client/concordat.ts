// The client: one connection to a coordinator, shared by everything that a process does in global transactions.

import { within } from '../lib/wait.ts';
import { type Gtrid, parseGtrid } from '../xa/xid.ts';
import { transactionalPool } from './pool/pool.ts';
import { parseContext } from './public/context.ts';
import { type BranchIdentity, ConcordatError } from './public/errors.ts';
import {
  type BeginOptions,
  checkBranchStart,
  checkScopeOptions,
  checkTransactionOptions,
  type JoiningOptions,
  type JoinOptions,
  type Propagation,
  type RunOptions,
  type ScopeOptions,
  type TransactionOptions,
} from './public/options.ts';
import type { ConnectionPool, ConnectionPoolOptions } from './public/pool.ts';
import type {
  OneShotStatement,
  Transaction,
  TransactionOutcome,
  TransactionWork,
  TransactResult,
} from './public/transaction.ts';
import { type Beginner, runStatements } from './run.ts';
import { runScoped, type ScopedFunction } from './run-scoped.ts';
import type { Connection } from './session/coordinator-session.ts';
import { RefusedError, toClientError } from './session/failures.ts';
import { type Transactional, transactionalFor } from './transactional.ts';
import { type ClientParts, checkRequired, type TransactionParts } from './work/branches.ts';
import { JoinedTransaction } from './work/joined.ts';
import { OneShot, placeOneShot } from './work/one-shot.ts';
import { askTransaction, toldOutcome } from './work/outcome.ts';
import { OwnTransaction } from './work/own-transaction.ts';

/** A resource as the coordinator knows it. */
export interface ResourceInfo {
  readonly name: string;
  /** postgresql, mysql, mariadb or memory */
  readonly engine: string;
  /** A sidecar of it is attached, and takes statements. */
  readonly available: boolean;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** Made by `connect`. Share one in each process; it reconnects by itself until it is closed. */
export class Concordat implements AsyncDisposable {
  readonly #parts: TransactionParts;
  readonly #open = new Set<OwnTransaction | OneShot>();
  readonly #beginner: Beginner = { beginWhenReady: (options) => this.#beginWhenReady(options) };
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(parts: ClientParts) {
    this.#parts = { ...parts, transact: (statements, options) => this.transact(statements, options) };
  }

  /**
   * Runs `work` in a transaction: commits when it returns, rolls back when it throws, and throws what it threw. In a new one, unless
   * `propagation` says otherwise: within another transaction, that one is set aside meanwhile.
   *
   * While the connection is away it waits for it first, for `connectTimeoutMs`.
   * @throws {TransactionRolledBackError} {OutcomeUnknownError} {HeuristicOutcomeError} as `Transaction.commit` does.
   * @throws {ConcordatError} CONNECTION_LOST: nothing was begun. TRANSACTION_REQUIRED, TRANSACTION_PRESENT, as `propagation` says.
   * @throws {RangeError} an option is out of range. {TypeError} a scope that joins wants what the transaction does not have.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T> | T, options?: BeginOptions): Promise<T>;
  transaction<T>(work: (tx: TransactionWork) => Promise<T> | T, options: JoiningOptions): Promise<T>;
  transaction<T>(work: (tx: TransactionWork | undefined) => Promise<T> | T, options: ScopeOptions): Promise<T>;
  transaction<T>(work: (tx: never) => Promise<T> | T, options: ScopeOptions = {}): Promise<T> {
    return this.#scoped(work as ScopedFunction<T>, options, 'requires-new');
  }

  /**
   * Makes a function a scope: `transactional(options)(function)`. With `required`, if nothing else is said, it joins the transaction that
   * it is called in, and begins one otherwise. The function finds its transaction in `current`. Also a decorator of methods,
   * `@concordat.transactional()`, where a compiler lowers decorators: Node runs no file that has one.
   * @throws {RangeError} {TypeError} an option is wrong; of the function when it is called: as `transaction`.
   */
  transactional(options: ScopeOptions = {}): Transactional {
    checkScopeOptions(options);
    return transactionalFor((work) => this.#scoped(work, options, 'required'));
  }

  /** The transaction that the running code works in; one that has ended refuses what is still asked of it. */
  get current(): TransactionWork | undefined {
    return this.#parts.ambient.now?.tx;
  }

  /**
   * Runs `work` with `tx`, which `begin` or `join` gave, as the current transaction. It commits nothing.
   * @throws {TypeError} not a transaction of this client.
   */
  within<T>(tx: TransactionWork, work: () => T): T {
    if (!((tx instanceof OwnTransaction || tx instanceof JoinedTransaction) && tx.isOf(this.#parts))) {
      throw new TypeError('within() wants a transaction that begin() or join() of this client gave');
    }
    return this.#parts.ambient.inside({ tx, level: tx.root }, work);
  }

  /**
   * Makes of the application's pool, of `pg` or of `mysql2` in either flavour, one whose connections take part: within a transaction, all
   * who ask it share the one connection that the transaction has at `resource`, enlisted when it is first asked for. Their own BEGIN,
   * COMMIT and ROLLBACK are savepoints, and what they give back its pool gets when the transaction has ended. Outside of a transaction it
   * is the pool itself. docs/orm.md has a recipe for each common ORM.
   * @throws {TypeError} no pool of one of the two. What it lends throws as `Transaction.enlist`, and TXN_STATE after the end.
   */
  pool<P extends ConnectionPool>(resource: string, pool: P, options: ConnectionPoolOptions = {}): P {
    return transactionalPool(this.#parts.ambient, resource, pool, options);
  }

  #scoped<T>(work: ScopedFunction<T>, options: ScopeOptions, usual: Propagation): Promise<T> {
    const parts = {
      ambient: this.#parts.ambient,
      beginner: this.#beginner,
      environment: this.#parts.session.settings,
    };
    return runScoped(parts, work, options, usual);
  }

  /**
   * Runs statements that are all known in advance as one transaction: the shortest way there is. They leave at once, those of one
   * resource to run in their order, those of several side by side, and so does the commit; each branch is executed, prepared and voted
   * on in one round trip. Either all of them are committed, or none is.
   *
   * A failed statement rolls everything back. While a resource or the connection is away it is waited for, as in `transaction`.
   * @throws {StatementError} a statement failed: nothing is committed.
   * @throws {ResultsLostError} it is committed, and the answers of statements are lost.
   * @throws {TransactionRolledBackError} {OutcomeUnknownError} {HeuristicOutcomeError} as `Transaction.commit` does.
   * @throws {ConcordatError} CONNECTION_LOST, RESOURCE_UNKNOWN, RESOURCE_UNAVAILABLE: nothing was begun, or nothing is left of it.
   * @throws {TypeError} {RangeError} a statement or an option cannot be sent: nothing is committed.
   */
  async transact(statements: readonly OneShotStatement[], options: RunOptions = {}): Promise<TransactResult> {
    checkTransactionOptions(options);
    options.signal?.throwIfAborted();
    const known = [...statements];
    return await runStatements(this.#beginner, this.#parts.session.settings, known, options, (once) =>
      this.#trySendAtOnce(known, once),
    );
  }

  /**
   * Begins a transaction, to be committed or rolled back by hand. Nothing is awaited: the id is of this session's own.
   * @throws {ConcordatError} CONNECTION_LOST: not connected just now, or out of ids; `ready` waits. {RangeError}
   */
  begin(options: TransactionOptions = {}): Transaction {
    checkTransactionOptions(options);
    const transaction = this.#tryBegin(options);
    if (transaction === undefined) {
      const message =
        'The coordinator is not connected just now, or has not sent new ids yet: await ready() before begin().';
      throw new ConcordatError(message, { code: 'CONNECTION_LOST', retryable: true });
    }
    return transaction;
  }

  /**
   * Begins a transaction as soon as the connection is there.
   * @throws {ConcordatError} CONNECTION_LOST after `connectTimeoutMs`; the signal's reason; {RangeError}
   */
  async beginWhenReady(options: TransactionOptions = {}): Promise<Transaction> {
    return await this.#beginWhenReady(options);
  }

  async #beginWhenReady(options: TransactionOptions): Promise<OwnTransaction> {
    checkTransactionOptions(options);
    options.signal?.throwIfAborted();
    return this.#tryBegin(options) ?? (await this.#until(() => this.#tryBegin(options), options.signal));
  }

  /** Resolves when a transaction can be begun. @throws {ConcordatError} CONNECTION_LOST after `connectTimeoutMs`. */
  async ready(options: WaitOptions = {}): Promise<void> {
    const look = (): true | undefined => {
      const link = this.#parts.session.connection?.link;
      return link !== undefined && !link.exhausted ? true : undefined;
    };
    await this.#until(look, options.signal);
  }

  /**
   * Takes part in a transaction that another service began and whose `context` came with the call.
   * @throws {TypeError} the text is not a context.
   */
  join(context: string, options: JoinOptions = {}): TransactionWork {
    checkBranchStart(options);
    return new JoinedTransaction(this.#parts, parseContext(context), options);
  }

  /**
   * How a transaction ended. `branches`, from an `OutcomeUnknownError`, lets the coordinator tell more: with two or more of them its
   * log's silence proves a rollback.
   * @throws {ConcordatError} TXN_NOT_FOUND: not an id of this coordinator. CONNECTION_LOST: nobody could be asked.
   */
  async outcome(
    gtrid: string,
    branches: readonly BranchIdentity[] = [],
    options: WaitOptions = {},
  ): Promise<TransactionOutcome> {
    if (parseGtrid(gtrid) === undefined) {
      throw new TypeError(`not the id of a transaction: ${gtrid}`);
    }
    const { signal } = options;
    const { clock, connectTimeoutMs: timeoutMs } = this.#parts.session.settings;
    try {
      const { link } = await this.#until(() => this.#parts.session.connection, signal);
      const request = { gtrid, branches: branches.map(({ bqual, instance }) => ({ bqual, instance })) };
      const silent = (): ConcordatError =>
        new ConcordatError('The coordinator did not answer in time.', { code: 'DEADLINE', retryable: false });
      return toldOutcome(await within(askTransaction(link, request), { clock, timeoutMs, signal }, silent));
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'OUTCOME_EXPIRED') {
        return 'expired';
      }
      throw signal?.aborted === true ? error : toClientError(error);
    }
  }

  /** The resources that the coordinator knows, by name; kept up to date while connected. */
  resources(): readonly ResourceInfo[] {
    return [...this.#parts.session.directory.values()]
      .map(({ name, engine, address }) => ({ name, engine, available: address !== '' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Rolls back what is open, waits for commits that are under way, and ends every connection. Idempotent; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tryBegin(options: TransactionOptions): OwnTransaction | undefined {
    const numbered = this.#number(options);
    if (numbered === undefined) {
      return undefined;
    }
    const { connection, gtrid } = numbered;
    const transaction = new OwnTransaction(this.#parts, connection, gtrid, options, (ended) =>
      this.#open.delete(ended),
    );
    this.#open.add(transaction);
    return transaction;
  }

  #trySendAtOnce(
    statements: readonly OneShotStatement[],
    options: TransactionOptions,
  ): Promise<TransactResult> | undefined {
    const parts = this.#parts;
    const placements = placeOneShot(parts, statements);
    const numbered = placements === undefined ? undefined : this.#number(options);
    if (placements === undefined || numbered === undefined) {
      return undefined;
    }
    const onEnd = (ended: OneShot): unknown => this.#open.delete(ended);
    const oneShot = new OneShot({ parts, ...numbered, statements, placements, options, onEnd });
    this.#open.add(oneShot);
    return oneShot.run();
  }

  /** The id of a new transaction, and the connection that it is of; undefined while there is none. */
  #number({ requires }: TransactionOptions): { readonly connection: Connection; readonly gtrid: Gtrid } | undefined {
    if (this.#closing !== undefined) {
      throw new ConcordatError('The client is closed and begins nothing more.', {
        code: 'TXN_STATE',
        retryable: false,
      });
    }
    const { connection } = this.#parts.session;
    if (connection !== undefined) {
      checkRequired(this.#parts, requires);
    }
    const gtrid = connection?.link.number();
    return connection === undefined || gtrid === undefined ? undefined : { connection, gtrid };
  }

  #until<T>(look: () => T | undefined, signal: AbortSignal | undefined): Promise<T> {
    const { session } = this.#parts;
    return session.until(look, { timeoutMs: session.settings.connectTimeoutMs, signal });
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((transaction) => transaction.settle('the client was closed')));
    await this.#parts.embedding.close();
    await this.#parts.session.close();
    this.#parts.links.close();
  }
}
