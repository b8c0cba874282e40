// A clock that a test moves by hand: nothing is due before it says so.
import type { Clock, Timer } from '../../src/lib/clock.ts';

interface Due {
  readonly atMs: number;
  readonly action: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #due = new Set<Due>();

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): Timer {
    const due = { atMs: this.#nowMs + delayMs, action };
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }

  /** How far away each waiting timer is. */
  delays(): number[] {
    return [...this.#due].map(({ atMs }) => atMs - this.#nowMs);
  }

  /** Moves on by `byMs` and runs what is due, in order of time, also what that sets up within the span. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const next = [...this.#due].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) {
        this.#nowMs = endMs;
        return;
      }
      this.#due.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.action();
    }
  }
}
