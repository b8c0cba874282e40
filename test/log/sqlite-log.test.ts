// The log on SQLite keeps the contract, and a few promises of its own.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/lib/clock.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { describeLogContract } from './contract.ts';
import { decided, gtridOf } from './records.ts';
import { openLog, openSqliteBench, scratchDirectory } from './sqlite-bench.ts';

describeLogContract('the SQLite log', openSqliteBench);

describe('the SQLite log', () => {
  let root: string;

  beforeEach(async () => {
    root = await scratchDirectory();
  });

  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  test('lets a lazy record wait for company for most of a second', async () => {
    const delays: number[] = [];
    const clock: Clock = {
      ...systemClock,
      after(delayMs, action) {
        delays.push(delayMs);
        return systemClock.after(delayMs, action);
      },
    };
    const options = { ballastBytes: 0 };
    await using log = await openSqliteLog({ directory: root, clock, random: systemRandom, version: 'test', options });
    delays.length = 0;
    await log.append([decided(gtridOf(log, 1))], 'lazy');
    await log.append([decided(gtridOf(log, 2))], 'lazy');
    expect(delays).toEqual([900]);
  });

  test('does not write a backup over any file or directory', async () => {
    await using log = await openLog(join(root, 'data'));
    const path = join(root, 'letter.txt');
    await writeFile(path, 'dear Ada');
    await expect(log.backup(path)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    expect(await readFile(path, 'utf8')).toBe('dear Ada');
    await mkdir(join(root, 'new'));
    await expect(log.backup(join(root, 'new'))).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    expect(await readdir(join(root, 'new'))).toEqual([]);
    await expect(log.backup(join(root, 'missing', 'new'))).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });

  test('takes a backup while it is busy, and loses no time or record over it', async () => {
    await using log = await openLog(join(root, 'data'), { compactAfter: 64 });
    let sequence = 0;
    let stopped = false;
    async function client(): Promise<void> {
      while (!stopped) {
        sequence += 1;
        await log.append([decided(gtridOf(log, sequence))], 'forced');
      }
    }
    const clients = Array.from({ length: 8 }, client);
    const before = log.status().lastSequence;
    const report = await log.backup(join(root, 'backup'));
    const after = log.status().lastSequence;
    stopped = true;
    await Promise.all(clients);
    expect(report.lastSequence).toBeGreaterThanOrEqual(before);
    expect(after).toBeGreaterThan(before);
    expect(log.outcome(gtridOf(log, sequence)).kind).toBe('decided');
  });
});
