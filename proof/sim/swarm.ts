// The options of one simulation, drawn from its seed: which kinds of faults exist at all (most do not), how often they come, and the shape.
import { seedOf } from '../disk/dice.ts';
import { Chance } from './chance.ts';
import type { NetworkRates } from './network.ts';
import type { EngineRates } from './wire-to-engine.ts';

export const FAULT_KINDS = [
  'coordinator-crash',
  'coordinator-pause',
  'coordinator-stop',
  'failed-force',
  'slow-disk',
  'full-disk',
  'site-crash',
  'site-stop',
  'site-pause',
  'engine-crash',
  'address',
  'cut',
  'stream-break',
  'client-crash',
  'wall-clock',
  'hand',
  'operator',
  'restore',
  'copy',
  'history',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface ShapeOptions {
  readonly sites: number;
  /** Of the databases that have two sidecars. */
  readonly twinShare: number;
  readonly clients: number;
  /** Transactions that one client works on at once. */
  readonly concurrency: number;
  readonly branchesMax: number;
  /** Between two transactions of a client, on average. */
  readonly thinkMs: number;
  readonly timeoutMs: readonly [number, number];
  readonly readShare: number;
  readonly hotShare: number;
  readonly failShare: number;
  readonly lastShare: number;
  readonly oneShotShare: number;
  readonly rollbackShare: number;
  readonly abandonShare: number;
  readonly decidedShare: number;
  /** How often the outcome is asked for afterwards. */
  readonly askShare: number;
  /** How often the commit, or a rollback, is asked for once more. */
  /** Of a client and a database: that the client has a participant of its own for it. */
  readonly embeddedShare: number;
  /** Of the transactions that are begun without a session. */
  readonly unaryShare: number;
  readonly repeatShare: number;
  readonly raceShare: number;
  /** After a transaction that did not commit, on average. */
  readonly backoffMs: number;
  readonly maxBranches: number;
  readonly flushMs: number;
  readonly outcomesMax: number;
  readonly outcomesRetainedMax: number;
  readonly openTransactionsMax: number;
}

export interface SwarmOptions {
  readonly seed: number;
  readonly transactions: number;
  readonly shape: ShapeOptions;
  readonly network: NetworkRates;
  readonly engine: EngineRates;
  /** Mean milliseconds between two faults of a kind; a kind that is missing does not exist. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** How likely a fault strikes within moments of a vote, a decision or its effect, where it hurts most. */
  readonly aimed: number;
}

/** What changes how a simulation is judged exists in fewer of them. */
const RARE: readonly FaultKind[] = ['hand', 'operator', 'restore'];

const LATE_DICE = 7;
const LATER_DICE = 8;

/** Learned later: drawn with dice of their own, so that the seeds that are kept draw what they always drew. One of them at most. */
const LATER = ['copy', 'history'] as const;
const LATER_SHARE = 0.12;

/** Milliseconds between two faults of one kind, the mean of a seed. */
const GAP_MS = [200, 8_000] as const;

export function drawOptions(seed: number, transactions: number, chance: Chance): SwarmOptions {
  const isCalm = chance.happens(0.1);
  const share = (most: number, often = 0.5): number => (chance.happens(often) ? chance.between(0, most) : 0);
  const rate = (most: number): number => (isCalm || chance.happens(0.6) ? 0 : most * chance.next() ** 2);
  const manyFaults = chance.pick([0.1, 0.15, 0.3]);
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const kind of FAULT_KINDS.filter((one) => !isLater(one))) {
    if (!isCalm && chance.happens(RARE.includes(kind) ? 0.12 : manyFaults)) {
      faults[kind] = drawGap(chance);
    }
  }
  const laterChance = new Chance(seedOf(seed, LATER_DICE));
  if (!isCalm && laterChance.happens(LATER_SHARE)) {
    faults[laterChance.pick(LATER)] = drawGap(laterChance);
  }
  const lateChance = new Chance(seedOf(seed, LATE_DICE));
  const late = (): number => (isCalm || lateChance.happens(0.6) ? 0 : 0.3 * lateChance.next() ** 2);
  const timeoutLow = chance.pick([500, 2_000, 10_000]);
  return {
    seed,
    transactions,
    shape: {
      sites: chance.skewed(1, 8),
      twinShare: share(0.6, 0.2),
      clients: chance.int(1, 5),
      concurrency: chance.skewed(1, 8),
      branchesMax: chance.skewed(2, 16),
      thinkMs: chance.happens(0.04) ? 4_000 : chance.pick([0, 5, 50, 200]),
      timeoutMs: [timeoutLow, timeoutLow * chance.pick([1, 2, 3])],
      readShare: share(0.6),
      hotShare: share(0.3, 0.3),
      failShare: share(0.05, 0.3),
      lastShare: share(1, 0.7),
      oneShotShare: share(1),
      rollbackShare: share(0.3),
      abandonShare: share(0.2, 0.3),
      decidedShare: share(1),
      askShare: share(0.3),
      unaryShare: share(0.8, 0.4),
      embeddedShare: share(0.6, 0.3),
      repeatShare: share(0.3),
      raceShare: share(0.1, 0.3),
      backoffMs: chance.pick([20, 200, 1_000]),
      maxBranches: chance.pick([4, 16, 64, 64]),
      flushMs: chance.pick([0, 0.1, 1, 5]),
      outcomesMax: chance.pick([1, 20, 100_000, 100_000]),
      outcomesRetainedMax: chance.pick([1, 20, 100_000, 100_000]),
      openTransactionsMax: chance.happens(0.08) ? 4 : 10_000,
    },
    network: {
      latencyMs: chance.pick([0.1, 1, 10]),
      slow: rate(0.3),
      slowMs: chance.pick([20, 500, 5_000]),
      broken: rate(0.01),
      late: late(),
    },
    engine: {
      latencyMs: chance.pick([0.1, 1, 10]),
      slow: rate(0.3),
      slowMs: chance.pick([20, 500, 5_000, 15_000]),
      lostRequest: rate(0.05),
      lostAnswer: rate(0.05),
      falseUnknown: rate(0.3),
      noticeMs: chance.pick([0, 10, 2_000]),
    },
    faults,
    aimed: chance.pick([0, 0, 0.01, 0.05, 0.2]),
  };
}

function isLater(kind: FaultKind): boolean {
  return (LATER as readonly FaultKind[]).includes(kind);
}

function drawGap(chance: Chance): number {
  return Math.round(Math.exp(chance.between(Math.log(GAP_MS[0]), Math.log(GAP_MS[1]))));
}

export function isFaultless({ faults, network, engine }: SwarmOptions): boolean {
  const rates = [
    ...[network.slow, network.broken, network.late],
    ...[engine.slow, engine.lostRequest, engine.lostAnswer, engine.falseUnknown],
  ];
  return Object.keys(faults).length === 0 && rates.every((rate) => rate === 0);
}
