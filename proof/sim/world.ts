// Simulated time: events in the order of their moments, one after the other, each with everything that it sets off.
import type { Timer } from '../../src/lib/clock.ts';
import type { Chance } from './chance.ts';
import type { Trace } from './trace.ts';

interface Moment {
  readonly time: number;
  /** Events of the same moment happen in the order in which they were planned. */
  readonly order: number;
  action: (() => void) | undefined;
}

/** Turns that are planned with Node at once: between two of them it runs every microtask, and more often than that it need not look around. */
const TURNS = 256;

export class World {
  readonly chance: Chance;
  readonly trace: Trace;
  /** Added to every process's wall clock: an administrator or a time server may move it. Nothing may depend on it (D10). */
  wallOffsetMs = 0;
  #now = 0;
  #order = 0;
  #events = 0;
  readonly #heap: Moment[] = [];

  constructor(chance: Chance, trace: Trace) {
    this.chance = chance;
    this.trace = trace;
  }

  /** Simulated milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** How many events have happened. */
  get events(): number {
    return this.#events;
  }

  after(delayMs: number, action: () => void): Timer {
    const moment: Moment = { time: this.#now + Math.max(0, delayMs), order: this.#order, action };
    this.#order += 1;
    push(this.#heap, moment);
    return {
      cancel() {
        moment.action = undefined;
      },
    };
  }

  /** Resolves when `isOver`, asked before each event, or when `untilMs` is reached. Rejects with what an event throws. */
  run(isOver: () => boolean, untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let planned = 0;
      let over = false;
      const end = (settle: () => void): void => {
        over = true;
        settle();
      };
      const plan = (): void => {
        for (; planned < TURNS; planned += 1) {
          setImmediate(turn);
        }
      };
      const turn = (): void => {
        planned -= 1;
        if (over) {
          return;
        }
        try {
          const next = this.#next();
          if (isOver() || next === undefined || next.time > untilMs) {
            if (next !== undefined && next.time > untilMs) {
              this.#now = untilMs;
            }
            end(resolve);
            return;
          }
          pop(this.#heap);
          this.#now = next.time;
          this.#events += 1;
          next.action?.();
        } catch (error) {
          end(() => reject(error));
          return;
        }
        if (planned === 0) {
          plan();
        }
      };
      plan();
    });
  }

  #next(): Moment | undefined {
    for (let next = this.#heap[0]; next !== undefined; next = this.#heap[0]) {
      if (next.action !== undefined) {
        return next;
      }
      pop(this.#heap);
    }
    return undefined;
  }
}

function isBefore(one: Moment, other: Moment): boolean {
  return one.time < other.time || (one.time === other.time && one.order < other.order);
}

function push(heap: Moment[], moment: Moment): void {
  let at = heap.length;
  heap.push(moment);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || !isBefore(moment, parent)) {
      break;
    }
    heap[at] = parent;
    at = up;
  }
  heap[at] = moment;
}

function pop(heap: Moment[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) {
    return;
  }
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const right = left + 1;
    const [one, two] = [heap[left], heap[right]];
    if (one === undefined) {
      break;
    }
    const smaller = two !== undefined && isBefore(two, one) ? right : left;
    const child = smaller === right && two !== undefined ? two : one;
    if (!isBefore(child, last)) {
      break;
    }
    heap[at] = child;
    at = smaller;
  }
  heap[at] = last;
}
