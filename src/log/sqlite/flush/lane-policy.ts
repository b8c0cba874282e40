// Which thread flushes: the main one while the disk is fast, since a thread hop costs more than the flush; else the worker. Pure.

export type LaneName = 'inline' | 'worker';

/** Flushes looked at before the main thread takes over. */
const WINDOW = 16;
/** A commit that takes longer than the thread hop costs (20 to 50 µs of latency, 40 µs of CPU) by far is the worker's. */
const FAST_MICROS = 500;
/** One such in a window is no slow disk: on a busy machine a process waits that long for a core. */
const ODD_MICROS = 5_000;
const ODD_MAX = 1;
/** A commit on the main thread that took this long stopped every timer for as long: the worker takes over at once. */
const SLOW_MICROS = 20_000;
/** A disk that is slow now and then must not stop the event loop again and again: each fall-back doubles the wait. */
const WINDOWS_MAX = 256;
/** So many flushes on the main thread without a slow one, and the disk is trusted as at the start. */
const TRUSTED_AFTER = 20_000;

export class LanePolicy {
  #lane: LaneName;
  #recent: number[] = [];
  #windowsLeft = 1;
  #windowsNext = 1;
  #inlineFlushes = 0;

  /** Starts with the worker, unless told otherwise: nothing is known of the disk yet. */
  constructor(first: LaneName = 'worker') {
    this.#lane = first;
  }

  get lane(): LaneName {
    return this.#lane;
  }

  /** Takes in how long the commit of a flush took in the present lane, and chooses the lane of the next one. */
  observe(micros: number): LaneName {
    if (this.#lane === 'inline') {
      this.#observeInline(micros);
    } else {
      this.#observeWorker(micros);
    }
    return this.#lane;
  }

  #observeInline(micros: number): void {
    this.#inlineFlushes += 1;
    if (this.#inlineFlushes >= TRUSTED_AFTER) {
      this.#windowsNext = 1;
    }
    this.#recent = [...this.#recent.slice(1 - WINDOW), micros];
    if (micros > SLOW_MICROS || (this.#recent.length === WINDOW && median(this.#recent) > 2 * FAST_MICROS)) {
      this.#lane = 'worker';
      this.#recent = [];
      this.#windowsNext = Math.min(WINDOWS_MAX, this.#windowsNext * 2);
      this.#windowsLeft = this.#windowsNext;
      this.#inlineFlushes = 0;
    }
  }

  #observeWorker(micros: number): void {
    this.#recent.push(micros);
    if (this.#recent.length < WINDOW) {
      return;
    }
    const odd = this.#recent.filter((one) => one > ODD_MICROS);
    const fast = median(this.#recent) < FAST_MICROS && odd.length <= ODD_MAX && odd.every((one) => one < SLOW_MICROS);
    this.#recent = [];
    this.#windowsLeft = fast ? this.#windowsLeft - 1 : this.#windowsNext;
    if (this.#windowsLeft === 0) {
      this.#lane = 'inline';
    }
  }
}

/** Of a list that is not empty. */
export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}
