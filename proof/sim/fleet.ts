// Many simulations on every core: threads that take seeds in small portions until there are no more, or the time is over.
import { Worker } from 'node:worker_threads';
import type { Violation } from './judge.ts';

export interface FleetSettings {
  readonly from: number;
  /** `Infinity`: as many as there is time for. */
  readonly seeds: number;
  readonly transactions: number;
  readonly endsAt: number;
  readonly threads: number;
  /** Beyond it no further portion is begun: nothing new is learnt from more of them. */
  readonly findingsMax: number;
  /** Called after every portion. */
  readonly onProgress: (totals: Totals) => void;
}

export interface Finding extends Violation {
  readonly seed: number;
  readonly options: string;
}

export interface Totals {
  seeds: number;
  transactions: number;
  committed: number;
  events: number;
  /** Seeds that were run twice, to see whether they run the same. */
  repeated: number;
  simulatedMs: number;
  /** The longest time that a system took to come to rest once its faults had stopped. */
  healedMs: number;
  readonly findings: Finding[];
}

export interface Portion {
  readonly first: number;
  readonly count: number;
  readonly transactions: number;
}

const PORTION = 20;

export function noTotals(): Totals {
  return {
    ...{ seeds: 0, transactions: 0, committed: 0, events: 0, repeated: 0, simulatedMs: 0, healedMs: 0 },
    findings: [],
  };
}

export function add(totals: Totals, more: Totals): void {
  totals.seeds += more.seeds;
  totals.transactions += more.transactions;
  totals.committed += more.committed;
  totals.events += more.events;
  totals.repeated += more.repeated;
  totals.simulatedMs += more.simulatedMs;
  totals.healedMs = Math.max(totals.healedMs, more.healedMs);
  totals.findings.push(...more.findings);
}

/** @throws whatever a thread dies of. */
export async function runFleet(settings: FleetSettings): Promise<Totals> {
  const { from, seeds, transactions, threads, endsAt, findingsMax, onProgress } = settings;
  const totals = noTotals();
  let next = from;
  const take = (): Portion | undefined => {
    const count = Math.min(PORTION, from + seeds - next);
    if (count <= 0 || performance.now() >= endsAt || totals.findings.length >= findingsMax) {
      return undefined;
    }
    const first = next;
    next += count;
    return { first, count, transactions };
  };
  await Promise.all(
    Array.from({ length: threads }, () =>
      runThread(take, (more) => {
        add(totals, more);
        onProgress(totals);
      }),
    ),
  );
  return totals;
}

function runThread(take: () => Portion | undefined, done: (totals: Totals) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url));
    const ask = (): void => {
      const portion = take();
      worker.postMessage(portion ?? 'end');
    };
    worker.on('message', (totals: Totals) => {
      done(totals);
      ask();
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve());
    ask();
  });
}
