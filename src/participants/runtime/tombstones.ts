// What is remembered of branches that ended in this life, so that a late message never revives one (D9). Bounded by count and age.
import type { Clock } from '../../lib/clock.ts';
import type { Opening } from '../../xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';

/** How a branch left the table. */
export type Ended =
  /** Never prepared, and rolled back or lost with its session: certain. */
  | { readonly kind: 'rolled-back'; readonly reason: Reason }
  /** Its vote, which a repeated prepare hears again. A lost answer counts as a no, so the engine still decides how it ended. */
  | { readonly kind: 'voted'; readonly vote: Vote }
  /** One phase, as the engine answered; no vote may be told of it any more, since it may be committed. */
  | { readonly kind: 'one-phase'; readonly result: FinishResult }
  /** Told to finish, by this participant or as far as it knows: only the engine can say where the branch stands. */
  | { readonly kind: 'told' };

interface Tombstone {
  readonly ended: Ended;
  readonly atMs: number;
  /** Undefined: no opening of the branch was ever held here. */
  readonly opening: Opening | undefined;
}

/** Every branch that phase two took up ends so, and there are many of them: one object for all. */
export const TOLD: Ended = { kind: 'told' };

/** About 25 MB at most. A forgotten one does no harm: a branch that is opened again is reported, and rolled back by the coordinator. */
export const TOMBSTONES_MAX = 100_000;
/** Longer than any message is late: streams are given up within seconds, statements are retried within a minute. */
export const TOMBSTONE_MS = 10 * 60_000;

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

  /** The opening that `get` tells of. */
  openingOf(key: string): Opening | undefined {
    return this.#find(key)?.opening;
  }

  /** Whether the branch ended at or after `sinceMs` of the clock. */
  endedSince(key: string, sinceMs: number): boolean {
    const tombstone = this.#find(key);
    return tombstone !== undefined && tombstone.atMs >= sinceMs;
  }

  /** The newest burial of a key counts. */
  bury(key: string, ended: Ended, opening?: Opening): void {
    const now = this.#clock.now();
    if (this.#newer.size >= this.#generationMax || now - this.#newerSinceMs >= TOMBSTONE_MS) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#newerSinceMs = now;
    }
    this.#newer.set(key, { ended, atMs: now, opening });
  }

  /** Something happened to the branch again: it counts as ended now, in the way it was remembered. */
  touch(key: string): void {
    const known = this.#find(key);
    this.bury(key, known?.ended ?? TOLD, known?.opening);
  }

  /** At most; a key that was buried again counts twice for a while. */
  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  #find(key: string): Tombstone | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }
}
