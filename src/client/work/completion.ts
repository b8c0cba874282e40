// The end of a transaction as the service that began it asks for it: what is hung on it, the commit or the rollback, and the status.
import type { Gtrid } from '../../xa/xid.ts';
import { type ConcordatError, TransactionRolledBackError } from '../public/errors.ts';
import type { TransactionOptions } from '../public/options.ts';
import type { CommitResult, CompletionOutcome, Transaction, TransactionStatus } from '../public/transaction.ts';
import type { ScopedTransaction } from '../scope/ambient.ts';
import { Synchronizations } from '../scope/synchronizations.ts';
import type { CoordinatorLink } from '../session/coordinator-link.ts';
import { endedOutside, type RefusedError } from '../session/failures.ts';
import type { ClientParts } from './branches.ts';
import { rolledBackAfter, unfinished, wrongState } from './ended-errors.ts';
import { commitTransaction, rollbackTransaction } from './ending.ts';
import type { EnlistedConnections } from './enlisted.ts';
import type { Work } from './work.ts';

type Phase =
  | { readonly kind: 'active' }
  /** Its commit was asked for, and what the application hung on it runs before. */
  | { readonly kind: 'before-commit'; readonly result: Promise<CommitResult> }
  | { readonly kind: 'committing'; readonly result: Promise<CommitResult> }
  | { readonly kind: 'rolling-back'; readonly done: Promise<void> };

interface CompletionParts {
  readonly parts: ClientParts;
  readonly gtrid: Gtrid;
  /** The session that it was begun on. */
  readonly link: CoordinatorLink;
  readonly options: TransactionOptions;
  readonly work: Work;
  readonly enlisted: EnlistedConnections;
  readonly tx: Transaction & ScopedTransaction;
  /** Why its Begin was refused, if that has been heard. */
  readonly refusedBegin: () => RefusedError | undefined;
  /** Where statements are unanswered; empty: not known. */
  readonly namesOfUnanswered: () => string;
  /** Of `beforeCommit`: the transaction can only be rolled back. */
  readonly forbidCommit: (what: string, error: unknown) => void;
  /** Nothing is held of it any more. */
  readonly onEnd: () => void;
}

/** Belongs to one transaction. */
export class Completion {
  readonly #own: CompletionParts;
  readonly #synchronizations = new Synchronizations();
  #phase: Phase = { kind: 'active' };
  #outcome: CompletionOutcome | undefined;

  constructor(own: CompletionParts) {
    this.#own = own;
  }

  /** Its end was asked for; what runs before the commit is still within. */
  get hasEnded(): boolean {
    return this.#phase.kind === 'committing' || this.#phase.kind === 'rolling-back';
  }

  get status(): TransactionStatus {
    if (!this.hasEnded) {
      return this.#own.work.failure === undefined ? 'active' : 'rollback-only';
    }
    return this.#outcome ?? (this.#phase.kind === 'committing' ? 'committing' : 'rollback-only');
  }

  beforeCommit(work: (tx: Transaction) => Promise<void> | void): void {
    if (this.hasEnded) {
      throw this.#state('has ended, and beforeCommit() would never be called');
    }
    this.#synchronizations.beforeCommit(work);
  }

  afterCompletion(work: (outcome: CompletionOutcome) => Promise<void> | void): void {
    this.#synchronizations.afterCompletion(work);
  }

  commit(): Promise<CommitResult> {
    const phase = this.#phase;
    if (phase.kind === 'before-commit' && this.#isWithin) {
      return Promise.reject(this.#state('is about to be committed: what beforeCommit() calls would wait for itself'));
    }
    if (phase.kind === 'committing' || phase.kind === 'before-commit') {
      return phase.result;
    }
    if (phase.kind === 'rolling-back') {
      return Promise.reject(this.#state('was rolled back'));
    }
    const busy = this.#unfinished();
    if (busy !== undefined) {
      return Promise.reject(busy);
    }
    if (this.#synchronizations.hasBeforeCommit && this.#own.work.failure === undefined) {
      const result = Promise.resolve().then(() => this.#commitAfterWork());
      this.#phase = { kind: 'before-commit', result };
      return result;
    }
    return this.#commitNow();
  }

  /** @throws {ConcordatError} TXN_STATE: it was committed, or is about to be. {HeuristicOutcomeError} */
  async rollback(reason: string): Promise<void> {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'before-commit':
        throw this.#state('is about to be committed: throw in beforeCommit(), or call setRollbackOnly()');
      case 'committing':
        await phase.result.then(
          () => Promise.reject(this.#state('is committed')),
          () => undefined,
        );
        return;
      case 'rolling-back':
        await phase.done;
        return;
      case 'active': {
        const done = this.#complete(this.#rollback(reason));
        this.#phase = { kind: 'rolling-back', done };
        await done;
      }
    }
  }

  /** Rolls back unless the end was asked for; waits for a commit that is under way. Never rejects. */
  async settle(reason: string): Promise<void> {
    const { parts, gtrid } = this.#own;
    const phase = this.#phase;
    if (phase.kind === 'committing' || phase.kind === 'before-commit') {
      await phase.result.catch(() => undefined);
      return;
    }
    await this.rollback(reason).catch((err: unknown) => {
      parts.session.settings.logger?.warn({ evt: 'ended_outside', txn: gtrid, err }, 'not rolled back');
    });
  }

  async #commitAfterWork(): Promise<CommitResult> {
    const { parts, tx, forbidCommit } = this.#own;
    try {
      await parts.ambient.inside({ tx, level: tx.root }, () => this.#synchronizations.runBefore(tx));
    } catch (error) {
      forbidCommit('beforeCommit()', error);
    }
    const busy = this.#unfinished();
    if (busy !== undefined) {
      this.#phase = { kind: 'active' };
      throw busy;
    }
    return await this.#commitNow();
  }

  #commitNow(): Promise<CommitResult> {
    const result = this.#complete(this.#commit());
    this.#phase = { kind: 'committing', result };
    return result;
  }

  async #commit(): Promise<CommitResult> {
    const { parts, gtrid, link, options, work, enlisted, refusedBegin } = this.#own;
    enlisted.endWork();
    const { failure } = work;
    if (failure !== undefined) {
      await this.#rollback('a statement failed or the transaction was marked rollback-only');
      throw rolledBackAfter(gtrid, failure.error);
    }
    const commit = commitTransaction({
      ...parts,
      ...{ link, gtrid, work, refusedBegin },
      acknowledgement: options.acknowledgement ?? 'applied',
      signal: options.signal,
    });
    work.finish(() => this.#state('takes no more statements: its commit was asked for'));
    try {
      const result = await commit;
      this.#outcome = 'committed';
      return result;
    } catch (error) {
      await this.#tellOutside(error);
      this.#outcome = error instanceof TransactionRolledBackError ? 'rolled-back' : 'unknown';
      throw error;
    } finally {
      await enlisted.released();
    }
  }

  /** What is committed must not be told as rolled back (D5). @throws {HeuristicOutcomeError} something of the transaction is. */
  async #tellOutside(cause: unknown): Promise<void> {
    const { enlisted, gtrid } = this.#own;
    const branches = await enlisted.endedOutside();
    if (branches.length > 0) {
      throw endedOutside(gtrid, branches, cause);
    }
  }

  async #rollback(reason: string): Promise<void> {
    const { parts, link, work, enlisted } = this.#own;
    work.finish(() => this.#state('was rolled back'));
    enlisted.endWork();
    await enlisted.rollBack();
    await rollbackTransaction(parts.session, link, work, reason);
    await enlisted.released();
    await this.#tellOutside(undefined);
    this.#outcome = 'rolled-back';
  }

  /** The end as the application hears it: behind those that wanted to be told, who are outside of the transaction. */
  async #complete<T>(ending: Promise<T>): Promise<T> {
    try {
      return await ending;
    } finally {
      const { parts, gtrid, onEnd } = this.#own;
      onEnd();
      this.#outcome ??= 'unknown';
      const outcome = this.#outcome;
      const { logger } = parts.session.settings;
      await parts.ambient.outside(() => this.#synchronizations.runAfter(outcome, gtrid, logger));
    }
  }

  /** The running code is part of it, and so of what runs before its commit. */
  get #isWithin(): boolean {
    return this.#own.parts.ambient.now?.tx === this.#own.tx;
  }

  #unfinished(): ConcordatError | undefined {
    const { work, gtrid, namesOfUnanswered } = this.#own;
    return work.failure === undefined
      ? unfinished(gtrid, { unanswered: work.unanswered, which: namesOfUnanswered(), scopes: work.root.scopes })
      : undefined;
  }

  #state(what: string): ConcordatError {
    return wrongState(this.#own.gtrid, what);
  }
}
