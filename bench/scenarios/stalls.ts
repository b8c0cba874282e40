// Stalls: times in which nothing ended at all, and those of them in which a database did not answer anybody else either.

/** Shorter ones are a matter of the machine. */
export const STALL_MS = 100;

/** Milliseconds since the epoch, with fractions: comparable between threads. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** `performance.now` of every thread begins when the thread does. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export class Stalls {
  readonly #spans: Span[] = [];
  #last: number | undefined;

  /** Something ended at that time. */
  ended(atMs: number): void {
    if (this.#last !== undefined && atMs - this.#last > STALL_MS) {
      this.#spans.push({ from: this.#last, to: atMs });
    }
    this.#last = atMs;
  }

  /** Nothing is asked for from now on: that nothing ends is no stall. */
  pause(): void {
    this.#last = undefined;
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }
}

/** Those that no database shares: during which none of them was as long without an answer to somebody who only updates one row. */
export function ownStalls(stalls: readonly Span[], ofDatabases: readonly Span[]): Span[] {
  return stalls.filter((stall) => !ofDatabases.some((span) => span.from < stall.to && stall.from < span.to));
}

/** Change per minute of a value that was looked at so often, by least squares; NaN of fewer than two looks. */
export function slopePerMinute(looks: readonly { readonly atMs: number; readonly value: number }[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [times, values] = [looks.map(({ atMs }) => atMs / 60_000), looks.map(({ value }) => value)];
  const [time, value] = [mean(times), mean(values)];
  const together = times.reduce((sum, at, n) => sum + (at - time) * ((values[n] ?? 0) - value), 0);
  return together / times.reduce((sum, at) => sum + (at - time) ** 2, 0);
}
