// The command `log backup`: a name for the backup, and no place.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import { decided, gtridOf } from '../log/records.ts';
import { ask } from './ask.ts';
import { runCli } from './run-cli.ts';
import type { Handler } from './scripted-coordinator.ts';

describe('log restore', () => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'concordat-restore-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** A backup of a log with one decision. */
  async function backup(): Promise<string> {
    const options = { directory: join(root, 'first'), clock: systemClock, random: systemRandom, version: 'test' };
    await using log = await openSqliteLog(options);
    await log.append([decided(gtridOf(log, 1))], 'forced');
    await log.backup(join(root, 'backup'));
    return join(root, 'backup');
  }

  it('puts a backup in place as one directory, which verifies before and after, and says what it lacks', async () => {
    const from = await backup();
    const to = join(root, 'second');
    expect(await runCli(['log', 'verify', '--data-dir', from])).toMatchObject({ exit: 0 });
    const restored = await runCli(['log', 'restore', from, '--data-dir', to]);
    expect(restored).toMatchObject({ exit: 0, stderr: '' });
    expect(restored.stdout).toContain('every decision after record 2 of epoch 1 is missing here');
    expect(restored.stdout).toContain('EPOCH_STALE');
    expect(await runCli(['log', 'verify', '--data-dir', to])).toMatchObject({ exit: 0 });
    expect((await stat(to)).mode & 0o777).toBe(0o700);
    const log = await openSqliteLog({ directory: to, clock: systemClock, random: systemRandom, version: 'test' });
    expect(log.recovered).toMatchObject({ lostTo: 1, unfinished: [{ kind: 'decided' }] });
    await log[Symbol.asyncDispose]();
  });

  it('replaces no log, and takes no backup that does not verify: nothing is changed', async () => {
    const from = await backup();
    const there = await runCli(['log', 'restore', from, '--data-dir', join(root, 'first')]);
    expect(there).toMatchObject({ exit: 2, stderr: expect.stringContaining('Move it aside and keep it: mv') });
    const to = join(root, 'second');
    const bytes = await readFile(join(from, 'log.db'));
    await writeFile(join(from, 'log.db'), bytes.subarray(0, bytes.length - 4_096));
    const damaged = await runCli(['log', 'restore', from, '--data-dir', to]);
    expect(damaged).toMatchObject({ exit: 9, stderr: expect.stringContaining('is not restored') });
    await expect(stat(to)).rejects.toThrow();
    expect(await runCli(['log', 'restore', root, '--data-dir', to])).toMatchObject({ exit: 2 });
  });
});

it('a backup has a plain name, and its place is the coordinator’s (security X11)', async () => {
  const BackupLog: Handler = ({ path }) => ({ path: `/backups/${path}`, bytes: 1, lastSequence: 1 });
  const here = await ask(['log', 'backup', 'a.db'], { BackupLog }, { cwd: '/tmp' });
  expect(here.calls.at(-1)?.request).toEqual({ path: 'a.db' });
  expect(here.stdout).toContain('/backups/a.db');
  const there = await runCli(['log', 'backup', '../a.db', '--coordinator', 'db.example.org:7420']);
  expect(there.exit).toBe(2);
  expect(there.stderr).toContain('Give a plain name');
});
