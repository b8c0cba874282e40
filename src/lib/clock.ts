// Time as the rest of the code may see it. Durations and deadlines are monotonic milliseconds (D10); wall time is for people.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; never goes back. */
  now(): number;
  /** Wall-clock milliseconds since 1970, for records and tables that people read. Nothing is decided by it (D10). */
  wallTime(): number;
  /** Calls `action` once, `delayMs` from now at the earliest. */
  after(delayMs: number, action: () => void): Timer;
}
