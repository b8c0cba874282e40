// A log with history to damage: its files as a killed process and as a closed log leave them.
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import type { LogRecord } from '../../src/log/record.ts';
import { readHighWater } from '../../src/log/sqlite/file/high-water.ts';
import { headOf, inspectLog } from '../../src/log/sqlite/history/inspect.ts';
import { replay } from '../../src/log/sqlite/history/replay.ts';
import { eventually } from '../support/eventually.ts';
import { complete, decided, gtridOf, heuristic, registered } from './records.ts';
import { copyLog, openLog, scratchDirectory } from './sqlite-bench.ts';

/** A log with history, as it lies on the disk in two ways, and what it knows. */
export interface SampleLogs {
  /** For the tests to work in, and to remove. */
  readonly root: string;
  /** As a killed process leaves it: with a WAL, and a high-water mark that has caught up. */
  readonly killed: string;
  /** As a closed log leaves it: no WAL. */
  readonly closed: string;
  /** The first high-water mark of the killed log: it knows next to nothing. */
  readonly earlyMark: string;
  readonly unfinished: readonly LogRecord[];
}

let scratches = 0;

/** A copy of a log beside it, for a test to damage. */
export async function copyOf(from: string): Promise<string> {
  scratches += 1;
  const to = join(dirname(from), `scratch-${scratches}`);
  await copyLog(from, to);
  return to;
}

/** Makes them in a directory of their own. */
export async function makeSampleLogs(): Promise<SampleLogs> {
  const root = await scratchDirectory();
  const live = join(root, 'live');
  const options = { compactAfter: 32, outcomesRetainedMax: 200, walPagesMax: 300 };
  const first = await openLog(live, options);
  const earlyMark = await readFile(join(live, 'high-water'), 'utf8');
  await first.append([registered('accounts', 'system-1'), registered('orders', 'system-2')], 'forced');
  await complete(first, 1, 200);
  await first[Symbol.asyncDispose]();
  await using log = await openLog(live, options);
  await complete(log, 1, 150);
  for (let sequence = 201; sequence <= 240; sequence += 1) {
    await log.append([decided(gtridOf(log, sequence))], 'forced');
  }
  await log.append([heuristic(gtridOf(log, 201))], 'forced');
  await eventually('the mark has caught up', async () => {
    const mark = await readHighWater(join(live, 'high-water'));
    return typeof mark !== 'string' && mark.sequence === log.status().lastSequence;
  });
  const killed = join(root, 'killed');
  await copyLog(live, killed);
  await log[Symbol.asyncDispose]();
  const closed = join(root, 'closed');
  await copyLog(live, closed);
  await using reopened = await openLog(await copyOf(killed));
  const { unfinished } = reopened.recovered;
  expect(unfinished).toHaveLength(41);
  expect((await stat(join(killed, 'log.db-wal'))).size).toBeGreaterThan(100_000);
  return { root, killed, closed, earlyMark, unfinished };
}

/** Everything that a log says, or the code with which it is refused. */
export async function contentsOf(directory: string): Promise<string> {
  const mark = await readHighWater(join(directory, 'high-water'));
  const highWater = typeof mark === 'string' ? undefined : mark;
  const inspection = inspectLog(join(directory, 'log.db'), { highWater, historyBytesMax: Number.POSITIVE_INFINITY });
  if (inspection.kind === 'refused') {
    return inspection.problem.code;
  }
  const { image } = inspection;
  const replayed = await replay(image);
  if (replayed.kind === 'refused') {
    return replayed.problem.code;
  }
  const { hash, ...head } = headOf(image);
  const segments = image.segments.map((segment) => Buffer.from(segment.hash).toString('hex'));
  return JSON.stringify([head, Buffer.from(hash).toString('hex'), segments, replayed.ledger.unfinished()]);
}
