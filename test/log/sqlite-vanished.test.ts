// A data directory that is taken away while the log runs: nothing more is acknowledged, and nothing stays unnoticed.
import { access, cp, link, mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../src/log/log.ts';
import { decided, gtridOf } from './records.ts';
import { openLog, scratchDirectory } from './sqlite-bench.ts';

let root: string;
let directory: string;

beforeEach(async () => {
  root = await scratchDirectory();
  directory = join(root, 'data');
  await writeFile(join(root, 'small'), 'something smaller');
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const GONE: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['deleted', () => rm(directory, { recursive: true })],
  ['moved away', () => rename(directory, join(root, 'elsewhere'))],
  [
    'replaced by an empty one',
    async () => {
      await rename(directory, join(root, 'elsewhere'));
      await mkdir(directory, { mode: 0o700 });
    },
  ],
  [
    'replaced by a copy',
    async () => {
      await rename(directory, join(root, 'elsewhere'));
      await cp(join(root, 'elsewhere'), directory, { recursive: true });
    },
  ],
  ['there without its log', () => rm(join(directory, 'log.db'))],
  ['there without its WAL', () => rm(join(directory, 'log.db-wal'))],
  ['there with an empty WAL', () => truncate(join(directory, 'log.db-wal'))],
  ['there with its log written over', () => cp(join(root, 'small'), join(directory, 'log.db'))],
];

describe.each(['inline', 'worker'] as const)('a log whose directory is taken away, in the lane %s', (firstLane) => {
  test.each(GONE)('%s, acknowledges nothing more (faults F43)', async (_, takeAway) => {
    await using log: Log = await openLog(directory, { firstLane });
    await log.append([decided(gtridOf(log, 1))], 'forced');
    await takeAway();
    await expect(log.append([decided(gtridOf(log, 2))], 'forced')).rejects.toMatchObject({
      code: 'LOG_FAILED',
      message: expect.stringContaining('is gone or was replaced'),
    });
    expect((await log.failed).message).toContain(join(directory, 'log.db'));
    expect(log.status().bytes).toBeGreaterThanOrEqual(0);
  });
});

test('a log that writes nothing notices it too, within seconds (faults F43)', async () => {
  await using log = await openLog(directory);
  await rm(directory, { recursive: true });
  expect((await log.failed).message).toContain('is gone or was replaced');
  await expect(access(directory)).rejects.toThrow();
}, 20_000);

test('a log that has a second name is not opened under either, whatever lies beside it (field R5)', async () => {
  await (await openLog(directory))[Symbol.asyncDispose]();
  const other = join(root, 'other');
  await mkdir(other, { mode: 0o700 });
  for (const file of ['log.db', 'high-water']) {
    await link(join(directory, file), join(other, file));
  }
  await expect(openLog(other)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('hard links'),
  });
  await rm(other, { recursive: true });
  await (await openLog(directory))[Symbol.asyncDispose]();
});
