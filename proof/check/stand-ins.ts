// A coordinator around one transaction, without a disk, a network or a clock: production's `Driver`, whose log says what the checked
// one says, and whose participants write down what they are told.
import { Directory, type Link } from '../../src/coordinator/calls/directory.ts';
import { Driver } from '../../src/coordinator/driver/driver.ts';
import { Leases } from '../../src/coordinator/driver/leases.ts';
import type { Effect } from '../../src/coordinator/engine/event.ts';
import { LostDecisions } from '../../src/coordinator/reports/lost-decisions.ts';
import { Quarantine } from '../../src/coordinator/reports/quarantine.ts';
import { Strays } from '../../src/coordinator/reports/reports.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Logger } from '../../src/lib/logger.ts';
import type { Log, LoggedOutcome } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import type { Bqual, Gtrid, ResourceName } from '../../src/xa/xid.ts';
import { branchOf, IDENTITY, NAMES } from './names.ts';

export interface StandIn {
  readonly driver: Driver;
  readonly strays: Strays;
  readonly directory: Directory;
  readonly log: Log;
  readonly clock: StillClock;
  /** What participants and the log were told, in order. */
  readonly effects: readonly Effect[];
  /** The same in words, with the transaction that each is of. */
  readonly told: readonly string[];
  /** A bit for each branch whose evidence may be deleted. */
  readonly forgotten: () => number;
}

export interface Circumstances {
  /** Of the coordinator's present life, 1 for the first. */
  readonly epoch: number;
  readonly logged: LoggedOutcome;
  /** What the log hands over at a start. */
  readonly unfinished: readonly LogRecord[];
}

export function standIn(circumstances: Circumstances): StandIn {
  const { epoch } = circumstances;
  const effects: Effect[] = [];
  const told: string[] = [];
  const tell = (gtrid: string, effect: Effect): void => {
    effects.push(effect);
    told.push(`${gtrid} ${JSON.stringify(effect)}`);
  };
  let forgotten = 0;
  const clock = new StillClock();
  const log = logOf(circumstances, (record) => tell('gtrid' in record ? record.gtrid : '', effectOf(record)));
  const directory = new Directory();
  for (const resource of NAMES.map((name) => name as string as ResourceName)) {
    directory.register(resource, 'memory', `memory:${resource}`);
    directory.attach(
      linkOf(resource, tell, (bqual) => {
        forgotten |= 1 << branchOf(bqual);
      }),
    );
  }
  const random = { next: () => 0, base32: (length: number) => 'a'.repeat(length) };
  const driver = new Driver({ log, clock, random, directory, logger: SILENT, outcomesMax: 10 });
  const leases = new Leases(IDENTITY, epoch);
  const quarantine = new Quarantine(clock, SILENT);
  const lost = new LostDecisions({ driver, log, quarantine });
  const strays = new Strays({
    ...{ driver, leases, log, quarantine, lost, logger: SILENT, defaultTimeoutMs: 1_000 },
    mayBegin: () => true,
  });
  return { driver, strays, directory, log, clock, effects, told, forgotten: () => forgotten };
}

/** Holds what it is said to hold, and never finishes a write: that is up to the checked one. */
function logOf({ epoch, logged, unfinished }: Circumstances, appended: (record: LogRecord) => void): Log {
  const never = new Promise<never>(() => undefined);
  const log: Pick<Log, 'recovered' | 'outcome' | 'history' | 'append' | 'failed'> = {
    recovered: { identity: IDENTITY, epoch, token: '', unfinished, resources: [] },
    outcome: () => logged,
    history: () => unfinished,
    append: (records) => {
      for (const record of records) {
        appended(record);
      }
      return never;
    },
    failed: never,
  };
  return log as Log;
}

function linkOf(
  resource: ResourceName,
  tell: (gtrid: string, effect: Effect) => void,
  forget: (bqual: string) => void,
): Link {
  const link: Pick<Link, 'resource' | 'instance' | 'kind' | 'prepare' | 'finish' | 'forget'> = {
    resource,
    instance: `${resource}-sidecar`,
    kind: 'sidecar',
    prepare: (gtrid, bqual) => tell(gtrid, { kind: 'prepare', bqual: bqual as Bqual, instance: '', asked: false }),
    finish: (gtrid, bqual, verb, evidence) =>
      tell(gtrid, { kind: 'finish', verb, bqual: bqual as Bqual, instance: '', evidence }),
    forget: (branches) => {
      for (const { bqual } of branches) {
        forget(bqual);
      }
    },
  };
  return link as Link;
}

/** @throws {Error} a record that no effect asks for. */
function effectOf(record: LogRecord): Effect {
  switch (record.kind) {
    case 'decided':
      return { kind: 'decide', record };
    case 'finished':
      return { kind: 'finished', record };
    case 'heuristic':
      return { kind: 'record-damage', bqual: record.damage[0]?.bqual ?? ('' as Bqual), record };
    default:
      throw new Error(`nothing asks for a record ${record.kind} here`);
  }
}

/** Stands still until somebody moves it on: then everything that was due by then has happened. */
export class StillClock implements Clock {
  #now = 0;
  #timers: { readonly dueAt: number; readonly action: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 0;
  }

  after(delayMs: number, action: () => void): { readonly cancel: () => void } {
    const timer = { dueAt: this.#now + delayMs, action };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  advance(delayMs: number): void {
    this.#now += delayMs;
    const due = this.#timers.filter(({ dueAt }) => dueAt <= this.#now);
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const { action } of due) {
      action();
    }
  }
}

export const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, fatal: ignore };

function ignore(): void {}

/** Of another log, of one whose name is alike, and of a life that this log does not know. */
export function foreign(epoch: number): readonly Gtrid[] {
  return ['zzzzzzzzzz.1.1', 'abcdefghii.1.1', `${IDENTITY}.${epoch + 1}.1`] as Gtrid[];
}
