// What is remembered of branches that ended in this life, so that a late message never revives one (D9). Bounded by count and age.
import type { Clock } from '../../../lib/clock.ts';
import { TOMBSTONE_MS } from '../../../xa/times.ts';
import type { Ended } from '../../engine/state.ts';

interface Tombstone {
  readonly ended: Ended;
  readonly atMs: number;
}

/** About 30 MB at most. A forgotten one does no harm: a branch that is opened again is reported, and rolled back by the coordinator. */
const TOMBSTONES_MAX = 100_000;

/**
 * Two generations: when the newer one is full or old, it becomes the older one, and the older one is dropped as a whole. So at least
 * half of the most are remembered, or whatever ended in the last ten minutes, and a burial costs one entry in a map.
 */
export class Tombstones {
  readonly #clock: Clock;
  readonly #generationMax: number;
  #newer = new Map<string, Tombstone>();
  #older = new Map<string, Tombstone>();
  #newerSinceMs: number;

  constructor(clock: Clock, max: number = TOMBSTONES_MAX) {
    this.#clock = clock;
    this.#generationMax = Math.ceil(max / 2);
    this.#newerSinceMs = clock.now();
  }

  get(key: string): Ended | undefined {
    return this.#find(key)?.ended;
  }

  /** Whether the branch ended at or after `sinceMs` of the clock. */
  endedSince(key: string, sinceMs: number): boolean {
    const tombstone = this.#find(key);
    return tombstone !== undefined && tombstone.atMs >= sinceMs;
  }

  /** The newest burial of a key counts. */
  bury(key: string, ended: Ended): void {
    const now = this.#clock.now();
    if (this.#newer.size >= this.#generationMax || now - this.#newerSinceMs >= TOMBSTONE_MS) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#newerSinceMs = now;
    }
    this.#newer.set(key, { ended, atMs: now });
  }

  /** At most; a key that was buried again counts twice for a while. */
  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  #find(key: string): Tombstone | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }
}
