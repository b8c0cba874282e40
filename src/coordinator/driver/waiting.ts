// Who waits for the end of a transaction, and how long at most: a participant or a log that is away keeps nobody waiting for ever.

import { unreachable } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { ANSWER_WAIT_MS, APPLIED_WAIT_MS, PREPARE_TIMEOUT_MS } from '../../xa/times.ts';
import type { Timers } from './timers.ts';
import type { HeldTransaction, Waiter } from './transaction.ts';

export class EndWaits {
  readonly #timers: Timers;
  readonly #clock: Clock;

  constructor(timers: Timers, clock: Clock) {
    this.#timers = timers;
    this.#clock = clock;
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
}
