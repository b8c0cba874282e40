// Breadth first through every state that can be reached, to the fixed point. The first way to a state is a shortest one.
import { Actions } from './actions.ts';
import { Store } from './store.ts';
import { Symmetry } from './symmetry.ts';
import type { World } from './world.ts';

export interface Violation {
  readonly problem: string;
  /** The number of the state before it, and what was done there; -1: the state itself is wrong. */
  readonly state: number;
  readonly action: number;
}

export interface Progress {
  readonly states: number;
  readonly expanded: number;
  readonly transitions: number;
  readonly depth: number;
  readonly bytes: number;
}

export interface ExploreOptions {
  readonly statesMax: number;
  /** Different violations that are collected before the search ends. */
  readonly violationsMax: number;
  readonly onProgress: (progress: Progress) => void;
}

export interface Explored extends Progress {
  readonly store: Store;
  readonly violations: readonly Violation[];
  /** False: it was stopped by a limit or by a violation. */
  readonly isComplete: boolean;
}

/** The same violation, whichever branch it is about. */
export function nameless(problem: string): string {
  return problem.replaceAll(/branch [abc]\b/g, 'branch …');
}

/** States between two looks at the clock. */
const STRIDE = 4_096;

export function explore(world: World, options: ExploreOptions): Explored {
  const { statesMax, violationsMax, onProgress } = options;
  const store = new Store(world.words.length);
  const symmetry = new Symmetry(world);
  const actions = new Actions(world);
  const from = new Int32Array(world.words.length);
  const violations = new Map<string, Violation>();
  let transitions = 0;
  let depth = 0;
  let levelEnds = 1;
  let expanded = 0;

  world.begin();
  symmetry.canonize(world.words);
  store.add(world.words, -1);
  const visit = (action: number): void => {
    transitions += 1;
    let { problem } = world;
    if (problem === undefined) {
      world.dropDeadReports();
      symmetry.canonize(world.words);
      if (store.add(world.words, expanded)) {
        problem = world.stateProblem();
      }
    }
    if (problem !== undefined && !violations.has(nameless(problem))) {
      violations.set(nameless(problem), { problem, state: expanded, action });
    }
  };
  const progress = (): Progress => ({ states: store.size, expanded, transitions, depth, bytes: store.bytes });
  for (; expanded < store.size; expanded += 1) {
    if (expanded === levelEnds) {
      depth += 1;
      levelEnds = store.size;
    }
    store.read(expanded, from);
    actions.successors(from, false, visit);
    if (violations.size >= violationsMax || store.size > statesMax) {
      break;
    }
    if (expanded % STRIDE === 0) {
      onProgress(progress());
    }
  }
  const isComplete = expanded >= store.size;
  return { ...progress(), store, violations: [...violations.values()], isComplete };
}
