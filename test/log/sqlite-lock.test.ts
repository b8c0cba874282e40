// One log, one writer: its lock is kept, and a life that is over writes nothing more.
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import { decided, gtridOf } from './records.ts';
import { openLog } from './sqlite-bench.ts';
import { copyOf, makeSampleLogs, type SampleLogs } from './sqlite-samples.ts';

let logs: SampleLogs;

beforeAll(async () => {
  logs = await makeSampleLogs();
});

afterAll(async () => {
  await rm(logs.root, { recursive: true, force: true });
});

describe('a lock', () => {
  test('is kept although the holder reads its own log file (faults F22, conformance C17)', async () => {
    const directory = await copyOf(logs.closed);
    await using log = await openLog(directory);
    readFileSync(join(directory, 'log.db'));
    const { startWriter } = await import('./children/run.ts');
    await using second = startWriter('failing', directory, { count: 1 });
    await second.ended;
    expect(second.told).toEqual([{ refused: 'LOG_LOCKED' }]);
    await log.append([decided(gtridOf(log, 1))], 'forced');
  });

  test('stops the verification of a log that runs', async () => {
    const directory = await copyOf(logs.closed);
    const log = await openLog(directory);
    await expect(verifySqliteLog(directory)).rejects.toMatchObject({ code: 'LOG_LOCKED' });
    await log[Symbol.asyncDispose]();
    expect(await verifySqliteLog(directory)).toMatchObject({
      problems: [],
      unfinished: 41,
      identity: log.recovered.identity,
    });
  });

  test('an append of a life that is over is refused, whoever holds the lock (faults F22)', async () => {
    const directory = await copyOf(logs.closed);
    await using log = await openLog(directory);
    const intruder = new Database(join(directory, 'log.db'));
    intruder.exec('UPDATE life SET epoch = epoch + 1');
    intruder.close();
    await expect(log.append([decided(gtridOf(log, 1))], 'forced')).rejects.toMatchObject({
      code: 'LOG_FAILED',
      message: expect.stringContaining('another coordinator has opened it'),
    });
  });
});
