// A pool of things that are used by one taker at a time: made when needed, bounded, destroyed at the first doubt. Whoever finds them all
// taken waits, at most so many and for so long.
import type { Clock, Timer } from './clock.ts';

export interface PoolOptions<Thing> {
  /** Things that exist or are being made. */
  readonly max: number;
  /** Takers that wait at once, and how long each of them does. The time to make a thing is not in it. */
  readonly waitersMax: number;
  readonly waitMs: number;
  readonly clock: Clock;
  readonly make: () => Promise<Thing>;
  /** Ends a thing at once; also one that has ended. */
  readonly destroy: (thing: Thing) => void;
  /** Asked of a thing that was idle, before it is handed out. It must not reject. */
  readonly isGood?: (thing: Thing) => Promise<boolean> | boolean;
  /** What becomes of a thing behind its use, before the next taker has it. It must not reject; false: destroyed. */
  readonly renew?: (thing: Thing) => Promise<boolean> | boolean;
  /** What a taker is refused with. */
  readonly refusal: (why: PoolRefusal) => Error;
}

/** `busy`: none was free in time. `crowded`: too many wait already. `closed`: there will be none. */
export type PoolRefusal = 'busy' | 'crowded' | 'closed';

interface Waiter<Thing> {
  /** With a thing, or with the right to make one. */
  readonly go: (thing: Thing | undefined) => void;
  readonly refuse: (error: Error) => void;
  readonly timer: Timer;
}

export class Pool<Thing> {
  readonly #options: PoolOptions<Thing>;
  /** The last one given back is taken first: what the others are not needed for shows. */
  readonly #idle: Thing[] = [];
  readonly #taken = new Set<Thing>();
  readonly #renewed = new Set<Thing>();
  readonly #waiters: Waiter<Thing>[] = [];
  /** Places of those that exist, in whichever state, or are being made. */
  #places = 0;
  #closed = false;

  constructor(options: PoolOptions<Thing>) {
    this.#options = options;
  }

  /** Those that nobody uses. */
  get free(): readonly Thing[] {
    return [...this.#idle, ...this.#renewed];
  }

  /** All that exist. */
  get all(): readonly Thing[] {
    return [...this.#idle, ...this.#renewed, ...this.#taken];
  }

  /** @throws the refusal: closed, too many wait, or none was free in time; what `make` throws. */
  async take(): Promise<Thing> {
    this.#refuseClosed();
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      this.#taken.add(idle);
      const isGood = this.#options.isGood?.(idle) ?? true;
      // Meanwhile it may have been dropped.
      if ((typeof isGood === 'boolean' ? isGood : await isGood) && this.#taken.has(idle)) {
        return idle;
      }
      this.drop(idle);
    }
    this.#refuseClosed();
    if (this.#places < this.#options.max) {
      this.#places += 1;
      return await this.#make();
    }
    return (await this.#wait()) ?? (await this.#make());
  }

  /** Takes a thing back; no effect on one that is not taken. Whether it is fit for the next taker is the caller's to know, or `renew`'s. */
  give(thing: Thing): void {
    if (!this.#taken.delete(thing)) {
      return;
    }
    this.#renewed.add(thing);
    const isNew = this.#options.renew?.(thing) ?? true;
    if (typeof isNew === 'boolean') {
      this.#renew(thing, isNew);
    } else {
      void isNew.then((renewed) => this.#renew(thing, renewed));
    }
  }

  /** Destroys a thing, in use or not; its place is free. No effect on one that is not in the pool any more. */
  drop(thing: Thing): void {
    const index = this.#idle.indexOf(thing);
    if (index !== -1) {
      this.#idle.splice(index, 1);
    } else if (!this.#taken.delete(thing) && !this.#renewed.delete(thing)) {
      return;
    }
    this.#options.destroy(thing);
    this.#vacate();
  }

  /** Refuses whoever waits or comes. What exists is the caller's to end, by `all`; what is given back is destroyed. */
  close(): void {
    this.#closed = true;
    for (const { timer, refuse } of this.#waiters.splice(0)) {
      timer.cancel();
      refuse(this.#options.refusal('closed'));
    }
  }

  #refuseClosed(): void {
    if (this.#closed) {
      throw this.#options.refusal('closed');
    }
  }

  async #make(): Promise<Thing> {
    let thing: Thing;
    try {
      thing = await this.#options.make();
    } catch (error) {
      this.#vacate();
      throw error;
    }
    this.#taken.add(thing);
    if (this.#closed) {
      this.drop(thing);
    }
    this.#refuseClosed();
    return thing;
  }

  #renew(thing: Thing, isNew: boolean): void {
    if (!isNew || this.#closed) {
      this.drop(thing);
      return;
    }
    if (!this.#renewed.delete(thing)) {
      return; // It was dropped meanwhile.
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#idle.push(thing);
    } else {
      this.#taken.add(thing);
      waiter.timer.cancel();
      waiter.go(thing);
    }
  }

  /** A place is free: whoever waits longest may make a thing. */
  #vacate(): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#places -= 1;
    } else {
      waiter.timer.cancel();
      waiter.go(undefined);
    }
  }

  #wait(): Promise<Thing | undefined> {
    const { waitersMax, waitMs, clock, refusal } = this.#options;
    if (this.#waiters.length >= waitersMax) {
      throw refusal('crowded');
    }
    return new Promise((go, refuse) => {
      const timer = clock.after(waitMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        refuse(refusal('busy'));
      });
      const waiter = { go, refuse, timer };
      this.#waiters.push(waiter);
    });
  }
}
