// A process of its own that writes a log, for tests that kill it, trace it or break its disk. Tells what it saw in JSON lines.
import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { systemRandom } from '../../../src/lib/random.ts';
import { systemClock } from '../../../src/lib/system-clock.ts';
import type { Log } from '../../../src/log/log.ts';
import type { SqliteLogOptions } from '../../../src/log/sqlite/sqlite-log.ts';
import { openSqliteLog } from '../../../src/log/sqlite/sqlite-log.ts';
import { CoordinatorError } from '../../../src/xa/errors.ts';
import { decided, finished, gtridOf } from '../records.ts';

const [mode = '', directory = '', countText = '0', laneText = 'worker'] = process.argv.slice(2);
const count = Number(countText);

function tell(what: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

function open(more: Partial<SqliteLogOptions> = {}): Promise<Log> {
  const options = {
    ballastBytes: 0,
    compactAfter: 64,
    firstLane: laneText === 'inline' ? 'inline' : 'worker',
    ...more,
  } as const;
  return openSqliteLog({ directory, clock: systemClock, random: systemRandom, version: 'test', options });
}

/** Milliseconds that this thread has waited for a free processor, which is nobody's fault here; 0 where the system does not tell. */
function starvedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

const TICK_MS = 5;

/**
 * How late timers of this thread are, in milliseconds: the worst of each window, without what other processes cost it. `next`
 * begins a window.
 */
function watchTimers(): { next(): void; stop(): readonly number[] } {
  const windows = [0];
  let due = performance.now() + TICK_MS;
  let starved = starvedMs();
  const timer = setInterval(() => {
    const late = performance.now() - due;
    const starvedNow = starvedMs();
    windows.push(Math.max(windows.pop() ?? 0, late - (starvedNow - starved)));
    starved = starvedNow;
    due = performance.now() + TICK_MS;
  }, TICK_MS);
  return {
    next: () => {
      windows.push(0);
    },
    stop: () => {
      clearInterval(timer);
      return windows;
    },
  };
}

const modes: Readonly<Record<string, () => Promise<void>>> = {
  /** One forced append after the other. */
  async sequential() {
    await using log = await open();
    tell({ opened: log.recovered.epoch, pid: process.pid });
    for (let sequence = 1; sequence <= count; sequence += 1) {
      await log.append([decided(gtridOf(log, sequence))], 'forced');
      tell({ acknowledged: gtridOf(log, sequence), micros: log.status().flushMicros, lane: log.status().flushLane });
    }
  },

  /** Until it is killed: eight transactions at once, each acknowledged when its decision is durable, then finished. */
  async endless() {
    const log = await open();
    tell({ opened: log.recovered.epoch, unfinished: log.recovered.unfinished.length });
    let sequence = 0;
    async function client(): Promise<void> {
      for (;;) {
        sequence += 1;
        const gtrid = gtridOf(log, sequence);
        await log.append([decided(gtrid)], 'forced');
        tell({ acknowledged: gtrid });
        if (sequence % 3 !== 0) {
          await log.append([finished(gtrid)], 'lazy');
        }
      }
    }
    await Promise.all(Array.from({ length: 8 }, client));
  },

  /** How late timers are while the log is opened, in each forced append, and while it is closed. */
  async timers() {
    const timers = watchTimers();
    const log = await open();
    for (let sequence = 1; sequence <= count; sequence += 1) {
      timers.next();
      await log.append([decided(gtridOf(log, sequence)), finished(gtridOf(log, sequence))], 'forced');
    }
    timers.next();
    const { flushLane: lane, flushMicros: micros } = log.status();
    await log[Symbol.asyncDispose]();
    tell({ lateMs: timers.stop(), lane, micros, pid: process.pid });
  },

  /** A bounded piece of work with compactions and checkpoints in it; then it dies. */
  async mixed() {
    const log = await open({ compactAfter: 12, walPagesMax: 60 });
    tell({ opened: log.recovered.epoch });
    let sequence = 0;
    async function client(): Promise<void> {
      while (sequence < count) {
        sequence += 1;
        const gtrid = gtridOf(log, sequence);
        await log.append([decided(gtrid)], 'forced');
        tell({ acknowledged: gtrid });
        if (sequence % 4 !== 0) {
          await log.append([finished(gtrid)], 'lazy');
        }
      }
    }
    await Promise.all([client(), client(), client()]);
    process.kill(process.pid, 'SIGKILL');
  },

  /** Commits of a connection that has better-sqlite3's own settings in WAL mode. */
  async defaults() {
    const db = new Database(`${directory}.db`);
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE t (a INTEGER)');
    tell({ opened: 0 });
    for (let index = 0; index < count; index += 1) {
      db.exec('INSERT INTO t VALUES (1)');
    }
    // Without closing, which would checkpoint and sync.
    process.kill(process.pid, 'SIGKILL');
  },

  /** Appends until a force fails, then tries once more, and tells the codes. */
  async failing() {
    const log = await open().catch((error: unknown) => {
      tell({ refused: error instanceof CoordinatorError ? error.code : String(error) });
      process.exit(3);
    });
    const codes: string[] = [];
    for (let sequence = 1; sequence <= count; sequence += 1) {
      await log.append([decided(gtridOf(log, sequence))], 'forced').then(
        () => tell({ acknowledged: gtridOf(log, sequence) }),
        (error: unknown) => codes.push(error instanceof CoordinatorError ? error.code : String(error)),
      );
    }
    tell({ codes });
    await log[Symbol.asyncDispose]();
    tell({ closed: true });
  },
};

await modes[mode]?.();
