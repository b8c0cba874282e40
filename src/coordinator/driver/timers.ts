// The timers of transactions: deadlines, bounded waits and retries. They become events and answers; they decide nothing (D10).
import { type Backoff, backoffDelayMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Bqual } from '../../xa/xid.ts';
import type { Event } from '../engine/event.ts';
import type { HeldTransaction } from './transaction.ts';

const RETRY: Backoff = { firstMs: 100, maxMs: 5_000 };

interface TimersParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly apply: (transaction: HeldTransaction, event: Event) => void;
  /** Tells everyone who waits what may be told now. */
  readonly answerAll: (transaction: HeldTransaction) => void;
}

export class Timers {
  readonly #parts: TimersParts;

  constructor(parts: TimersParts) {
    this.#parts = parts;
  }

  /** The transaction is rolled back `delayMs` from now unless it was decided before. Replaces the timer that it had. */
  deadline(transaction: HeldTransaction, delayMs: number): void {
    this.#replace(transaction, delayMs, () => {
      const reason = { code: 'TXN_TIMEOUT', message: 'its deadline passed', retryable: true };
      this.#parts.apply(transaction, { kind: 'deadline', reason });
    });
  }

  /** No deadline may turn it any more (D2); whoever waits hears after `waitMs` what is known by then. */
  boundWait(transaction: HeldTransaction, waitMs: number): void {
    transaction.deadlineAt = Number.POSITIVE_INFINITY;
    this.#replace(transaction, waitMs, () => this.#parts.answerAll(transaction));
  }

  retryLater(transaction: HeldTransaction, bqual: Bqual, attempts: number): void {
    const { clock, random } = this.#parts;
    transaction.retries.get(bqual)?.timer.cancel();
    const delayMs = backoffDelayMs(RETRY, attempts, random);
    const timer = clock.after(delayMs, () => this.retryNow(transaction, bqual));
    transaction.retries.set(bqual, { timer, dueAt: clock.now() + delayMs });
  }

  retryNow(transaction: HeldTransaction, bqual: Bqual): void {
    transaction.retries.get(bqual)?.timer.cancel();
    transaction.retries.delete(bqual);
    this.#parts.apply(transaction, { kind: 'retry-due', bqual });
  }

  #replace(transaction: HeldTransaction, delayMs: number, action: () => void): void {
    transaction.timer?.cancel();
    transaction.timer = this.#parts.clock.after(Math.max(0, delayMs), () => {
      transaction.timer = undefined;
      action();
    });
  }
}
