// Judges what a power cut or a fault left: does the log start, is everything there that was acknowledged, and nothing else?
import { readFileSync, statSync } from 'node:fs';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { lifeSeal } from '../../src/log/chain.ts';
import type { Ledger } from '../../src/log/ledger.ts';
import { recordsOf } from '../../src/log/ledger.ts';
import { openReader } from '../../src/log/sqlite/file/connection.ts';
import { logFiles } from '../../src/log/sqlite/file/files.ts';
import type { HighWater } from '../../src/log/sqlite/file/high-water.ts';
import { decodeHighWater } from '../../src/log/sqlite/file/high-water.ts';
import type { LogImage } from '../../src/log/sqlite/history/inspect.ts';
import { headOf, inspectLog } from '../../src/log/sqlite/history/inspect.ts';
import { replay } from '../../src/log/sqlite/history/replay.ts';
import { readSegment } from '../../src/log/sqlite/history/segments.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { decided, gtridOf } from '../../test/log/records.ts';
import type { Found, Testimony, Verdict } from './testimony.ts';
import { WHOLE } from './testimony.ts';
import { textOf } from './workload.ts';

/** What is read of a log, by everything that it depends on; see `keyOf`. */
export type Readings = Map<string, Found | { readonly refused: string }>;

const READINGS_MAX = 64;

/**
 * Judges the log in `directory` by the steps of a start that read (`beginLife`), without the ones that write. Changes nothing
 * but the shared memory of SQLite. What `readings` holds is not decoded again.
 */
export async function judgeByReading(
  directory: string,
  testimony: Testimony,
  readings: Readings = new Map(),
): Promise<Verdict> {
  const files = logFiles(directory);
  const found = markIn(files.highWater);
  if (!exists(files.log)) {
    if (found !== 'missing' || exists(`${files.log}-wal`)) {
      return { kind: 'refused', why: 'LOG_DAMAGED: log.db is gone' };
    }
    return testimony.size === 0 ? WHOLE : { kind: 'lost', why: 'the whole log is gone, and a new one would be made' };
  }
  const highWater = typeof found === 'string' ? undefined : found;
  const inspection = inspectLog(files.log, { highWater, historyBytesMax: Number.POSITIVE_INFINITY });
  if (inspection.kind === 'refused') {
    return { kind: 'refused', why: `${inspection.problem.code}: ${inspection.problem.message}` };
  }
  const { image } = inspection;
  if (highWater === undefined && image.life.epoch > 0) {
    return { kind: 'refused', why: `LOG_DAMAGED: the high-water file is ${String(found)}` };
  }
  const key = keyOf(image);
  const reading = readings.get(key) ?? (await read(files.log, image));
  if (readings.size >= READINGS_MAX) {
    readings.clear();
  }
  readings.set(key, reading);
  return 'refused' in reading ? { kind: 'refused', why: reading.refused } : testimony.judge(reading);
}

/**
 * Everything that the records of an inspected image depend on: the seal of its life, and the last link of its journal's chain. Each
 * hash was compared with the bytes, so that equal keys have equal records.
 */
function keyOf(image: LogImage): string {
  return Buffer.concat([lifeSeal(image.life), headOf(image).hash]).toString('latin1');
}

async function read(path: string, image: LogImage): Promise<Found | { readonly refused: string }> {
  const replayed = await replay(image);
  return replayed.kind === 'refused'
    ? { refused: `${replayed.problem.code}: ${replayed.problem.message}` }
    : { life: image.life, records: recordsIn(path, image, replayed.ledger) };
}

/**
 * Judges the log in `directory` by a whole life in it: it is opened, each acknowledged decision is asked for, one is appended, it
 * is closed, and read once more.
 */
export async function judgeByStarting(directory: string, testimony: Testimony): Promise<Verdict> {
  try {
    await using log = await openSqliteLog({
      directory,
      clock: systemClock,
      random: systemRandom,
      version: 'proof',
      options: { ballastBytes: 0 },
    });
    const silent = testimony.acknowledged.find((gtrid) => log.outcome(gtrid).kind === 'silent');
    if (silent !== undefined) {
      return { kind: 'lost', why: `the started log knows nothing of ${silent}, which was acknowledged` };
    }
    const record = decided(gtridOf(log, 9_999));
    testimony.hear({ opening: true, opened: log.recovered.epoch, asked: [textOf(record)] });
    await log.append([record], 'forced');
    testimony.hear({ durable: [textOf(record)] });
  } catch (error) {
    return {
      kind: 'refused',
      why: error instanceof CoordinatorError ? `${error.code}: ${error.message}` : String(error),
    };
  }
  return judgeByReading(directory, testimony);
}

function recordsIn(path: string, image: LogImage, ledger: Ledger): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  const add = (name: string, text: string): void => {
    const known = found.get(name) ?? new Set();
    found.set(name, known.add(text));
  };
  for (const item of ledger.items()) {
    for (const { record } of recordsOf(item)) {
      if (record.kind !== 'epoch-started') {
        add(item.kind === 'transaction' ? item.gtrid : '', textOf(record));
      }
    }
  }
  if (image.segments.length > 0) {
    const db = openReader(path);
    try {
      for (const [gtrid, records] of image.segments.flatMap((segment) => [...readSegment(db, segment)])) {
        for (const { record } of records) {
          add(gtrid, textOf(record));
          if (record.kind === 'decided') {
            // That it is finished, a decision in the history says by being there.
            add(gtrid, textOf({ kind: 'finished', gtrid }));
          }
        }
      }
    } finally {
      db.close();
    }
  }
  return found;
}

/** As `readHighWater`, without a turn of the event loop for each of a hundred thousand states. */
function markIn(path: string): HighWater | 'missing' | 'damaged' {
  return exists(path) ? (decodeHighWater(readFileSync(path, 'utf8')) ?? 'damaged') : 'missing';
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
