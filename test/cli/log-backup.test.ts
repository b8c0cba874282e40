// The command `log backup`: on which machine its path is taken.
import { expect, it } from 'vitest';
import { ask } from './ask.ts';
import { runCli } from './run-cli.ts';
import type { Handler } from './scripted-coordinator.ts';

it('a relative path for a backup is taken on this machine and refused for another', async () => {
  const BackupLog: Handler = ({ path }) => ({ path, bytes: 1, lastSequence: 1 });
  const here = await ask(['log', 'backup', 'a.db'], { BackupLog }, { cwd: '/tmp' });
  expect(here.calls.at(-1)?.request).toEqual({ path: '/tmp/a.db' });
  const there = await runCli(['log', 'backup', 'a.db', '--coordinator', 'db.example.org:7420']);
  expect(there.exit).toBe(2);
  expect(there.stderr).toContain('Give an absolute path');
});
