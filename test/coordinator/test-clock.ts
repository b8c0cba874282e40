// The real clock, sped up, and with its timers counted: ten seconds of the coordinator's patience pass in one, and a leak is seen.
import type { Clock, Timer } from '../../src/lib/clock.ts';
import { systemClock } from '../../src/lib/system-clock.ts';

export class TestClock implements Clock {
  /** How many of its milliseconds pass in a real one. */
  readonly speed: number;
  readonly #pending = new Set<Timer>();
  #skippedMs = 0;

  constructor(speed = 1) {
    this.speed = speed;
  }

  now(): number {
    return systemClock.now() * this.speed + this.#skippedMs;
  }

  /** So much has passed although no timer has noticed, as for a process that was stopped. */
  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  wallTime(): number {
    return systemClock.wallTime();
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = systemClock.after(delayMs / this.speed, () => {
      this.#pending.delete(counted);
      action();
    });
    const counted: Timer = {
      cancel: () => {
        this.#pending.delete(counted);
        timer.cancel();
      },
    };
    this.#pending.add(counted);
    return counted;
  }

  /** Timers that would still fire. */
  get pending(): number {
    return this.#pending.size;
  }
}
