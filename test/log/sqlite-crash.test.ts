// A writer that is killed again and again loses nothing that it was told is durable, and every start finds a whole log.
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import { startWorkerThread } from '../../src/log/sqlite/flush/log-worker.ts';
import { parseGtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { acknowledgedBy, skipWithoutStrace, startWriter } from './children/run.ts';
import { decided, gtridOf } from './records.ts';
import { openLog, scratchDirectory } from './sqlite-bench.ts';

let directory: string;

beforeEach(async () => {
  directory = join(await scratchDirectory(), 'data');
});

afterEach(async () => {
  await rm(dirname(directory), { recursive: true, force: true });
});

const CYCLES = 20;

describe('a killed writer', () => {
  test(`has lost no acknowledged decision after ${CYCLES} times SIGKILL (faults F06 F10)`, {
    timeout: 120_000,
  }, async () => {
    const acknowledged: string[] = [];
    for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
      await using writer = startWriter('endless', directory, { lane: cycle % 2 === 0 ? 'inline' : 'worker' });
      // Killed at many different moments: in the first flush of a life, in a compaction, in the middle of nothing.
      const enough = 1 + ((cycle * 53) % 211);
      const told = await eventually('the writer has acknowledged enough', () => {
        const sofar = acknowledgedBy(writer);
        return sofar.length >= enough || writer.errors() !== '' ? sofar : undefined;
      });
      expect(writer.errors()).toBe('');
      expect(told[0]?.split('.')[1]).toBe(cycle.toString(36));
      writer.kill();
      await writer.ended;
      acknowledged.push(...acknowledgedBy(writer));
    }
    await using log = await openLog(directory);
    expect(log.recovered.epoch).toBe(CYCLES + 1);
    const lost = acknowledged.filter((text) => {
      const gtrid = parseGtrid(text);
      return gtrid === undefined || log.outcome(gtrid).kind !== 'decided';
    });
    expect(acknowledged.length).toBeGreaterThan(CYCLES * 50);
    expect(lost).toEqual([]);
    await log[Symbol.asyncDispose]();
    expect(await verifySqliteLog(directory)).toMatchObject({ problems: [], epoch: CYCLES + 1 });
  });

  test.skipIf(skipWithoutStrace)(
    'in the making of a log, at any sync or rename, leaves nothing that does not start',
    { timeout: 90_000 },
    async () => {
      const syncs = [1, 2, 3, 4, 5, 6, 7, 8].map((when) => `fsync:signal=KILL:when=${when}`);
      // The first rename only: whether a second one comes depends on how quickly the mark follows the log.
      const others = ['pwrite64:signal=KILL:when=1', 'rename:signal=KILL:when=1'];
      for (const moment of [...syncs, ...others]) {
        const fresh = `${directory}-${moment.replaceAll(/\W/g, '-')}`;
        await using writer = startWriter('sequential', fresh, {
          count: 1,
          strace: ['-o', '/dev/null', '-e', 'trace=fsync,rename,pwrite64', '-e', `inject=${moment}`],
        });
        expect(await writer.ended, `${moment} was reached`).not.toBe(0);
        expect(acknowledgedBy(writer)).toEqual([]);
        const error = await openLog(fresh).then(
          async (log) => {
            await log.append([decided(gtridOf(log, 1))], 'forced');
            await log[Symbol.asyncDispose]();
          },
          (reason: Error) => reason.message,
        );
        expect(error, moment).toBeUndefined();
      }
    },
  );
});

describe('a worker thread that dies', () => {
  test('fails the log: who waits hears it, and a restart finds what was acknowledged (faults F46)', async () => {
    const workers: Worker[] = [];
    const log = await openLog(directory, {
      startWorker(file, data) {
        const worker = startWorkerThread(file, data);
        workers.push(worker);
        return worker;
      },
    });
    await log.append([decided(gtridOf(log, 1))], 'forced');
    const waiting = log.append([decided(gtridOf(log, 2))], 'forced');
    await workers[0]?.terminate();
    await expect(waiting).rejects.toMatchObject({ code: 'LOG_FAILED' });
    expect(await log.failed).toMatchObject({ code: 'LOG_FAILED', message: expect.stringContaining('thread ended') });
    await expect(log.append([decided(gtridOf(log, 3))], 'lazy')).rejects.toMatchObject({ code: 'LOG_FAILED' });
    await log[Symbol.asyncDispose]();
    await using next = await openLog(directory);
    expect(next.outcome(gtridOf(next, 1, 1)).kind).toBe('decided');
    expect(next.outcome(gtridOf(next, 3, 1)).kind).toBe('silent');
  });

  test('fails the log even when nobody is writing (faults F46)', async () => {
    const workers: Worker[] = [];
    const log = await openLog(directory, {
      startWorker(file, data) {
        const worker = startWorkerThread(file, data);
        workers.push(worker);
        return worker;
      },
    });
    await workers[0]?.terminate();
    expect(await log.failed).toMatchObject({ code: 'LOG_FAILED' });
    await log[Symbol.asyncDispose]();
  });
});
