// The appends that wait for a flush, in order, and how many of them one flush takes.

/** One flush takes at most this much, so that it stays short on the main thread; the rest is the next one's. */
const FLUSH_RECORDS_MAX = 2_048;
const FLUSH_BYTES_MAX = 512 * 1024;
export interface WaitingAppend {
  /** Encoded records. */
  readonly lines: readonly string[];
  /** The sequence of the last one. */
  readonly last: number;
  readonly forced: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class AppendQueue {
  #waiting: WaitingAppend[] = [];
  #forced = 0;

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Somebody waits for a flush. */
  get forced(): boolean {
    return this.#forced > 0;
  }

  /** There is enough for a whole flush. */
  get full(): boolean {
    return this.#waiting.length >= FLUSH_RECORDS_MAX;
  }

  push(waiting: WaitingAppend): void {
    this.#waiting.push(waiting);
    this.#forced += waiting.forced ? 1 : 0;
  }

  /** Whole appends from the front: an append is atomic, so it is never cut in two. */
  takeBatch(): readonly WaitingAppend[] {
    let records = 0;
    let bytes = 0;
    let taken = 0;
    for (const waiting of this.#waiting) {
      records += waiting.lines.length;
      bytes += waiting.lines.reduce((sum, line) => sum + line.length, 0);
      if (taken > 0 && (records > FLUSH_RECORDS_MAX || bytes > FLUSH_BYTES_MAX)) {
        break;
      }
      taken += 1;
      this.#forced -= waiting.forced ? 1 : 0;
    }
    const batch = this.#waiting.slice(0, taken);
    this.#waiting = this.#waiting.slice(taken);
    return batch;
  }

  takeAll(): readonly WaitingAppend[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#forced = 0;
    return all;
  }
}
