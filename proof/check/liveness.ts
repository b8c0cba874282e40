// D12: when faults stop, everything ends. From every state that was reached, with every message on its way lost, what goes on by
// itself leads to an end, and stays there.
import { Actions } from './actions.ts';
import type { Explored, Violation } from './explore.ts';
import { endProblem, isEnded } from './judges.ts';
import { Store } from './store.ts';
import { Symmetry } from './symmetry.ts';
import type { World } from './world.ts';

export interface Lived {
  readonly store: Store;
  readonly transitions: number;
  readonly violation: Violation | undefined;
  /** A reached state, before its messages were lost, from which the violation's beginning came. */
  readonly origin: number;
}

/**
 * Fairness is strong: what can happen again and again happens at last. Then everything ends for good exactly if from every state a
 * state can be reached that has ended, and from which nothing but such states can be reached. That is looked for backwards.
 */
export function checkLiveness(world: World, { store: reached }: Explored): Lived {
  const store = new Store(world.words.length);
  const origins: number[] = [];
  const symmetry = new Symmetry(world);
  const words = new Int32Array(world.words.length);
  for (let number = 0; number < reached.size; number += 1) {
    reached.read(number, words);
    world.load(words);
    world.keepMail(() => 0);
    words.set(world.words);
    symmetry.canonize(words);
    if (store.add(words, -1)) {
      origins.push(number);
    }
  }
  const graph = new Graph(world, store, symmetry);
  let violation = graph.grow();
  const stuck = violation === undefined ? graph.firstStuck() : -1;
  if (stuck >= 0) {
    violation = { problem: 'D12: faults have stopped, and from here it never ends', state: stuck, action: -1 };
  }
  let first = violation?.state ?? -1;
  for (let parent = first; parent !== -1; parent = store.parent(first)) {
    first = parent;
    if (store.parent(parent) === -1) {
      break;
    }
  }
  return { store, transitions: graph.transitions, violation, origin: origins[first] ?? -1 };
}

class Graph {
  readonly #world: World;
  readonly #store: Store;
  readonly #symmetry: Symmetry;
  readonly #actions: Actions;
  readonly #from: Int32Array;
  /** By state: it has ended, and can only be followed by such states. */
  #isOver = new Uint8Array(0);
  transitions = 0;

  constructor(world: World, store: Store, symmetry: Symmetry) {
    this.#world = world;
    this.#store = store;
    this.#symmetry = symmetry;
    this.#actions = new Actions(world);
    this.#from = new Int32Array(world.words.length);
  }

  /** Every state that follows by itself is reached and judged. */
  grow(): Violation | undefined {
    const world = this.#world;
    let violation: Violation | undefined;
    for (let number = 0; number < this.#store.size && violation === undefined; number += 1) {
      this.#store.read(number, this.#from);
      world.load(this.#from);
      const known = world.known();
      const problem = isEnded(known) ? endProblem(known) : undefined;
      if (problem !== undefined) {
        return { problem, state: number, action: -1 };
      }
      this.#actions.successors(this.#from, true, (action) => {
        this.transitions += 1;
        if (world.problem !== undefined) {
          violation ??= { problem: world.problem, state: number, action };
          return;
        }
        this.#canonize();
        this.#store.add(world.words, number);
      });
    }
    return violation;
  }

  /** -1: every state leads to an end that stays. */
  firstStuck(): number {
    const { size } = this.#store;
    this.#isOver = new Uint8Array(size);
    for (let number = 0; number < size; number += 1) {
      this.#store.read(number, this.#from);
      this.#world.load(this.#from);
      this.#isOver[number] = isEnded(this.#world.known()) ? 1 : 0;
    }
    this.#shrink();
    const leads = Uint8Array.from(this.#isOver);
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      // Most ways lead to states that were found later, so that going backwards a few rounds are enough.
      for (let number = size - 1; number >= 0; number -= 1) {
        if (leads[number] === 0 && this.#someNext(number, (next) => leads[next] === 1)) {
          leads[number] = 1;
          isChanged = true;
        }
      }
    }
    return leads.indexOf(0);
  }

  /** Leaves of the ended states those that nothing leads out of. */
  #shrink(): void {
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (let number = 0; number < this.#store.size; number += 1) {
        if (this.#isOver[number] === 1 && this.#someNext(number, (next) => this.#isOver[next] === 0)) {
          this.#isOver[number] = 0;
          isChanged = true;
        }
      }
    }
  }

  #someNext(number: number, test: (next: number) => boolean): boolean {
    this.#store.read(number, this.#from);
    let isFound = false;
    this.#actions.successors(this.#from, true, () => {
      if (!isFound) {
        this.#canonize();
        isFound = test(this.#store.find(this.#world.words));
      }
    });
    return isFound;
  }

  #canonize(): void {
    this.#world.dropDeadReports();
    this.#symmetry.canonize(this.#world.words);
  }
}
