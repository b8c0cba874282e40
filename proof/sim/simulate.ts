// One simulation: drawn from its seed, disturbed, left in peace, judged.
import { seedOf } from '../disk/dice.ts';
import { type Canary, plant } from './canaries.ts';
import { Chance } from './chance.ts';
import { Faults } from './faults.ts';
import { Judge, type Violation } from './judge.ts';
import { settleRestored } from './restored.ts';
import { drawOptions, type SwarmOptions } from './swarm.ts';
import { System } from './system.ts';
import { Trace } from './trace.ts';
import { World } from './world.ts';

export interface SimulationSettings {
  readonly seed: number;
  readonly transactions: number;
  readonly trace?: Trace;
  /** Breaks something in the system, which the judges must find. */
  readonly plant?: Canary | undefined;
}

export interface Simulation {
  readonly options: SwarmOptions;
  readonly transactions: number;
  readonly committed: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  /** Simulated milliseconds until the last transaction had ended after the last fault. */
  readonly healedMs: number;
  readonly simulatedMs: number;
  /** Of the trace, if one was kept. */
  readonly digest: string;
}

/** The safety phase ends when every client has done its work, or then. */
const SAFETY_MS = 120_000;
/** D12: the longest wait of a call, of a client and of a backoff add up to less. */
const LIVENESS_MS = 60_000;
const SETTLED_AFTER_MS = 20_000;
const SETTLE_AGAIN_MS = 3_000;
const LOOK_MS = 100;
/** After everything has ended nothing may move any more: so long is watched. */
const WATCH_MS = 4_000;

export async function simulate(settings: SimulationSettings): Promise<Simulation> {
  const { seed, transactions, trace = new Trace() } = settings;
  const options = drawOptions(seed, transactions, new Chance(seedOf(seed, 0)));
  const world = new World(new Chance(seedOf(seed, 1)), trace);
  trace.follow(() => world.now);
  trace.say('seed', String(seed), options);
  const system = new System(world, options);
  if (settings.plant !== undefined) {
    plant(system, settings.plant);
  }
  const judge = new Judge(system);
  using _ = watchRejections(judge);
  const faults = new Faults(system, (what, details) => judge.say(what, details));
  let healedMs = 0;
  try {
    healedMs = await phases(system, judge, faults);
    judge.end();
  } catch (error) {
    judge.say('crash', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const { all } = system.attempts;
  return {
    options,
    transactions: all.length,
    committed: all.filter(({ told }) => told.includes('committed')).length,
    violations: judge.violations,
    events: world.events,
    healedMs,
    simulatedMs: world.now,
    digest: trace.digest(),
  };
}

async function phases(system: System, judge: Judge, faults: Faults): Promise<number> {
  const { world, sites } = system;
  system.startCoordinator();
  for (const site of sites) {
    site.start();
  }
  await world.run(() => sites.every(({ runtime }) => runtime?.status.ready === true), 10_000);
  system.disturb();
  system.startClients();
  faults.start();
  await world.run(() => system.idle || judge.violations.length > 0, world.now + SAFETY_MS);
  faults.end();
  system.calm();
  world.trace.say('phase', 'liveness');
  const begunMs = world.now;
  const endMs = begunMs + LIVENESS_MS;
  let healedMs = 0;
  // Whoever restores a log looks at what it cannot account for, after everything that it can has ended, and again until all is settled.
  const settle = (): void => {
    if (system.restoredEpoch > 0) {
      settleRestored(system);
    }
    world.after(SETTLE_AGAIN_MS, settle);
  };
  world.after(SETTLED_AFTER_MS, settle);
  do {
    await quiet(world, judge, endMs);
    healedMs = world.now - begunMs;
    // What was late may still turn up, and has to end as well.
    await world.run(() => false, Math.min(endMs, world.now + WATCH_MS));
  } while (world.now < endMs && judge.violations.length === 0 && judge.unrest() !== undefined);
  return healedMs;
}

/** Resolves when everything has ended, or at `endMs`. */
async function quiet(world: World, judge: Judge, endMs: number): Promise<void> {
  let isQuiet = false;
  const look = (): void => {
    isQuiet = judge.unrest() === undefined;
    if (!isQuiet) {
      world.after(LOOK_MS, look);
    }
  };
  look();
  await world.run(() => isQuiet || judge.violations.length > 0, endMs);
}

/** A promise that fails unheard would have stopped the process: here it is a finding. */
function watchRejections(judge: Judge): Disposable {
  const listener = (error: unknown): void =>
    judge.say('crash', error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.on('unhandledRejection', listener);
  return {
    [Symbol.dispose]() {
      process.off('unhandledRejection', listener);
    },
  };
}
