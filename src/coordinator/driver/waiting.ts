// Who waits for the end of a transaction, and how long at most: a participant or a log that is away keeps nobody waiting for ever.
import type { Clock } from '../../lib/clock.ts';
import type { Timers } from './timers.ts';
import type { Transaction, Waiter } from './transaction.ts';

/**
 * The prepare phase has its own bound: a transaction with a day's deadline must not hold locks for a dead participant that long. It
 * is over before the longest wait of a unary call, so that its caller hears of the rollback instead of a deadline.
 */
const PREPARE_TIMEOUT_MS = 25_000;
/** A caller who wants every branch finished waits no longer than this for one that is away; then it hears the decision (D11). */
const APPLIED_WAIT_MS = 2_000;
/** The longest wait for a log or a single branch that gives no answer. */
const ANSWER_WAIT_MS = 20_000;

export class Waiting {
  readonly #timers: Timers;
  readonly #clock: Clock;

  constructor(timers: Timers, clock: Clock) {
    this.#timers = timers;
    this.#clock = clock;
  }

  /** Answers `waiter` as soon as the state allows, or when the bound of those who wait already has passed: it is not put off for them. */
  add(transaction: Transaction, waiter: Waiter): void {
    transaction.waiters.push(waiter);
    if (transaction.timer === undefined) {
      this.bound(transaction);
    }
  }

  /** Sets how long the state that the transaction has entered may take: until it is rolled back, or until callers hear what is known. */
  bound(transaction: Transaction): void {
    switch (transaction.state.kind) {
      case 'preparing':
        this.#timers.deadline(transaction, Math.min(PREPARE_TIMEOUT_MS, transaction.deadlineAt - this.#clock.now()));
        break;
      case 'one-phase':
      case 'deciding':
        this.#timers.boundWait(transaction, ANSWER_WAIT_MS);
        break;
      case 'committing':
      case 'rolling-back':
        this.#timers.boundWait(transaction, APPLIED_WAIT_MS);
        break;
      default:
        break; // Active: until its deadline. Completed: it is over.
    }
  }

  answer(transaction: Transaction, level: 'decided' | 'applied'): void {
    if (transaction.waiters.length === 0) {
      return;
    }
    const ready = transaction.waiters.filter((waiter) => level === 'applied' || waiter.level === 'decided');
    transaction.waiters = transaction.waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) {
      waiter.settle(transaction);
    }
  }
}
