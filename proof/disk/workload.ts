// One life of a log, as a process of its own: the real log code under a load of every kind of record. Tells on standard output, in
// JSON lines, what it is about to append and what it was told is durable.
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/lib/clock.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { encodeLine } from '../../src/log/codec.ts';
import type { Durability, Log } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { decided, finished, gtridOf, heuristic, operatorAction, registered } from '../../test/log/records.ts';
import { dice } from './dice.ts';

export interface Told {
  readonly opening?: true;
  readonly opened?: number;
  readonly asked?: readonly string[];
  readonly durable?: readonly string[];
  readonly lanes?: readonly string[];
  readonly failed?: string;
  readonly refused?: string;
  readonly ended?: true;
}

export interface WorkloadPlan {
  readonly directory: string;
  readonly seed: number;
  readonly life: number;
  readonly transactions: number;
  readonly lane: 'inline' | 'worker';
  /** Commits of the main thread that look quick before one looks slow, so that the worker takes over; 0: as they are. */
  readonly slowAfter: number;
  readonly end: 'close' | 'kill';
}

/** A record without its number: what the same record is called wherever it is stored. */
export function textOf(record: LogRecord): string {
  return encodeLine({ sequence: 1, record }).slice(2);
}

function tell(what: Told): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}

/** The main thread's commits look as quick as it takes to stay there, until they look slow. */
function drivingClock(slowAfter: number): Clock {
  let asked = 0;
  let now = 0;
  return {
    ...systemClock,
    now() {
      asked += 1;
      // Each commit asks before and after.
      now += asked === 2 * slowAfter ? 10 : 0.1;
      return now;
    },
  };
}

async function live(plan: WorkloadPlan): Promise<void> {
  const roll = dice(plan.seed);
  tell({ opening: true });
  const log = await openSqliteLog({
    directory: plan.directory,
    clock: plan.slowAfter > 0 ? drivingClock(plan.slowAfter) : systemClock,
    random: systemRandom,
    version: 'proof',
    options: {
      ballastBytes: 0,
      compactAfter: 12,
      walPagesMax: 40,
      // Small enough that old outcomes leave for good.
      outcomesRetainedMax: 40,
      firstLane: plan.lane,
    },
  });
  tell({ opened: log.recovered.epoch });
  const lanes = new Set<string>();
  let failures = 0;

  async function append(records: readonly LogRecord[], durability: Durability): Promise<void> {
    const texts = records.map(textOf);
    tell({ asked: texts });
    try {
      await log.append(records, durability);
    } catch (error) {
      failures += 1;
      tell({ failed: error instanceof CoordinatorError ? error.code : String(error) });
      return;
    }
    lanes.add(log.status().flushLane);
    if (durability === 'forced') {
      tell({ durable: texts });
    }
  }

  let sequence = 0;
  async function client(): Promise<void> {
    // Also after a failure there is one more try: it must be refused.
    while (sequence < plan.transactions && failures < 4) {
      sequence += 1;
      await transaction(log, sequence, roll, append);
    }
  }
  await append([registered(`life-${plan.life}`, `pg:${plan.seed}`)], 'forced');
  // What earlier lives left open is finished by this one, but for a few.
  for (const record of log.recovered.unfinished) {
    if (record.kind === 'decided' && roll(4) > 0) {
      await append([finished(record.gtrid)], 'lazy');
    }
  }
  await Promise.all([client(), client(), client()]);
  if (plan.transactions > 0 && failures === 0) {
    // Longer than the high-water mark waits to be written.
    await sleep(130);
    await transaction(log, sequence + 1, roll, append);
  }
  tell({ lanes: [...lanes] });
  if (plan.end === 'kill') {
    process.kill(process.pid, 'SIGKILL');
  }
  await log[Symbol.asyncDispose]();
  tell({ ended: true });
}

type Append = (records: readonly LogRecord[], durability: Durability) => Promise<void>;

async function transaction(log: Log, sequence: number, roll: (sides: number) => number, append: Append): Promise<void> {
  const gtrid = gtridOf(log, sequence);
  const course = roll(10);
  if (course === 0) {
    await append([operatorAction(gtrid, 'rollback')], 'forced');
    return append([operatorAction(gtrid, 'forget')], 'forced');
  }
  // Some payloads need pages of their own.
  await append([decided(gtrid, 'k'.repeat(roll(12) === 0 ? 3_000 : roll(60)))], 'forced');
  if (course === 1) {
    await append([heuristic(gtrid), operatorAction(gtrid, 'branch-committed')], 'forced');
    await append([operatorAction(gtrid, 'forget'), finished(gtrid)], 'forced');
  } else if (course === 2) {
    await append([heuristic(gtrid)], 'forced');
  } else if (course < 9) {
    await append([finished(gtrid)], 'lazy');
  }
}

const [plan] = process.argv.slice(2);
if (plan !== undefined && import.meta.main) {
  await live(JSON.parse(plan) as WorkloadPlan).catch((error: unknown) => {
    tell({ refused: error instanceof CoordinatorError ? error.code : String(error) });
    process.exitCode = 3;
  });
}
