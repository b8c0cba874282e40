// Participants are interchangeable: of all states that differ only in their names, one is kept.
import { COORDINATOR, LOG, placeOf } from './layout.ts';
import type { World } from './world.ts';

export class Symmetry {
  readonly #world: World;
  readonly #orders: readonly (readonly number[])[];
  readonly #coordinators: Map<number, number>[];
  readonly #logs: Map<number, number>[];
  readonly #best: Int32Array;
  readonly #other: Int32Array;

  constructor(world: World) {
    this.#world = world;
    this.#orders = permutations(world.configuration.branches);
    this.#coordinators = this.#orders.map(() => new Map());
    this.#logs = this.#orders.map(() => new Map());
    this.#best = new Int32Array(world.words.length);
    this.#other = new Int32Array(world.words.length);
  }

  /** Replaces a state by the one that stands for it and all its namesakes. */
  canonize(words: Int32Array): void {
    this.#best.set(words);
    for (let order = 1; order < this.#orders.length; order += 1) {
      if (this.#isSmaller(words, this.#orders[order] ?? [])) {
        this.#rename(words, order);
        if (compare(this.#other, this.#best) < 0) {
          this.#best.set(this.#other);
        }
      }
    }
    words.set(this.#best);
  }

  /** Whether the branches, renamed, come before or are equal to the best so far: only then the rest is worth a look. */
  #isSmaller(words: Int32Array, order: readonly number[]): boolean {
    for (let branch = 0; branch < order.length; branch += 1) {
      const from = placeOf(order.indexOf(branch));
      const to = placeOf(branch);
      for (let word = 0; word < 2; word += 1) {
        const difference = (words[from + word] ?? 0) - (this.#best[to + word] ?? 0);
        if (difference !== 0) {
          return difference < 0;
        }
      }
    }
    return true;
  }

  #rename(words: Int32Array, order: number): void {
    const places = this.#orders[order] ?? [];
    this.#other.set(words);
    for (const [from, to] of places.entries()) {
      this.#other[placeOf(to)] = words[placeOf(from)] ?? 0;
      this.#other[placeOf(to) + 1] = words[placeOf(from) + 1] ?? 0;
    }
    const { coordinators, logs } = this.#world;
    this.#other[COORDINATOR] = memo(this.#coordinators[order], words[COORDINATOR] ?? 0, (number) =>
      coordinators.renamed(number, places),
    );
    this.#other[LOG] = memo(this.#logs[order], words[LOG] ?? 0, (number) => logs.renamed(number, places));
  }
}

/** First by branches, then by the rest. */
function compare(one: Int32Array, other: Int32Array): number {
  for (let word = placeOf(0); word < one.length; word += 1) {
    const difference = (one[word] ?? 0) - (other[word] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  const difference = (one[COORDINATOR] ?? 0) - (other[COORDINATOR] ?? 0);
  return difference !== 0 ? difference : (one[LOG] ?? 0) - (other[LOG] ?? 0);
}

function memo(map: Map<number, number> | undefined, number: number, make: (number: number) => number): number {
  const known = map?.get(number);
  if (known !== undefined) {
    return known;
  }
  const made = make(number);
  map?.set(number, made);
  return made;
}

/** Every order of `count` names; the first changes nothing. */
function permutations(count: number): readonly (readonly number[])[] {
  if (count === 0) {
    return [[]];
  }
  return permutations(count - 1)
    .flatMap((order) => Array.from({ length: count }, (_, at) => order.toSpliced(at, 0, count - 1)))
    .sort((one, other) => (one.join() < other.join() ? -1 : 1));
}
