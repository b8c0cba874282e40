// One run of the checker: every world of the given size, explored to the end and judged, until the first violation.
import type { Configuration } from './configuration.ts';
import { configurations } from './configurations.ts';
import { explore } from './explore.ts';
import { checkLiveness } from './liveness.ts';
import { checkPairs, PAIRS } from './pairs.ts';
import { PRODUCTION, type Protocol } from './protocol.ts';
import { story } from './story.ts';
import { World } from './world.ts';

export interface CheckOptions {
  /** Each 1, 2 or 3: the worlds of every one of them. */
  readonly branches: readonly number[];
  /** The larger worlds as well. */
  readonly deep?: boolean;
  /** 2, the default: what two transactions leave in one log is recovered like what each leaves alone. */
  readonly transactions?: 1 | 2;
  /** Only the world of this name. */
  readonly only?: string;
  /** A world that has more states is given up; the run is not complete then. */
  readonly statesMax?: number;
  readonly onProgress?: (text: () => string) => void;
  readonly onWorld?: (report: WorldReport) => void;
}

/** What is checked instead of production: a planted bug. */
export type Planted = Partial<Protocol>;

export interface WorldReport {
  readonly name: string;
  readonly branches: number;
  readonly states: number;
  readonly transitions: number;
  /** Steps to the state that is farthest away. */
  readonly depth: number;
  /** States and transitions in which faults have stopped (D12). */
  readonly calmStates: number;
  readonly calmTransitions: number;
  readonly seconds: number;
  readonly isComplete: boolean;
  /** The shortest way to the first violation; empty: there is none. */
  readonly trace: readonly string[];
}

export interface CheckReport {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** 1 if there is one: the run stops there. */
  readonly violations: number;
  /** Every world was explored to its fixed point. */
  readonly complete: boolean;
  readonly trace: readonly string[];
  readonly worlds: readonly WorldReport[];
}

/** Beyond it the memory of a usual machine would not do. */
export const STATES_MAX = 30_000_000;

/** Synchronous and without randomness: the same options give the same report. */
export function check(options: CheckOptions, planted: Planted = {}): CheckReport {
  const { branches, deep = false, transactions = 2, only = '', onWorld } = options;
  const worlds: WorldReport[] = [];
  const selected = branches
    .flatMap((count) => configurations(count, deep))
    .filter(({ name }) => only === '' || name === only);
  const runs = selected.map(
    (configuration) => (): WorldReport => checkWorld(configuration, { ...PRODUCTION, ...planted }, options),
  );
  if (transactions === 2 && (only === '' || only === PAIRS)) {
    runs.unshift(() => checkPairs());
  }
  for (const run of runs) {
    const report = run();
    worlds.push(report);
    onWorld?.(report);
    if (report.trace.length > 0) {
      break;
    }
  }
  const sum = (count: (world: WorldReport) => number): number => worlds.reduce((all, world) => all + count(world), 0);
  const trace = worlds.at(-1)?.trace ?? [];
  return {
    states: sum(({ states }) => states),
    transitions: sum(({ transitions, calmTransitions }) => transitions + calmTransitions),
    depth: Math.max(0, ...worlds.map(({ depth }) => depth)),
    violations: trace.length > 0 ? 1 : 0,
    complete: worlds.length === runs.length && worlds.every(({ isComplete }) => isComplete),
    trace,
    worlds,
  };
}

function checkWorld(configuration: Configuration, protocol: Protocol, options: CheckOptions): WorldReport {
  const { statesMax = STATES_MAX, onProgress } = options;
  const begun = performance.now();
  const world = new World(configuration, protocol);
  const explored = explore(world, {
    statesMax,
    violationsMax: 1,
    onProgress: ({ states, expanded, depth }) =>
      onProgress?.(() => `${configuration.name}: ${states} states, ${states - expanded} of them open, depth ${depth}`),
  });
  const { store, states, transitions, depth } = explored;
  const [violation] = explored.violations;
  const { name, branches } = configuration;
  const report = { name, branches, states, transitions, depth, calmStates: 0, calmTransitions: 0 };
  const seconds = (): number => (performance.now() - begun) / 1_000;
  if (violation !== undefined) {
    return { ...report, seconds: seconds(), isComplete: false, trace: story(world, store, violation) };
  }
  if (!explored.isComplete) {
    return { ...report, seconds: seconds(), isComplete: false, trace: [] };
  }
  onProgress?.(() => `${configuration.name}: ${states} states, and now without faults`);
  const lived = checkLiveness(world, explored);
  return {
    ...report,
    calmStates: lived.store.size,
    calmTransitions: lived.transitions,
    seconds: seconds(),
    isComplete: lived.violation === undefined,
    trace: lived.violation === undefined ? [] : calmStory(world, explored.store, lived),
  };
}

/** How the world came to be as it was when faults stopped, and what went on from there. */
function calmStory(
  world: World,
  reached: ReturnType<typeof explore>['store'],
  { store, violation, origin }: ReturnType<typeof checkLiveness>,
): readonly string[] {
  if (violation === undefined) {
    return [];
  }
  return [
    ...story(world, reached, { problem: '', state: origin, action: -1 }).slice(0, -1),
    'faults stop; every message that is on its way is lost, and nobody asks for anything new',
    ...story(world, store, violation, true),
  ];
}
