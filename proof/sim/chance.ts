// All randomness of a simulation: streams of dice that follow from one seed and do not disturb each other.
import type { Random } from '../../src/lib/random.ts';
import { dice, type Roll } from '../disk/dice.ts';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const SIDES = 2 ** 32;

export class Chance implements Random {
  readonly #roll: Roll;

  constructor(seed: number) {
    this.#roll = dice(seed);
  }

  next(): number {
    return this.#roll(SIDES) / SIDES;
  }

  base32(length: number): string {
    let text = '';
    for (let at = 0; at < length; at += 1) {
      text += BASE32[this.#roll(32)];
    }
    return text;
  }

  /** Whether something of this probability happens. Asks for nothing when it is certain. */
  happens(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** Mostly near `low`, sometimes near `high`: small and large sizes are both worth trying. */
  skewed(low: number, high: number): number {
    return low + Math.floor((high - low + 1) * this.next() ** 2.5);
  }

  /** Milliseconds until the next of events that come about every `meanMs`. */
  gap(meanMs: number): number {
    return -Math.log(1 - this.next()) * meanMs;
  }

  /** @throws {RangeError} when there is nothing to pick from. */
  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) {
      throw new RangeError('nothing to pick from');
    }
    return item;
  }

  /** A stream of its own, which the further use of this one does not change. */
  fork(): Chance {
    return new Chance(this.#roll(SIDES));
  }
}
