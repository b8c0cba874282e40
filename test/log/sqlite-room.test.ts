// Where a log may lie, and what it does when the volume fills up.
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/lib/clock.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { verifySqliteLog } from '../../src/log/sqlite/backup/verify.ts';
import type { Volume } from '../../src/log/sqlite/file/files.ts';
import { mountedType, systemVolume } from '../../src/log/sqlite/file/files.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { eventually } from '../support/eventually.ts';
import { decided, gtridOf } from './records.ts';
import { openLog, scratchDirectory } from './sqlite-bench.ts';

const MB = 1024 * 1024;

let root: string;
let directory: string;

beforeEach(async () => {
  root = await scratchDirectory();
  directory = join(root, 'data');
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Looks at the volume a hundred times as often; everything else takes its time. */
const hurried: Clock = {
  ...systemClock,
  after: (delayMs, action) => systemClock.after(delayMs === 5_000 ? 50 : delayMs, action),
};

async function sizeOf(name: string): Promise<number> {
  return stat(join(directory, name)).then(
    ({ size }) => size,
    () => 0,
  );
}

describe('a volume', () => {
  async function openOn(volume: Volume) {
    return openSqliteLog({
      directory,
      clock: hurried,
      random: systemRandom,
      version: 'test',
      options: { volume, ballastBytes: 2 * MB, roomBytesMin: 8 * MB },
    });
  }

  test('that fills up: begins are refused first, then the ballast gives way, and both come back (faults F29, conformance C7)', async () => {
    let free = 100 * MB;
    await using log = await openOn({ network: async () => undefined, freeBytes: async () => free });
    await eventually('the ballast is there', async () => (await sizeOf('ballast')) === 2 * MB);
    expect(log.hasRoom()).toBe(true);
    expect(log.status().freeBytes).toBe(100 * MB);
    free = 7 * MB;
    await eventually('begins are refused', () => !log.hasRoom());
    expect(await sizeOf('ballast')).toBe(2 * MB);
    free = MB;
    await eventually('the ballast gives way', async () => (await sizeOf('ballast')) === 0);
    await log.append([decided(gtridOf(log, 1))], 'forced');
    free = 9 * MB;
    await eventually('the volume was looked at', () => log.status().freeBytes === 9 * MB);
    // With the ballast back there would be less than the least: it and the begins wait for more.
    expect(log.hasRoom()).toBe(false);
    expect(await sizeOf('ballast')).toBe(0);
    free = 11 * MB;
    await eventually('begins are taken again', () => log.hasRoom());
    await eventually('the ballast is back', async () => (await sizeOf('ballast')) === 2 * MB);
  });

  test('that is full at the start: the log starts on its ballast and takes decisions, only begins are refused (faults F44)', async () => {
    const roomy = await openOn({ network: async () => undefined, freeBytes: async () => 100 * MB });
    await eventually('the ballast is there', async () => (await sizeOf('ballast')) === 2 * MB);
    await roomy.append([decided(gtridOf(roomy, 1))], 'forced');
    await roomy[Symbol.asyncDispose]();
    await using log = await openOn({ network: async () => undefined, freeBytes: async () => 1_000 });
    expect(await sizeOf('ballast')).toBe(0);
    expect(log.hasRoom()).toBe(false);
    expect(log.recovered.unfinished).toHaveLength(1);
    await log.append([decided(gtridOf(log, 1))], 'forced');
  });

  test('that cannot be asked has room: the question must not stop the log', async () => {
    const failing = async (): Promise<number> => {
      throw new Error('statfs failed');
    };
    await using log = await openOn({ network: async () => undefined, freeBytes: failing });
    expect(log.hasRoom()).toBe(true);
  });

  test('on a network file system is refused, unless it is allowed', async () => {
    const volume = { ...systemVolume, network: async () => 'NFS' };
    await expect(openLog(directory, { volume })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('NFS, a network file system'),
    });
    await using log = await openLog(directory, { volume, allowNetworkFilesystem: true });
    expect(log.recovered.epoch).toBe(1);
  });

  test('of this machine is local, and has free bytes', async () => {
    expect(await systemVolume.network(root)).toBeUndefined();
    expect(await systemVolume.freeBytes(root)).toBeGreaterThan(0);
  });

  test('mounted by FUSE is judged by the name of its mount', () => {
    const mounts = [
      '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      '40 22 0:51 / /srv/far\\040away rw,nosuid - fuse.sshfs ada@far:/ rw',
      '41 22 0:52 / /srv/near rw,nosuid - fuse.ntfs-3g /dev/sdb1 rw',
      '42 40 0:53 / /srv/far\\040away/near rw - ext4 /dev/sdc1 rw',
    ].join('\n');
    const remote = /^fuse\.sshfs/;
    expect(mountedType(mounts, '/srv/far away', remote)).toBe('fuse.sshfs');
    expect(mountedType(mounts, '/srv/far away/log', remote)).toBe('fuse.sshfs');
    expect(mountedType(mounts, '/srv/far away/near/log', remote)).toBeUndefined();
    expect(mountedType(mounts, '/srv/far awayer', remote)).toBeUndefined();
    expect(mountedType(mounts, '/srv/near', remote)).toBeUndefined();
  });
});

describe('a data directory', () => {
  test('is made, with nothing in it but the log, its lock, its mark and its ballast', async () => {
    const log = await openSqliteLog({ directory, clock: systemClock, random: systemRandom, version: 'test' });
    await eventually('the ballast is there', async () => (await sizeOf('ballast')) === 16 * MB);
    await log[Symbol.asyncDispose]();
    expect((await readdir(directory)).toSorted()).toEqual(['ballast', 'high-water', 'lock.db', 'log.db']);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  test('whose parent is missing is refused', async () => {
    await expect(openLog(join(directory, 'deeper'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('does not exist'),
    });
  });

  test('that is a file is refused', async () => {
    await writeFile(directory, 'a file');
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('is a file'),
    });
  });

  test('below a file is refused', async () => {
    await writeFile(directory, 'a file');
    await expect(openLog(join(directory, 'below'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('that nothing can be written to is refused (faults F42)', async () => {
    // Root may write everywhere, except where the kernel itself says no.
    const readOnly = process.getuid?.() === 0 ? '/sys/kernel' : directory;
    if (readOnly === directory) {
      await mkdir(directory, { mode: 0o500 });
    }
    await expect(openLog(readOnly)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(readOnly),
    });
  });

  test('without a log cannot be verified, and none is made', async () => {
    await mkdir(directory);
    await expect(verifySqliteLog(directory)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(verifySqliteLog(join(root, 'missing'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await readdir(directory)).toEqual([]);
  });
});
