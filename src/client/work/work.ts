// What this process does within one global transaction: its branches, and the one reason why it can go no further.
import type { BranchRef } from '../../gen/concordat/v1/BranchRef.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { type BranchIdentity, inTransaction } from '../public/errors.ts';
import { Level } from '../scope/level.ts';
import type { ScopedBranch } from '../scope/nested.ts';

/** Why the work goes no further. Wrapped, because anything may be thrown; made when it is looked at, because mostly nobody does. */
export interface WorkFailure {
  readonly error: unknown;
}

/** A branch as its transaction sees it, whoever executes its statements. */
export interface WorkBranch extends ScopedBranch {
  readonly resource: string;
  /** Undefined until anything was sent: a branch that nobody can have opened is not named to the coordinator. */
  readonly identity: BranchIdentity | undefined;
  /** Asks the participant for the branch's vote, which goes to the coordinator. False: it could not be asked. */
  askForVote(): boolean;
  /** The work failed or ended: reject what is unanswered. */
  stop(failure: WorkFailure): void;
}

/** Belongs to one transaction object. */
export class Work {
  readonly gtrid: string;
  /** The transaction itself, in which scopes are nested. */
  readonly root = new Level(undefined, '');
  readonly #clock: Clock;
  readonly #branches: WorkBranch[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #onFailure: ((error: unknown) => void) | undefined;
  readonly #explain: (error: unknown) => unknown;
  #guard: Timer | undefined;
  #overdue: { readonly graceMs: number; readonly late: () => unknown } | undefined;
  #unanswered = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #failure: WorkFailure | undefined;

  /** @param options `explain` adds to a failure what its transaction knows of it, before anybody hears of it. */
  constructor(
    gtrid: string,
    clock: Clock,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly onFailure?: (error: unknown) => void;
      readonly explain?: (error: unknown) => unknown;
    },
  ) {
    this.gtrid = gtrid;
    this.#clock = clock;
    this.#signal = options.signal;
    this.#onFailure = options.onFailure;
    this.#explain = options.explain ?? ((error) => error);
  }

  /** From the deadline of the transaction and some grace on, an unanswered statement fails with what `late` makes. */
  limit(timeoutMs: number, graceMs: number, late: () => unknown): void {
    this.#deadline = this.#clock.now() + timeoutMs;
    this.#overdue = { graceMs, late };
    this.#watch();
  }

  /** Whole milliseconds until the transaction's deadline, at least 1. */
  get remainingMs(): number {
    return Math.max(1, Math.ceil(this.#deadline - this.#clock.now()));
  }

  get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** The first thing that went wrong. */
  get failure(): WorkFailure | undefined {
    if (this.#failure === undefined && this.#signal?.aborted === true) {
      this.fail(this.#signal.reason);
    }
    return this.#failure;
  }

  add(branch: WorkBranch): void {
    this.#branches.push(branch);
  }

  get branches(): readonly WorkBranch[] {
    return this.#branches;
  }

  /** Statements that were asked for and not answered. */
  get unanswered(): number {
    return this.#unanswered;
  }

  asked(): void {
    this.#unanswered++;
    this.#watch();
  }

  answered(): void {
    this.#unanswered--;
    if (this.#unanswered === 0) {
      this.#unwatch();
    }
  }

  identities(): BranchIdentity[] {
    return this.#branches.flatMap((branch) => branch.identity ?? []);
  }

  refs(): BranchRef[] {
    return this.identities().map(({ bqual, instance }) => ({ bqual, instance }));
  }

  /** For the commit: participants are asked for their votes on the way, unless a single branch can be committed in one phase. */
  refsToCommit(): BranchRef[] {
    const branches = this.#branches.flatMap((branch) => {
      const { identity } = branch;
      return identity === undefined ? [] : [{ branch, identity }];
    });
    return branches.map(({ branch, identity: { bqual, instance } }) => ({
      bqual,
      instance,
      asked: branches.length > 1 && branch.askForVote(),
    }));
  }

  /** The transaction can only be rolled back from here on. Only the first failure counts. */
  fail(error: unknown): void {
    if (this.#failure === undefined) {
      this.#failure = { error: inTransaction(this.gtrid, this.#explain(error)) };
      this.#stop(this.#failure);
      this.#onFailure?.(error);
    }
  }

  /** The transaction is over, or its end was asked for: later statements are refused with what `late` makes. Idempotent. */
  finish(late: () => unknown): void {
    const { gtrid } = this;
    const failure: WorkFailure = {
      get error() {
        return inTransaction(gtrid, late());
      },
    };
    this.#failure ??= failure;
    this.#stop(failure);
  }

  /**
   * Only a statement that waits needs a clock and a signal: a transaction that this process is done with must neither hold it up nor
   * stay in the memory of a signal that lives long.
   */
  #watch(): void {
    if (this.#unanswered === 0 || this.#failure !== undefined) {
      return;
    }
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    const overdue = this.#overdue;
    if (this.#guard === undefined && overdue !== undefined) {
      const fail = (): void => this.fail(overdue.late());
      this.#guard = this.#clock.after(this.remainingMs + overdue.graceMs, fail);
    }
  }

  #unwatch(): void {
    this.#guard?.cancel();
    this.#guard = undefined;
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.fail(this.#signal?.reason);

  #stop(failure: WorkFailure): void {
    this.#unwatch();
    for (const branch of this.#branches) {
      branch.stop(failure);
    }
  }
}
