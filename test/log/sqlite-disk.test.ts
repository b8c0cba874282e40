// The log on disks that are slow, fail or fill up: strace makes them so, in a process of its own.
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import { parseGtrid } from '../../src/xa/xid.ts';
import type { WriterOptions } from './children/run.ts';
import { acknowledgedBy, skipWithoutStrace, startWriter } from './children/run.ts';
import { decided, gtridOf } from './records.ts';
import { copyLog, openLog, scratchDirectory } from './sqlite-bench.ts';

const SYNCS = 'fsync,fdatasync';

/** Calls of a trace written by `strace -f -y -o`: which thread synced which file. */
async function syncsIn(trace: string): Promise<readonly { readonly thread: number; readonly file: string }[]> {
  const lines = (await readFile(trace, 'utf8')).split('\n');
  return lines.flatMap((line) => {
    const match = /^(\d+) +f(?:data)?sync\(\d+<([^>]*)>/.exec(line);
    return match === null ? [] : [{ thread: Number(match[1]), file: match[2] ?? '' }];
  });
}

describe.skipIf(skipWithoutStrace)('a log under strace', () => {
  let directory: string;
  let trace: string;

  beforeEach(async () => {
    directory = join(await scratchDirectory(), 'data');
    trace = `${directory}.trace`;
  });

  afterEach(async () => {
    await rm(dirname(directory), { recursive: true, force: true });
  });

  async function run(mode: string, options: WriterOptions) {
    await using writer = startWriter(mode, directory, options);
    const code = await writer.ended;
    return { code, told: writer.told, acknowledged: acknowledgedBy(writer), errors: writer.errors() };
  }

  /** Makes a log that holds nothing, so that a fault hits the appends and not the making. */
  async function makeLog(): Promise<void> {
    const log = await openLog(directory);
    await log[Symbol.asyncDispose]();
  }

  async function recoveredGtrids(): Promise<readonly string[]> {
    await using log = await openLog(directory);
    return log.recovered.unfinished.flatMap((record) => ('gtrid' in record ? [record.gtrid] : []));
  }

  test.each(['inline', 'worker'] as const)(
    'each forced append of a lone caller is synced before it is acknowledged: %s',
    async (lane) => {
      const { told, acknowledged } = await run('sequential', {
        count: 40,
        lane,
        strace: ['-y', '-o', trace, '-e', `trace=${SYNCS}`],
      });
      expect(acknowledged).toHaveLength(40);
      const syncs = await syncsIn(trace);
      expect(syncs.filter(({ file }) => file.endsWith('log.db-wal')).length).toBeGreaterThanOrEqual(40);
      // Checkpoints take longer than commits: the main thread leaves them to the worker, at the end as well.
      const checkpoints = syncs.filter(({ file }) => file.endsWith('log.db'));
      expect(checkpoints.length).toBeGreaterThan(1);
      expect(checkpoints.filter(({ thread }) => thread === told[0]?.pid)).toEqual([]);
    },
  );

  test("with SQLite's own setting as it is built here, commits would be acknowledged without a sync", async () => {
    await mkdir(dirname(directory), { recursive: true });
    await run('defaults', { count: 40, strace: ['-y', '-o', trace, '-e', `trace=${SYNCS}`] });
    const wal = (await syncsIn(trace)).filter(({ file }) => file.endsWith('.db-wal'));
    expect(wal.length).toBeLessThan(5);
  });

  test('with 200 ms in each sync no timer of the main thread waits for one (faults F32)', async () => {
    const { told } = await run('timers', {
      count: 6,
      strace: ['-y', '-o', trace, '-e', `trace=${SYNCS}`, '-e', `inject=${SYNCS}:delay_exit=200000`],
    });
    const [{ lateMs = [], pid = 0, lane, micros = 0 } = {}] = told;
    const syncs = await syncsIn(trace);
    expect(syncs.length).toBeGreaterThan(15);
    expect(micros).toBeGreaterThan(190_000);
    expect(lane).toBe('worker');
    // What decides: the main thread, which has the number of its process, syncs nothing from the first call to the last.
    expect(syncs.filter(({ thread }) => thread === pid)).toEqual([]);
    // And what that is worth: opening, each append and closing had no timer that was late.
    expect(lateMs).toHaveLength(8);
    expect(lateMs.toSorted((left, right) => left - right)[5]).toBeLessThan(20);
    expect(Math.max(...lateMs)).toBeLessThan(150);
  });

  test('a disk that turns slow stops the main thread once, and then only the worker', async () => {
    await makeLog();
    const { told } = await run('timers', {
      count: 6,
      lane: 'inline',
      strace: ['-y', '-o', trace, '-e', `trace=${SYNCS}`, '-e', `inject=${SYNCS}:delay_exit=200000`],
    });
    const [{ lateMs = [], pid = 0, lane } = {}] = told;
    expect(lane).toBe('worker');
    expect(lateMs.filter((late) => late > 150)).toHaveLength(1);
    // One commit to a new WAL: its header, its directory entry, and the commit itself.
    expect((await syncsIn(trace)).filter(({ thread }) => thread === pid)).toHaveLength(3);
  });

  test.each([
    ['a sync fails', 'inline', 'fsync:error=EIO:when=12'],
    ['a sync fails', 'worker', 'fsync:error=EIO:when=12'],
    ['every sync fails from some moment on', 'worker', 'fsync:error=EIO:when=12+'],
    ['the disk is full', 'inline', 'pwrite64:error=ENOSPC:when=40+'],
    ['the disk is full', 'worker', 'pwrite64:error=ENOSPC:when=40+'],
    ['the quota is used up', 'worker', 'pwrite64:error=EDQUOT:when=40+'],
    ['a write fails', 'inline', 'pwrite64:error=EIO:when=40'],
  ] as const)(
    'when %s (%s lane), all that wait hear it, nothing is tried again, and a restart finds the truth (faults F26 F30 F31, conformance C5)',
    async (_, lane, fault) => {
      await makeLog();
      const { code, told, acknowledged } = await run('failing', {
        count: 40,
        lane,
        // Only the file that decisions are written to: the counts do not depend on what else is synced.
        strace: [
          '-y',
          '-o',
          trace,
          '-P',
          `${directory}/log.db-wal`,
          '-e',
          `trace=${SYNCS},pwrite64`,
          '-e',
          `inject=${fault}`,
        ],
      });
      expect(code).toBe(0);
      const codes = told.find((line) => line.codes !== undefined)?.codes ?? [];
      expect(acknowledged.length).toBeGreaterThan(0);
      expect(codes.length).toBeGreaterThan(0);
      expect(acknowledged.length + codes.length).toBe(40);
      expect(new Set(codes)).toEqual(new Set(['LOG_FAILED']));
      // After the error nothing is written or synced any more, not even while the log is closed.
      const lines = (await readFile(trace, 'utf8'))
        .split('\n')
        .filter((line) => / (fsync|pwrite64)\(| resumed>/.test(line));
      const failed = lines.findIndex((line) => line.includes('(INJECTED)'));
      expect(failed).toBeGreaterThan(-1);
      expect(lines.slice(failed + 1).filter((line) => !line.includes('(INJECTED)'))).toEqual([]);
      const found = await recoveredGtrids();
      expect(found).toEqual(expect.arrayContaining([...acknowledged]));
      // The one whose fate was unknown may be there; nothing behind it is.
      expect(found.length - acknowledged.length).toBeLessThanOrEqual(1);
      expect((await verifySqliteLog(directory)).problems).toEqual([]);
    },
  );

  test('what a killed life left is rewritten and synced before the next one begins to write', async () => {
    const killed = `${directory}-killed`;
    const log = await openLog(directory);
    await log.append([decided(gtridOf(log, 1))], 'forced');
    await copyLog(directory, killed);
    await log[Symbol.asyncDispose]();
    await using writer = startWriter('sequential', killed, {
      count: 1,
      strace: ['-y', '-o', trace, '-e', `trace=${SYNCS}`],
    });
    expect(await writer.ended).toBe(0);
    const files = (await syncsIn(trace)).map(({ file }) => basename(file)).filter((name) => name.startsWith('log.db'));
    // The new epoch; then the checkpoint, from the WAL into the main file; only then the first record and the decision.
    expect(files.slice(0, files.indexOf('log.db'))).toContain('log.db-wal');
    expect(files.slice(files.indexOf('log.db') + 1).filter((name) => name === 'log.db-wal').length).toBeGreaterThan(1);
  });

  test('a disk that syncs nothing refuses the start, and the log is whole when it is fixed (faults F27)', async () => {
    await makeLog();
    const strace = ['-o', trace, '-P', `${directory}/log.db-wal`, '-P', `${directory}/log.db`];
    const { code, told } = await run('failing', {
      count: 1,
      strace: [...strace, '-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO'],
    });
    expect(code).toBe(3);
    expect(told).toEqual([{ refused: 'LOG_FAILED' }]);
    expect(await recoveredGtrids()).toEqual([]);
    await using log = await openLog(directory);
    expect(parseGtrid(`${log.recovered.identity}.1.1`)).toBeDefined();
  });
});
