// A global transaction as the service that began it holds it: its work, and the one who may commit it.
import type { TransactionEnded__Output as TransactionEnded } from '../../gen/concordat/v1/TransactionEnded.ts';
import type { CoordinatorError } from '../../xa/errors.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { formatContext } from '../public/context.ts';
import { ConcordatError, TransactionRolledBackError } from '../public/errors.ts';
import { OVERDUE_GRACE_MS, type TransactionOptions } from '../public/options.ts';
import type { Resource } from '../public/resource.ts';
import type { NamedLock, OnceOptions, OnceResult, OnceValue } from '../public/tables.ts';
import type { CommitResult, EnlistedConnection, EnlistOptions, Transaction } from '../public/transaction.ts';
import type { LinkedTransaction } from '../session/coordinator-link.ts';
import type { Connection } from '../session/coordinator-session.ts';
import { endedOutside, type RefusedError, rolledBackByReason, toClientError } from '../session/failures.ts';
import { type ApplicationTables, applicationTables } from '../tables/application-tables.ts';
import { placeBranch, Qualifiers, type TransactionParts, WorkBranches } from './branches.ts';
import { commitTransaction, rollbackTransaction } from './ending.ts';
import { EnlistedConnections } from './enlisted.ts';
import { printable } from './printable.ts';
import { ResourceUses } from './resource-uses.ts';
import { Work } from './work.ts';

type Phase =
  | { readonly kind: 'active' }
  | { readonly kind: 'committing'; readonly result: Promise<CommitResult> }
  | { readonly kind: 'rolling-back'; readonly done: Promise<void> };

/** Made by `Concordat.begin`. */
export class OwnTransaction implements Transaction, LinkedTransaction {
  readonly gtrid: Gtrid;
  readonly #parts: TransactionParts;
  readonly #connection: Connection;
  readonly #options: TransactionOptions;
  readonly #work: Work;
  readonly #branches: WorkBranches;
  readonly #uses: ResourceUses;
  readonly #tables: ApplicationTables;
  readonly #enlisted: EnlistedConnections;
  readonly #qualifiers = new Qualifiers();
  readonly #beginId: number;
  readonly #onEnd: () => void;
  #phase: Phase = { kind: 'active' };
  #refusedBegin: RefusedError | undefined;

  constructor(
    parts: TransactionParts,
    connection: Connection,
    gtrid: Gtrid,
    options: TransactionOptions,
    onEnd: (transaction: OwnTransaction) => void,
  ) {
    const { clock } = parts.session.settings;
    const timeoutMs = Math.ceil(options.timeoutMs ?? 0);
    this.gtrid = gtrid;
    this.#parts = parts;
    this.#connection = connection;
    this.#options = options;
    this.#onEnd = () => onEnd(this);
    this.#beginId = connection.link.begin(gtrid, timeoutMs, this);
    this.#work = new Work(gtrid, clock, { signal: options.signal });
    this.#work.limit(timeoutMs || connection.welcome.defaultTimeoutMs, OVERDUE_GRACE_MS, () => this.#overdue());
    this.#uses = new ResourceUses(this.#work);
    this.#branches = new WorkBranches(parts, this.#work, options, (name) =>
      placeBranch(parts, this.#work, name, this.#qualifiers.next(name)),
    );
    this.#tables = applicationTables(
      {
        gtrid,
        branch: (name) => this.#branches.get(name),
        setRollbackOnly: (reason) => this.setRollbackOnly(reason),
      },
      parts,
      this.#work,
    );
    this.#enlisted = new EnlistedConnections(parts, gtrid, this.#work, this.#uses);
  }

  get context(): string {
    this.#connection.link.flush(); // Whoever gets it may ask the coordinator at once.
    return formatContext(this.gtrid);
  }

  get isActive(): boolean {
    return this.#phase.kind === 'active';
  }

  resource(name: string): Resource {
    return this.#uses.guard(this.#branches.get(name));
  }

  async enlist(resource: string, connection: object, options: EnlistOptions = {}): Promise<EnlistedConnection> {
    const { failure } = this.#work;
    if (failure !== undefined) {
      throw failure.error;
    }
    const name = (): string => this.#qualifiers.next(resource);
    const how = { options, start: this.#options, name, endsWithPrepare: false };
    return await this.#enlisted.enlist(resource, connection, how);
  }

  /** Whether the same work may succeed another time, after this error of the database on an enlisted connection. */
  isRetryable(error: unknown): boolean {
    return this.#enlisted.retryable(error) !== undefined;
  }

  commit(): Promise<CommitResult> {
    if (this.#phase.kind === 'committing') {
      return this.#phase.result;
    }
    if (this.#phase.kind === 'rolling-back') {
      return Promise.reject(this.#state('was rolled back'));
    }
    const { unanswered } = this.#work;
    if (unanswered > 0 && this.#work.failure === undefined) {
      const which = this.#uses.unanswered;
      const message = `Commit was called while statements are unanswered${which && `: ${which}`}. Await every query before it.`;
      const { gtrid } = this;
      return Promise.reject(new ConcordatError(message, { code: 'BRANCH_BUSY', retryable: false, gtrid }));
    }
    const result = this.#commit().finally(() => this.#release());
    this.#phase = { kind: 'committing', result };
    return result;
  }

  async rollback(reason = 'rolled back by the application'): Promise<void> {
    if (this.#phase.kind === 'committing') {
      await this.#phase.result.then(
        () => Promise.reject(this.#state('is committed')),
        () => undefined,
      );
      return;
    }
    if (this.#phase.kind === 'active') {
      const done = this.#rollback(reason).finally(() => this.#release());
      this.#phase = { kind: 'rolling-back', done };
    }
    await this.#phase.done;
  }

  once<T extends OnceValue>(
    resource: string,
    key: string,
    work: () => Promise<T> | T,
    options?: OnceOptions,
  ): Promise<OnceResult<T>> {
    return this.#tables.keys.once(resource, key, work, options);
  }

  lock(resource: string, name: string): Promise<NamedLock> {
    return this.#tables.locks.lock(resource, name);
  }

  async setRollbackOnly(reason: string): Promise<void> {
    const error = new ConcordatError(`The transaction was marked rollback-only: ${reason}`, {
      code: 'ROLLBACK_ONLY',
      retryable: false,
    });
    this.#work.fail(error);
    const setRollbackOnly = { requestId: `${this.gtrid}/rollback-only`, gtrid: this.gtrid, reason: printable(reason) };
    await this.#connection.link.request({ setRollbackOnly }).catch((cause: unknown) => {
      throw toClientError(cause);
    });
  }

  /** Rolls back unless the end was asked for; waits for a commit that is under way. Never rejects. */
  async settle(reason: string): Promise<void> {
    if (this.#phase.kind === 'committing') {
      await this.#phase.result.catch(() => undefined);
    } else {
      await this.rollback(reason).catch((err: unknown) => {
        this.#parts.session.settings.logger?.warn({ evt: 'ended_outside', txn: this.gtrid, err }, 'not rolled back');
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle('the scope of the transaction was left');
  }

  onRefused(refusal: RefusedError): void {
    this.#refusedBegin = refusal;
    this.#work.fail(toClientError(refusal));
  }

  onEnded(news: TransactionEnded): void {
    this.#work.fail(rolledBackByReason(this.gtrid, news.reason));
  }

  onLost(error: CoordinatorError): void {
    const message = `The session with the coordinator broke before the commit was asked for, so that the transaction is rolled back: ${error.message}`;
    const { gtrid } = this;
    this.#work.fail(
      new TransactionRolledBackError(message, { code: 'CLIENT_LOST', retryable: true, gtrid, cause: error }),
    );
  }

  async #commit(): Promise<CommitResult> {
    this.#enlisted.endWork();
    const { failure } = this.#work;
    if (failure !== undefined) {
      await this.#rollback('a statement failed or the transaction was marked rollback-only');
      throw this.#rolledBack(failure.error);
    }
    const commit = commitTransaction({
      ...this.#parts,
      link: this.#connection.link,
      gtrid: this.gtrid,
      work: this.#work,
      acknowledgement: this.#options.acknowledgement ?? 'applied',
      signal: this.#options.signal,
      refusedBegin: () => this.#refusedBegin,
    });
    this.#work.finish(() => this.#state('takes no more statements: its commit was asked for'));
    try {
      return await commit;
    } catch (error) {
      await this.#tellOutside(error);
      throw error;
    } finally {
      await this.#enlisted.released();
    }
  }

  /** What is committed must not be told as rolled back (D5). @throws {HeuristicOutcomeError} something of the transaction is. */
  async #tellOutside(cause: unknown): Promise<void> {
    const branches = await this.#enlisted.endedOutside();
    if (branches.length > 0) {
      throw endedOutside(this.gtrid, branches, cause);
    }
  }

  async #rollback(reason: string): Promise<void> {
    this.#work.finish(() => this.#state('was rolled back'));
    this.#enlisted.endWork();
    await this.#enlisted.rollBack();
    await rollbackTransaction(this.#parts.session, this.#connection.link, this.#work, reason);
    await this.#enlisted.released();
    await this.#tellOutside(undefined);
  }

  #release(): void {
    this.#connection.link.release(this.gtrid, this.#beginId);
    this.#onEnd();
  }

  /** What a commit throws after an earlier failure: an abort as it is, everything else as the rollback that it caused. */
  #rolledBack(error: unknown): unknown {
    if (error instanceof TransactionRolledBackError || !(error instanceof ConcordatError)) {
      return error;
    }
    const { code, retryable } = error;
    const message = `The transaction was rolled back: ${error.message}`;
    return new TransactionRolledBackError(message, { code, retryable, gtrid: this.gtrid, cause: error });
  }

  #overdue(): TransactionRolledBackError {
    const message = 'The transaction was rolled back: its time is over, and the coordinator did not answer.';
    return new TransactionRolledBackError(message, { code: 'TXN_TIMEOUT', retryable: true, gtrid: this.gtrid });
  }

  #state(what: string): ConcordatError {
    const { gtrid } = this;
    return new ConcordatError(`The transaction ${gtrid} ${what}.`, { code: 'TXN_STATE', retryable: false, gtrid });
  }
}
