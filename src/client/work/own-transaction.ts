// A global transaction as the service that began it holds it: its work, and the one who may commit it.
import type { TransactionEnded__Output as TransactionEnded } from '../../gen/concordat/v1/TransactionEnded.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { OVERDUE_GRACE_MS } from '../../xa/times.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { formatContext } from '../public/context.ts';
import { ConcordatError, StatementError, type TransactionRolledBackError } from '../public/errors.ts';
import type { TransactionOptions } from '../public/options.ts';
import type { Resource } from '../public/resource.ts';
import type { NamedLock, OnceOptions, OnceResult, OnceValue } from '../public/tables.ts';
import type {
  CommitResult,
  CompletionOutcome,
  EnlistOptions,
  Transaction,
  TransactionStatus,
} from '../public/transaction.ts';
import type { PooledConnection, ScopedTransaction } from '../scope/ambient.ts';
import type { Level } from '../scope/level.ts';
import { runNested } from '../scope/nested.ts';
import type { RollbackOn } from '../scope/rollback-on.ts';
import type { LinkedTransaction } from '../session/coordinator-link.ts';
import type { Connection } from '../session/coordinator-session.ts';
import { type RefusedError, rolledBackByReason, toClientError } from '../session/failures.ts';
import { type ApplicationTables, applicationTables } from '../tables/application-tables.ts';
import { type ClientParts, placeBranch, Qualifiers, type TransactionParts, WorkBranches } from './branches.ts';
import { Completion } from './completion.ts';
import { rolledBackAs, rolledBackBecause } from './ended-errors.ts';
import { EnlistedConnections } from './enlisted.ts';
import { printableReason } from './printable.ts';
import { ResourceUses } from './resource-uses.ts';
import { Work } from './work.ts';

/** Made by `Concordat.begin`. */
export class OwnTransaction implements Transaction, ScopedTransaction, LinkedTransaction {
  readonly gtrid: Gtrid;
  readonly startOptions: TransactionOptions;
  readonly timeoutMs: number;
  readonly #parts: TransactionParts;
  readonly #connection: Connection;
  readonly #work: Work;
  readonly #branches: WorkBranches;
  readonly #uses: ResourceUses;
  readonly #tables: ApplicationTables;
  readonly #enlisted: EnlistedConnections;
  readonly #completion: Completion;
  readonly #qualifiers = new Qualifiers();
  /** In whose surroundings it was begun, and which may hold what it waits for. */
  readonly #outer: ScopedTransaction | undefined;
  #nestedScopes = 0;
  #refusedBegin: RefusedError | undefined;

  constructor(
    parts: TransactionParts,
    connection: Connection,
    gtrid: Gtrid,
    options: TransactionOptions,
    onEnd: (transaction: OwnTransaction) => void,
  ) {
    const { clock } = parts.session.settings;
    const { link, welcome } = connection;
    const timeoutMs = Math.ceil(options.timeoutMs ?? 0);
    this.gtrid = gtrid;
    this.startOptions = options;
    this.timeoutMs = timeoutMs || welcome.defaultTimeoutMs;
    this.#parts = parts;
    this.#connection = connection;
    this.#outer = parts.ambient.now?.tx;
    const beginId = link.begin(gtrid, timeoutMs, this);
    this.#work = new Work(gtrid, clock, { signal: options.signal, explain: (error) => this.#explained(error) });
    this.#work.limit(this.timeoutMs, OVERDUE_GRACE_MS, () => this.#overdue());
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
    this.#completion = new Completion({
      ...{ parts, gtrid, link, options, work: this.#work, enlisted: this.#enlisted, tx: this },
      refusedBegin: () => this.#refusedBegin,
      namesOfUnanswered: () => this.#uses.unanswered,
      forbidCommit: (what, error) => this.#forbidCommit(what, error),
      onEnd: () => {
        link.release(gtrid, beginId);
        onEnd(this);
      },
    });
  }

  get context(): string {
    this.#connection.link.flush(); // Whoever gets it may ask the coordinator at once.
    this.#parts.ambient.levelIn(this).passOn();
    return formatContext(this.gtrid);
  }

  /** It is a transaction of that client. */
  isOf({ ambient }: Pick<ClientParts, 'ambient'>): boolean {
    return ambient === this.#parts.ambient;
  }

  get root(): Level {
    return this.#work.root;
  }

  get hasEnded(): boolean {
    return this.#completion.hasEnded;
  }

  get status(): TransactionStatus {
    return this.#completion.status;
  }

  resource(name: string): Resource {
    return this.#uses.guard(this.#branches.get(name));
  }

  async enlist(resource: string, connection: object, options: EnlistOptions = {}): Promise<PooledConnection> {
    const { failure } = this.#work;
    if (failure !== undefined) {
      throw failure.error;
    }
    const name = (): string => this.#qualifiers.next(resource);
    const how = { options, start: this.startOptions, name, endsWithPrepare: false };
    return await this.#enlisted.enlist(resource, connection, how);
  }

  nested<T>(work: () => Promise<T> | T, rollbackOn?: RollbackOn): Promise<T> {
    const parts = { ambient: this.#parts.ambient, tx: this, work: this.#work, number: ++this.#nestedScopes };
    return runNested(parts, work, rollbackOn);
  }

  beforeCommit(work: (tx: Transaction) => Promise<void> | void): void {
    this.#completion.beforeCommit(work);
  }

  afterCompletion(work: (outcome: CompletionOutcome) => Promise<void> | void): void {
    this.#completion.afterCompletion(work);
  }

  scopeFailed(cause: unknown): void {
    this.#forbidCommit('a scope that joined it', cause);
  }

  /** Whether the same work may succeed another time, after this error of the database on an enlisted connection. */
  isRetryable(error: unknown): boolean {
    return this.#enlisted.retryable(error) !== undefined;
  }

  commit(): Promise<CommitResult> {
    return this.#completion.commit();
  }

  rollback(reason = 'rolled back by the application'): Promise<void> {
    return this.#completion.rollback(reason);
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
    const setRollbackOnly = {
      requestId: `${this.gtrid}/rollback-only`,
      gtrid: this.gtrid,
      reason: printableReason(reason),
    };
    await this.#connection.link.request({ setRollbackOnly }).catch((cause: unknown) => {
      throw toClientError(cause);
    });
  }

  /** Rolls back unless the end was asked for; waits for a commit that is under way. Never rejects. */
  settle(reason: string): Promise<void> {
    return this.#completion.settle(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle('the scope of the transaction was left');
  }

  onRefused(refusal: RefusedError): void {
    this.#refusedBegin = refusal;
    this.#work.fail(toClientError(refusal));
  }

  onEnded({ reason }: TransactionEnded): void {
    const named = reason?.code === 'TXN_TIMEOUT' ? { ...reason, message: this.#withOuter(reason.message) } : reason;
    this.#work.fail(rolledBackByReason(this.gtrid, named));
  }

  onLost(error: CoordinatorError): void {
    const message = `The session with the coordinator broke before the commit was asked for, so that the transaction is rolled back: ${error.message}`;
    this.#work.fail(rolledBackAs(this.gtrid, 'CLIENT_LOST', message, error));
  }

  #forbidCommit(what: string, cause: unknown): void {
    const retryable = (cause instanceof ConcordatError && cause.retryable) || this.isRetryable(cause);
    this.#work.fail(rolledBackBecause(this.gtrid, what, { cause, retryable }));
  }

  #overdue(): TransactionRolledBackError {
    const message = 'The transaction was rolled back: its time is over, and the coordinator did not answer.';
    return rolledBackAs(this.gtrid, 'TXN_TIMEOUT', this.#withOuter(message));
  }

  /** A branch has the transaction's deadline, too, and its answer to a statement may come before the coordinator's word. */
  #explained(error: unknown): unknown {
    if (!(error instanceof StatementError && isTimeout(error.cause))) {
      return error;
    }
    const { code, retryable, resource, sqlstate, errno, cause } = error;
    return new StatementError(this.#withOuter(error.message), { code, retryable, resource, sqlstate, errno, cause });
  }

  /** The usual reason why a transaction that is begun within another one runs out of time. */
  #withOuter(message: string): string {
    return this.#outer === undefined || this.#outer.hasEnded
      ? message
      : `${message} It was begun within ${this.#outer.gtrid}, which is still open and keeps its locks: if it waited for one of those, it could never have it. Next: join that transaction (propagation: 'required' or 'nested'), or begin this one after it.`;
  }
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof CoordinatorError && cause.code === 'TXN_TIMEOUT';
}
