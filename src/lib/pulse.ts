// Heartbeats of a stream: sends one each interval, and notices a peer that has fallen silent. Both ends of a stream have one.
import type { Clock, Timer } from './clock.ts';

/** A stream is dead at the end of the interval after so many without a word. */
export const SILENT_INTERVALS_MAX = 3;

interface PulseOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly beat: () => void;
  readonly onSilence: () => void;
}

export class Pulse {
  readonly #options: PulseOptions;
  #timer: Timer;
  #silent = 0;

  /** Starts at once; the first heartbeat is an interval away. */
  constructor(options: PulseOptions) {
    this.#options = options;
    this.#timer = this.#next();
  }

  /** The peer said something. */
  heard(): void {
    this.#silent = 0;
  }

  stop(): void {
    this.#timer.cancel();
  }

  #next(): Timer {
    return this.#options.clock.after(this.#options.intervalMs, () => {
      // Intervals are counted, not measured: a process that was stopped for a minute must first read what waits for it.
      this.#silent += 1;
      if (this.#silent > SILENT_INTERVALS_MAX) {
        this.#options.onSilence();
        return;
      }
      this.#timer = this.#next();
      this.#options.beat();
    });
  }
}
