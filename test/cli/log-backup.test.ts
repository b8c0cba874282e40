// The command `log backup`: a name for the backup, and no place.
import { expect, it } from 'vitest';
import { ask } from './ask.ts';
import { runCli } from './run-cli.ts';
import type { Handler } from './scripted-coordinator.ts';

it('a backup has a plain name, and its place is the coordinator’s (security X11)', async () => {
  const BackupLog: Handler = ({ path }) => ({ path: `/backups/${path}`, bytes: 1, lastSequence: 1 });
  const here = await ask(['log', 'backup', 'a.db'], { BackupLog }, { cwd: '/tmp' });
  expect(here.calls.at(-1)?.request).toEqual({ path: 'a.db' });
  expect(here.stdout).toContain('/backups/a.db');
  const there = await runCli(['log', 'backup', '../a.db', '--coordinator', 'db.example.org:7420']);
  expect(there.exit).toBe(2);
  expect(there.stderr).toContain('Give a plain name');
});
