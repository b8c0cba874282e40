// The log in memory: the contract, and the faults that its disk offers to simulations.
import { describe, expect, test } from 'vitest';
import { assert } from '../../src/lib/assert.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import type { LogBench } from './contract/bench.ts';
import { describeLogContract } from './contract.ts';
import { decided, gtridOf } from './records.ts';

const common = { clock: systemClock, random: systemRandom, version: 'test' };

/** A backup of this disk, or of one of its backups. */
function backupAt(disk: MemoryDisk, path: string): MemoryDisk | undefined {
  return disk.backups.get(path) ?? [...disk.backups.values()].map((copy) => backupAt(copy, path)).find(Boolean);
}

describeLogContract('the memory log', async (): Promise<LogBench> => {
  const disk = new MemoryDisk();
  const logs: Log[] = [];
  const keep = (log: Log): Log => {
    logs.push(log);
    return log;
  };
  let backups = 0;
  return {
    open: async (options = {}) => keep(await openMemoryLog({ ...common, ...options, disk })),
    async crash() {
      disk.crash();
    },
    async failNextForce() {
      disk.failNextForce('kept');
    },
    backupPath() {
      backups += 1;
      return `backup-${backups}`;
    },
    async openBackup(path, options = {}) {
      const copy = backupAt(disk, path);
      assert(copy !== undefined, 'the backup is there');
      return keep(await openMemoryLog({ ...common, ...options, disk: copy }));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(logs.map((log) => log[Symbol.asyncDispose]()));
    },
  };
});

describe('a memory disk', () => {
  async function found(disk: MemoryDisk): Promise<number> {
    await using log = await openMemoryLog({ ...common, disk });
    return log.recovered.unfinished.length;
  }

  test.each([
    ['lost', 0],
    ['kept', 1],
  ] as const)('a failed force that was %s leaves %i decisions', async (fate, count) => {
    const disk = new MemoryDisk();
    const log = await openMemoryLog({ ...common, disk });
    disk.failNextForce(fate);
    await expect(log.append([decided(gtridOf(log, 1))], 'forced')).rejects.toMatchObject({ code: 'LOG_FAILED' });
    await log[Symbol.asyncDispose]();
    expect(await found(disk)).toBe(count);
  });

  test.each([
    ['lost', 0],
    ['kept', 1],
  ] as const)('a crash in the middle of a force that was %s leaves %i decisions', async (fate, count) => {
    const disk = new MemoryDisk();
    const log = await openMemoryLog({ ...common, disk });
    disk.flushMs = 50;
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    log.append([decided(gtridOf(log, 1))], 'forced').then(settle, settle);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // Queued behind the flush that is running: it cannot be on the disk.
    log.append([decided(gtridOf(log, 2))], 'forced').then(settle, settle);
    disk.crash(fate);
    disk.flushMs = 0;
    expect(await found(disk)).toBe(count);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(settled).toBe(false);
  });

  test('a log whose process crashed writes nothing more', async () => {
    const disk = new MemoryDisk();
    const log = await openMemoryLog({ ...common, disk });
    disk.crash();
    void log.append([decided(gtridOf(log, 1))], 'forced');
    await using next = await openMemoryLog({ ...common, disk });
    await next.append([decided(gtridOf(next, 1))], 'forced');
    expect(disk.records.filter(({ record }) => record.kind === 'decided')).toHaveLength(1);
  });

  test('a volume without room says so, and still takes decisions', async () => {
    const disk = new MemoryDisk();
    await using log = await openMemoryLog({ ...common, disk });
    disk.room = false;
    expect(log.hasRoom()).toBe(false);
    await log.append([decided(gtridOf(log, 1))], 'forced');
    expect(log.outcome(gtridOf(log, 1)).kind).toBe('decided');
  });
});
