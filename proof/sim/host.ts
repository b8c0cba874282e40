// One simulated process: it may be paused and killed, and nothing that belonged to a dead one runs any more.
import type { Clock, Timer } from '../../src/lib/clock.ts';
import type { Chance } from './chance.ts';
import type { World } from './world.ts';

/** Wall time at which every simulation starts. */
const EPOCH_MS = Date.UTC(2030, 0, 1);

export class Host {
  readonly name: string;
  readonly world: World;
  readonly chance: Chance;
  readonly clock: Clock;
  #alive = true;
  #waiting: (() => void)[] | undefined;
  readonly #onKill = new Set<() => void>();

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
    this.chance = world.chance.fork();
    this.clock = {
      now: () => world.now,
      wallTime: () => Math.floor(EPOCH_MS + world.now + world.wallOffsetMs),
      after: (delayMs, action) => this.#timer(delayMs, action),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#waiting !== undefined;
  }

  /** Everything that reaches the process from outside comes in here: now, when it goes on, or never. */
  enter(action: () => void): void {
    if (!this.#alive) {
      return;
    }
    if (this.#waiting === undefined) {
      action();
    } else {
      this.#waiting.push(action);
    }
  }

  /** SIGSTOP: time goes by and things wait. */
  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const action of waiting) {
      this.world.after(0, () => this.enter(action));
    }
  }

  /** kill -9. */
  kill(): void {
    if (this.#alive) {
      this.#alive = false;
      this.#waiting = undefined;
      for (const listener of this.#onKill) {
        listener();
      }
      this.#onKill.clear();
    }
  }

  /** @returns a function that ends the subscription. */
  onKill(listener: () => void): () => void {
    this.#onKill.add(listener);
    return () => this.#onKill.delete(listener);
  }

  #timer(delayMs: number, action: () => void): Timer {
    let isCancelled = false;
    const timer = this.world.after(delayMs, () =>
      this.enter(() => {
        if (!isCancelled) {
          action();
        }
      }),
    );
    return {
      cancel() {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}
