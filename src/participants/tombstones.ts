// What is remembered of branches that ended in this life, so that a late message never revives one (D9). Bounded by count and age.
import type { Clock } from '../lib/clock.ts';
import type { FinishResult, Reason, Vote } from '../xa/vocabulary.ts';

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
}

/** About 30 MB at most. A forgotten one does no harm: a branch that is opened again is reported, and rolled back by the coordinator. */
export const TOMBSTONES_MAX = 100_000;
/** Longer than any message is late: streams are given up within seconds, statements are retried within a minute. */
export const TOMBSTONE_MS = 10 * 60_000;

export class Tombstones {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #byKey = new Map<string, Tombstone>();
  /** Keys in the order of their first burial, as a ring: deleting the oldest of a Map by iteration grows quadratic. */
  readonly #ring: (string | undefined)[] = [];
  #oldest = 0;
  #count = 0;

  constructor(clock: Clock, max: number = TOMBSTONES_MAX) {
    this.#clock = clock;
    this.#max = max;
  }

  get(key: string): Ended | undefined {
    return this.#byKey.get(key)?.ended;
  }

  /** Whether the branch ended at or after `sinceMs` of the clock. */
  endedSince(key: string, sinceMs: number): boolean {
    const tombstone = this.#byKey.get(key);
    return tombstone !== undefined && tombstone.atMs >= sinceMs;
  }

  /** The newest burial of a key counts. */
  bury(key: string, ended: Ended): void {
    const isNew = !this.#byKey.has(key);
    this.#byKey.set(key, { ended, atMs: this.#clock.now() });
    if (isNew) {
      this.#makeRoom();
      this.#ring[(this.#oldest + this.#count) % this.#max] = key;
      this.#count += 1;
    }
  }

  /** Something happened to the branch again: it counts as ended now, in the way it was remembered. */
  touch(key: string): void {
    const ended = this.get(key);
    this.bury(key, ended ?? { kind: 'told' });
  }

  get size(): number {
    return this.#count;
  }

  #makeRoom(): void {
    if (this.#count === this.#max) {
      this.#dropOldest();
    }
    // Two for one, so that a burst of burials is worked off by the burials that follow it.
    for (let step = 0; step < 2; step += 1) {
      const key = this.#ring[this.#oldest];
      const atMs = key === undefined ? undefined : this.#byKey.get(key)?.atMs;
      if (this.#count === 0 || atMs === undefined || this.#clock.now() - atMs < TOMBSTONE_MS) {
        return;
      }
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    const key = this.#ring[this.#oldest];
    if (key !== undefined) {
      this.#byKey.delete(key);
    }
    this.#ring[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % this.#max;
    this.#count -= 1;
  }
}
