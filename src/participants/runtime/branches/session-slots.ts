// Turns at the sessions that branches may use at once: first come, first served, for a bounded time, and by a bounded number.
import type { Clock, Timer } from '../../../lib/clock.ts';
import { SESSIONS_WAITED_FOR_MAX } from '../../../xa/limits.ts';
import { SESSION_WAIT_MS } from '../../../xa/times.ts';
import { EngineError } from '../../resource-manager.ts';

/** One branch's claim to a session. */
export interface SessionSlot {
  /** Undefined: a session is free. Rejects with {EngineError} LIMIT_CONNECTIONS after a while, or when it was given up. */
  readonly turn: Promise<void> | undefined;
  /** If it still waits, it waits no more. */
  giveUp(): void;
  /** Its session is free again, or it never got one. Once. */
  end(): void;
}

interface Waiter {
  readonly go: () => void;
  readonly giveUp: () => void;
}

export class SessionSlots {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #waiters = new Set<Waiter>();
  #taken = 0;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  /** As many wait as may. */
  get isFull(): boolean {
    return this.#taken >= this.#max && this.#waiters.size >= SESSIONS_WAITED_FOR_MAX;
  }

  take(): SessionSlot {
    if (this.#taken < this.#max) {
      this.#taken += 1;
      return { turn: undefined, giveUp: () => undefined, end: () => this.#free() };
    }
    let hasTurn = false;
    let timer: Timer | undefined;
    const { promise: turn, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = {
      go: () => {
        hasTurn = true;
        timer?.cancel();
        resolve();
      },
      giveUp: () => {
        this.#waiters.delete(waiter);
        timer?.cancel();
        const message = `all ${this.#max} sessions for open branches are busy`;
        reject(new EngineError({ code: 'LIMIT_CONNECTIONS', message, retryable: true }, { sessionLost: false }));
      },
    };
    timer = this.#clock.after(SESSION_WAIT_MS, waiter.giveUp);
    this.#waiters.add(waiter);
    turn.catch(() => undefined); // It may be given up before anybody has come to wait for it.
    const giveUp = (): void => {
      if (!hasTurn) {
        waiter.giveUp();
      }
    };
    return { turn, giveUp, end: () => (hasTurn ? this.#free() : giveUp()) };
  }

  #free(): void {
    const [next] = this.#waiters;
    if (next === undefined) {
      this.#taken -= 1;
    } else {
      this.#waiters.delete(next);
      next.go();
    }
  }
}
