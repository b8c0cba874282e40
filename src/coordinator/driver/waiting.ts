// What a transaction waits for: its deadline and the next calls of its branches; and who waits for its end, and how long at most, since a
// participant or a log that is away keeps nobody waiting for ever. Timers become events and answers; they decide nothing (D10).
import { unreachable } from '../../lib/assert.ts';
import { type Backoff, backoffDelayMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { ANSWER_WAIT_MS, APPLIED_WAIT_MS, PREPARE_TIMEOUT_MS } from '../../xa/times.ts';
import type { Bqual } from '../../xa/xid.ts';
import type { Event } from '../engine/event.ts';
import type { HeldTransaction, Waiter } from './transaction.ts';
import type { Unfinished } from './unfinished.ts';

const RETRY: Backoff = { firstMs: 100, maxMs: 5_000 };

interface WaitingParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly unfinished: Unfinished;
  readonly apply: (transaction: HeldTransaction, event: Event) => void;
}

export class Waiting {
  readonly #parts: WaitingParts;

  constructor(parts: WaitingParts) {
    this.#parts = parts;
  }

  /** Answers `waiter` as soon as the state allows. A later waiter does not extend the bound: all are answered when the first has waited long enough. */
  add(transaction: HeldTransaction, waiter: Waiter): void {
    transaction.waiters.push(waiter);
    if (transaction.timer === undefined) {
      this.bound(transaction);
    }
  }

  /** Sets how long the state that the transaction has entered may take: until it is rolled back, or until callers hear what is known. */
  bound(transaction: HeldTransaction): void {
    switch (transaction.state.kind) {
      case 'preparing': {
        const leftMs = transaction.deadlineAt - this.#parts.clock.now();
        this.deadline(transaction, Math.min(PREPARE_TIMEOUT_MS, leftMs));
        break;
      }
      case 'one-phase':
      case 'deciding':
        this.#boundWait(transaction, ANSWER_WAIT_MS);
        break;
      case 'committing':
      case 'rolling-back':
        this.#boundWait(transaction, APPLIED_WAIT_MS);
        break;
      case 'active':
      case 'completed':
        break; // Until its deadline; or it is over.
      default:
        unreachable(transaction.state);
    }
  }

  answer(transaction: HeldTransaction, level: 'decided' | 'applied'): void {
    if (transaction.waiters.length === 0) {
      return;
    }
    const ready = transaction.waiters.filter((waiter) => level === 'applied' || waiter.level === 'decided');
    transaction.waiters = transaction.waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) {
      waiter.settle(transaction);
    }
  }

  /** The transaction is rolled back `delayMs` from now unless it was decided before. Replaces the timer that it had. */
  deadline(transaction: HeldTransaction, delayMs: number): void {
    this.#replace(transaction, delayMs, () => {
      const reason = { code: 'TXN_TIMEOUT', message: 'its deadline passed', retryable: true };
      this.#parts.apply(transaction, { kind: 'deadline', reason });
    });
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

  /** No deadline may turn it any more (D2); whoever waits hears after `waitMs` what is known by then, and it is looked after from then on. */
  #boundWait(transaction: HeldTransaction, waitMs: number): void {
    transaction.deadlineAt = Number.POSITIVE_INFINITY;
    this.#replace(transaction, waitMs, () => {
      this.answer(transaction, 'applied');
      this.#parts.unfinished.watch();
    });
  }

  #replace(transaction: HeldTransaction, delayMs: number, action: () => void): void {
    transaction.timer?.cancel();
    transaction.timer = this.#parts.clock.after(Math.max(0, delayMs), () => {
      transaction.timer = undefined;
      action();
    });
  }
}
