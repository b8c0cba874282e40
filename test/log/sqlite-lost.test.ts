// What a log does when a part of it is lost or cannot be read: it says so, and takes nothing that is missing for silence.
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import { decided, gtridOf } from './records.ts';
import { openLog } from './sqlite-bench.ts';
import { contentsOf, copyOf, makeSampleLogs, type SampleLogs } from './sqlite-samples.ts';

let logs: SampleLogs;

beforeAll(async () => {
  logs = await makeSampleLogs();
});

afterAll(async () => {
  await rm(logs.root, { recursive: true, force: true });
});

describe('a lost part', () => {
  test('of the WAL is refused wherever it is cut', async () => {
    const truth = await contentsOf(await copyOf(logs.killed));
    const { size } = await stat(join(logs.killed, 'log.db-wal'));
    let refused = 0;
    for (let part = 0; part < 40; part += 1) {
      const directory = await copyOf(logs.killed);
      await truncate(join(directory, 'log.db-wal'), Math.floor((size * part) / 40));
      const found = await contentsOf(directory);
      // A WAL is written again from its start: what lies behind its last frame belongs to an earlier round.
      expect(['LOG_DAMAGED', truth]).toContain(found);
      refused += found === 'LOG_DAMAGED' ? 1 : 0;
    }
    expect(refused).toBeGreaterThan(3);
  });

  test('that is the whole WAL is refused, in words that say what is missing', async () => {
    const directory = await copyOf(logs.killed);
    await rm(join(directory, 'log.db-wal'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringMatching(/it ends at record \d+, but record \d+ had been written: a part is lost/),
    });
  });

  test('at the torn end of the WAL, which nobody was told of, is dropped, and all earlier decisions are kept (conformance C8)', async () => {
    const directory = await copyOf(logs.killed);
    await writeFile(join(directory, 'high-water'), logs.earlyMark);
    const wal = join(directory, 'log.db-wal');
    const bytes = await readFile(wal);
    const mxFrame = lastFrameOf(bytes);
    await truncate(wal, 32 + (mxFrame - 1) * (24 + 4096) + 1_000);
    await using log = await openLog(directory);
    // The heuristic record was the last one; the forty decisions before it are there.
    expect(log.recovered.unfinished).toEqual(logs.unfinished.filter((record) => record.kind === 'decided'));
  });

  test('that is the log itself is refused when the mark is still there', async () => {
    const directory = await copyOf(logs.closed);
    await rm(join(directory, 'log.db'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringContaining('is gone'),
    });
    expect(await readdir(directory)).not.toContain('log.db');
  });

  test('that is the high-water file is refused, unless the operator accepts that silence proves nothing then', async () => {
    const directory = await copyOf(logs.closed);
    await rm(join(directory, 'high-water'));
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      message: expect.stringContaining('high-water'),
    });
    await using log = await openLog(directory, { acceptWithoutHighWater: true });
    expect(log.recovered.unfinished).toEqual(logs.unfinished);
    expect(log.outcome(gtridOf(log, 5_000, log.recovered.epoch - 1))).toEqual({ kind: 'expired' });
    expect(log.outcome(gtridOf(log, 5_000))).toEqual({ kind: 'silent' });
  });

  test.each([
    ['a frame', 'DELETE FROM frame WHERE number = (SELECT max(number) - 5 FROM frame)'],
    ['the newest frame', 'DELETE FROM frame WHERE number = (SELECT max(number) FROM frame)'],
    ['the oldest frame', 'DELETE FROM frame WHERE number = (SELECT min(number) FROM frame)'],
    ['the oldest segment', 'DELETE FROM segment WHERE number = (SELECT min(number) FROM segment)'],
    ['the newest segment', 'DELETE FROM segment WHERE number = (SELECT max(number) FROM segment)'],
    ['a payload', "UPDATE frame SET payload = x'' WHERE number = (SELECT max(number) - 5 FROM frame)"],
    ['an epoch', 'UPDATE life SET epoch = epoch - 1'],
    ['a watermark', 'UPDATE life SET watermark_sequence = watermark_sequence + 1'],
    ['what is missing', 'UPDATE life SET lost_to = lost_to + 1'],
    ['a number', 'UPDATE frame SET last = last + 1 WHERE number = (SELECT max(number) FROM frame)'],
  ])('that somebody took with SQL is refused: %s', async (_, sql) => {
    const directory = await copyOf(logs.closed);
    const db = new Database(join(directory, 'log.db'));
    expect(db.prepare(sql).run().changes).toBe(1);
    db.close();
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
    const { problems } = await verifySqliteLog(directory);
    expect(problems).toMatchObject([{ code: 'LOG_DAMAGED' }]);
  });
});

describe('a retained outcome', () => {
  test.each([
    ['before a flush has begun', 0],
    ['in the middle of a flush', 1],
  ])('that cannot be read fails the log instead of being taken for silence: %s', async (_, turns) => {
    const directory = await copyOf(logs.closed);
    const log = await openLog(directory);
    const intruder = new Database(join(directory, 'log.db'));
    intruder.exec("UPDATE segment SET payload = CAST(replace(payload, 'accounts', 'Accounts') AS BLOB)");
    intruder.close();
    // The log is at work meanwhile, and must come to its end all the same.
    const waiting = log.append([decided(gtridOf(log, 1))], 'forced');
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(() => log.outcome(gtridOf(log, 20, 1))).toThrow(expect.objectContaining({ code: 'LOG_DAMAGED' }));
    await expect(waiting).rejects.toMatchObject({ code: 'LOG_FAILED' });
    expect(await log.failed).toMatchObject({ code: 'LOG_FAILED', message: expect.stringContaining('segment') });
    await log[Symbol.asyncDispose]();
    await expect(openLog(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });
});

/** The number of frames that SQLite would take from a WAL: the last commit of its present round. */
function lastFrameOf(wal: Buffer): number {
  let last = 0;
  for (let frame = 0; 32 + (frame + 1) * 4120 <= wal.length; frame += 1) {
    const at = 32 + frame * 4120;
    if (wal.compare(wal, 16, 24, at + 8, at + 16) !== 0) {
      break;
    }
    last = wal.readUInt32BE(at + 4) === 0 ? last : frame + 1;
  }
  return last;
}
