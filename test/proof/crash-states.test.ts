// The power fails at any moment of several lives of the log: the proof of `npm run crash-states`, in a size for every run of the tests.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CRASH_STATES, proveCrashStates } from '../../proof/disk/crash-states.ts';
import { dice } from '../../proof/disk/dice.ts';
import { Disk } from '../../proof/disk/disk.ts';
import { silence } from '../../proof/disk/progress.ts';
import { fatesOf } from '../../proof/disk/states.ts';
import { TraceReader } from '../../proof/disk/trace.ts';
import { skipWithoutStrace } from '../log/children/run.ts';

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

describe('the model of a disk', () => {
  /** Every different directory that a power cut may leave, as text. */
  function left(disk: Disk): readonly string[] {
    const states = [...fatesOf(disk.pending(), 1_000, dice(1))].map((fate) =>
      disk
        .after(fate)
        .map(({ name, bytes }) => `${name}=${text(bytes())}`)
        .join(' '),
    );
    return [...new Set(states)].sort();
  }

  test('loses, keeps and tears what was not synced, and nothing else', () => {
    const disk = new Disk();
    disk.apply({ kind: 'names', changes: [['a', 1]] });
    disk.apply({ kind: 'write', inode: 1, offset: 0, bytes: Buffer.from('x') });
    disk.apply({ kind: 'sync', inode: 1 });
    expect(left(disk)).toEqual(['', 'a=x']);
    disk.apply({ kind: 'sync-names' });
    expect(left(disk)).toEqual(['a=x']);
    disk.apply({ kind: 'write', inode: 1, offset: 0, bytes: Buffer.from(`${'p'.repeat(512)}q`) });
    const states = new Set(left(disk));
    for (const state of [
      'x',
      'p'.repeat(512),
      `${'p'.repeat(512)}q`,
      `${'p'.repeat(512)}\0`,
      `x${'\0'.repeat(511)}q`,
    ]) {
      expect(states).toContain(`a=${state}`);
    }
    disk.apply({ kind: 'sync', inode: 1 });
    expect(left(disk)).toEqual([`a=${'p'.repeat(512)}q`]);
  });

  test('has a renamed file under one of its names, and keeps the replaced one until the directory is synced', () => {
    const disk = new Disk();
    for (const [name, inode] of [
      ['old', 1],
      ['new', 2],
    ] as const) {
      disk.apply({ kind: 'names', changes: [[name, inode]] });
      disk.apply({ kind: 'write', inode, offset: 0, bytes: Buffer.from(name) });
      disk.apply({ kind: 'sync', inode });
    }
    disk.apply({ kind: 'sync-names' });
    disk.apply({
      kind: 'names',
      changes: [
        ['new', undefined],
        ['old', 2],
      ],
    });
    expect(left(disk)).toEqual(['old=new', 'old=old new=new']);
    disk.apply({ kind: 'sync-names' });
    expect(left(disk)).toEqual(['old=new']);
  });

  test('refuses a recording with a call that it does not know', () => {
    const hex = (path: string): string => [...Buffer.from(path)].map((byte) => `\\x${byte.toString(16)}`).join('');
    const reader = new TraceReader('/d');
    const opened = `7 openat(AT_FDCWD, "${hex('/d/a')}", O_RDWR|O_CREAT, 0600) = 9`;
    expect(reader.read(opened)).toEqual([{ kind: 'names', changes: [['a', 1]] }]);
    expect(() => reader.read(`${opened}\n7 fallocate(9, 0, 0, 100) = 0`)).toThrow('fallocate');
  });
});

describe.skipIf(skipWithoutStrace)('the log after a power cut', () => {
  const small = { ...CRASH_STATES, lives: 3, transactions: 16, processes: 2, startOneIn: 100 };

  test('at any moment has everything that was acknowledged, nothing else, and starts (faults F34 F35, conformance C14)', {
    timeout: 120_000,
  }, async () => {
    const report = await proveCrashStates({ ...small, states: 2_000 }, silence);
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ lost: 0, invented: 0, refused: 0 });
    expect(report.states).toBeGreaterThan(1_000);
    expect(report.started).toBeGreaterThan(0);
    expect(report.syncs).toBeGreaterThan(60);
  });

  test.each(['wal', 'all'] as const)(
    'would be seen to lose decisions if syncs were not what they are: %s',
    async (lies) => {
      const report = await proveCrashStates({ ...small, lives: 1, states: 400, lies }, silence);
      expect(report.lost).toBeGreaterThan(0);
    },
  );
});

describe('the command', () => {
  const MAIN = join(import.meta.dirname, '..', '..', 'proof', 'disk', 'main.ts');

  test('says what it does, and refuses what it does not know in one sentence', async () => {
    const run = promisify(execFile);
    expect((await run(process.execPath, [MAIN, 'crash-states', '--help'])).stdout).toContain('--seed N');
    const noStrace = { env: { ...process.env, PATH: '/nowhere', CI: 'true' } };
    await expect(run(process.execPath, [MAIN, 'crash-states'], noStrace)).rejects.toMatchObject({
      code: 1,
      stderr: 'This needs strace, which is not installed: apt-get install --yes strace\n',
    });
  });
});
