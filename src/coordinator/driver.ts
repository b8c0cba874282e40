// The driver: takes events to the engine and carries out what it asks for. Everything that happens to a transaction, from a
// client, a participant, a timer, the log or recovery, goes through `apply`.
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Log } from '../log/log.ts';
import { CoordinatorError } from '../xa/errors.ts';
import type { Gtrid } from '../xa/xid.ts';
import { outcomeOf, unknownOutcomeError } from './answers.ts';
import { Calls } from './calls.ts';
import type { Directory } from './directory.ts';
import { Effects } from './effects.ts';
import type { Effect, Event } from './engine/event.ts';
import { isHeuristic, type State } from './engine/state.ts';
import { step } from './engine/step.ts';
import { Evidence } from './evidence.ts';
import type { Logger } from './logger.ts';
import { Outcomes } from './outcomes.ts';
import { Timers } from './timers.ts';
import { type Owner, Transaction, type Waiter } from './transaction.ts';

/** The prepare phase has its own bound: a transaction with a day's deadline must not hold locks for a dead participant that long. */
const PREPARE_TIMEOUT_MS = 30_000;
/** A caller who wants every branch finished waits no longer than this for one that is away; then it hears the decision (D11). */
const APPLIED_WAIT_MS = 2_000;
/** The longest wait for a log or a single branch that gives no answer. */
const ANSWER_WAIT_MS = 20_000;

export interface DriverParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: Directory;
  readonly logger: Logger;
  readonly outcomesMax: number;
}

export class Driver {
  readonly calls: Calls;
  readonly evidence: Evidence;
  readonly outcomes: Outcomes;
  readonly #clock: Clock;
  readonly #effects: Effects;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #live = new Map<Gtrid, Transaction>();
  readonly #queue: { readonly transaction: Transaction; readonly event: Event }[] = [];
  #draining = false;
  #failure: CoordinatorError | undefined;
  /** Resolves when the log is unusable: the process must stop, and a restart reads the truth. */
  readonly failed: Promise<Error>;
  readonly #idleListeners = new Set<() => void>();

  constructor(parts: DriverParts) {
    const { log, clock, random, directory, logger } = parts;
    this.#clock = clock;
    this.#logger = logger;
    this.outcomes = new Outcomes(parts.outcomesMax);
    this.evidence = new Evidence(directory, clock);
    this.calls = new Calls(directory, clock, (gtrid, event) => this.#emit(gtrid, event));
    const apply = (transaction: Transaction, event: Event): void => this.apply(transaction, event);
    this.#timers = new Timers({
      clock,
      random,
      apply,
      answerAll: (transaction) => this.#answer(transaction, 'applied'),
    });
    this.#effects = new Effects({
      log,
      logger,
      apply,
      calls: this.calls,
      evidence: this.evidence,
      timers: this.#timers,
      answer: (transaction, level) => this.#answer(transaction, level),
      fail: (error) => this.#fail(error),
    });
    this.failed = log.failed.then((error) => {
      this.#fail(error);
      return error;
    });
  }

  /** A transaction that is not completed. */
  live(gtrid: Gtrid): Transaction | undefined {
    return this.#live.get(gtrid);
  }

  /** Live, or completed and still held whole. */
  find(gtrid: Gtrid): Transaction | undefined {
    return this.#live.get(gtrid) ?? this.outcomes.transaction(gtrid);
  }

  get liveCount(): number {
    return this.#live.size;
  }

  all(): readonly Transaction[] {
    return [...this.#live.values()];
  }

  /** @throws {CoordinatorError} `LOG_FAILED` once the log is unusable: nothing may be promised any more. */
  ensureUsable(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  /** Takes in a transaction: begun, found in the log, or found prepared. `effects` are what its first state asks for. */
  admit(
    gtrid: Gtrid,
    state: State,
    options: { readonly owner?: Owner | undefined; readonly timeoutMs?: number; readonly effects?: readonly Effect[] },
  ): Transaction {
    assert(!this.#live.has(gtrid), `${gtrid} is admitted once`);
    const now = this.#clock.now();
    const deadlineAt = options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : now + options.timeoutMs;
    const transaction = new Transaction(gtrid, state, options.owner, now, deadlineAt);
    if (state.kind === 'completed') {
      this.outcomes.add(transaction, state.outcome);
    } else {
      this.#live.set(gtrid, transaction);
    }
    if (options.timeoutMs !== undefined) {
      this.#timers.deadline(transaction, options.timeoutMs);
    }
    this.#perform(transaction, options.effects ?? []);
    this.#drain();
    return transaction;
  }

  /** A later `Begin` tells the time limit of a transaction that a participant's report had admitted. */
  setTimeLimit(transaction: Transaction, timeoutMs: number): void {
    if (transaction.state.kind === 'active') {
      transaction.deadlineAt = transaction.openedAt + timeoutMs;
      this.#timers.deadline(transaction, transaction.deadlineAt - this.#clock.now());
    }
  }

  apply(transaction: Transaction, event: Event): void {
    this.#queue.push({ transaction, event });
    this.#drain();
  }

  /** Answers `waiter` as soon as the state allows; the request's own event is applied by the caller. */
  wait(transaction: Transaction, waiter: Waiter): void {
    if (this.#failure !== undefined && outcomeOf(transaction.state) === undefined) {
      throw unknownOutcomeError(transaction.gtrid, 'the log failed; a restart reads the truth');
    }
    transaction.waiters.push(waiter);
    if (transaction.state.kind === 'committing' || transaction.state.kind === 'rolling-back') {
      this.#timers.boundWait(transaction, APPLIED_WAIT_MS);
    }
  }

  /** Applies the event and gives back what the engine refuses at once. */
  request(transaction: Transaction, event: Event): Extract<Effect, { kind: 'refuse-enlist' }> | undefined {
    const before = transaction.state;
    const result = step(before, event);
    this.#enter(transaction, result.state, result.effects);
    this.#drain();
    return result.effects.find((effect) => effect.kind === 'refuse-enlist');
  }

  /** The next call of every branch that waits for a retry is made now. @returns how many. */
  retryNow(transaction: Transaction): number {
    const due = [...transaction.retries.keys()];
    for (const bqual of due) {
      this.#timers.retryNow(transaction, bqual);
    }
    return due.length;
  }

  forget(gtrid: Gtrid): void {
    this.outcomes.remove(gtrid);
  }

  /** Resolves when no transaction is open any more. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#live.size === 0) {
          this.#idleListeners.delete(check);
          resolve();
        }
      };
      this.#idleListeners.add(check);
      check();
    });
  }

  close(): void {
    for (const transaction of this.#live.values()) {
      transaction.quiet();
    }
    this.calls.close();
    this.evidence.close();
  }

  #emit(gtrid: Gtrid, event: Event): void {
    const transaction = this.find(gtrid);
    if (transaction !== undefined) {
      this.apply(transaction, event);
    }
  }

  /** One event at a time, in order: an effect that answers at once queues its event behind the step that asked for it. */
  #drain(): void {
    if (this.#draining) {
      return;
    }
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const { state, effects } = step(next.transaction.state, next.event);
        this.#enter(next.transaction, state, effects);
      }
    } finally {
      this.#draining = false;
    }
  }

  #enter(transaction: Transaction, state: State, effects: readonly Effect[]): void {
    const before = transaction.state;
    if (state !== before) {
      transaction.state = state;
      transaction.version += 1;
      if (state.kind !== before.kind) {
        this.#changedKind(transaction, before, state);
      }
    }
    this.#perform(transaction, effects);
  }

  #changedKind(transaction: Transaction, before: State, state: State): void {
    if (before.kind === 'completed') {
      this.outcomes.remove(transaction.gtrid);
      this.#live.set(transaction.gtrid, transaction);
    }
    switch (state.kind) {
      case 'preparing':
        this.#timers.deadline(transaction, Math.min(PREPARE_TIMEOUT_MS, transaction.deadlineAt - this.#clock.now()));
        break;
      case 'one-phase':
      case 'deciding':
        this.#timers.boundWait(transaction, ANSWER_WAIT_MS);
        break;
      case 'committing':
      case 'rolling-back':
        this.#dropPrepares(transaction, before);
        this.#timers.boundWait(transaction, APPLIED_WAIT_MS);
        this.#tellOwner(transaction);
        break;
      case 'completed':
        this.#completed(transaction, state);
        break;
      default:
        break;
    }
  }

  #completed(transaction: Transaction, state: Extract<State, { kind: 'completed' }>): void {
    transaction.quiet();
    this.#live.delete(transaction.gtrid);
    this.outcomes.add(transaction, state.outcome);
    this.#tellOwner(transaction);
    if (isHeuristic(state)) {
      this.#logger.error({ evt: 'heuristic-outcome', txn: transaction.gtrid, outcome: state.outcome });
    }
    for (const listener of this.#idleListeners) {
      listener();
    }
  }

  #dropPrepares(transaction: Transaction, before: State): void {
    if (before.kind === 'preparing') {
      for (const branch of before.branches) {
        this.calls.dropPrepare(transaction.gtrid, branch.bqual);
      }
    }
  }

  #tellOwner(transaction: Transaction): void {
    if (!transaction.endRequested && outcomeOf(transaction.state) === 'rolled-back') {
      transaction.endRequested = true;
      transaction.owner?.ended(transaction);
    }
  }

  #perform(transaction: Transaction, effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.#effects.perform(transaction, effect);
    }
  }

  #answer(transaction: Transaction, level: 'decided' | 'applied'): void {
    if (transaction.waiters.length === 0) {
      return;
    }
    const ready = transaction.waiters.filter((waiter) => level === 'applied' || waiter.level === 'decided');
    transaction.waiters = transaction.waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) {
      waiter.settle(transaction);
    }
  }

  /** The log may or may not hold what was being written: whoever waits hears "unknown" and the process stops (D2, D5). */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) {
      return;
    }
    this.#failure =
      error instanceof CoordinatorError && error.code === 'LOG_FAILED'
        ? error
        : new CoordinatorError('LOG_FAILED', 'the log could not be written', { cause: error });
    this.#logger.fatal({ evt: 'log-failed', message: this.#failure.message });
    for (const transaction of this.#live.values()) {
      transaction.quiet();
      this.#answer(transaction, 'applied');
    }
  }
}
