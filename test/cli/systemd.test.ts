// deploy/systemd: the units start what the command line has, with options that it knows.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';

const FOLDER = new URL('../../deploy/systemd/', import.meta.url);
const UNITS = readdirSync(FOLDER);
const run = promisify(execFile);

function unit(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8');
}

it('there is one for the coordinator, and one for each sidecar', () => {
  expect(UNITS).toEqual(['concordat-coordinator.service', 'concordat-participant@.service']);
});

describe.each(UNITS)('%s', (name) => {
  it('starts a command with options that it has', async () => {
    const [binary, program, ...words] = (/^ExecStart=(.*)$/m.exec(unit(name))?.[1] ?? '').split(' ');
    expect(binary).toBe('/usr/bin/concordat');
    const entry = COMMANDS.find((each) => each.name === program);
    const command = new Command();
    (await entry?.load())?.(command);
    const options = words.filter((word) => word.startsWith('--'));
    expect(options.length).toBeGreaterThan(1);
    expect(command.options.map(({ long }) => long)).toEqual(expect.arrayContaining(options));
  });

  it('waits longer for the end than a drain takes, and leaves what only a person can fix alone', () => {
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit(name))?.[1])).toBeGreaterThan(20);
    expect(unit(name)).toMatch(/^RestartPreventExitStatus=2 [59]$/m);
  });

  it('is a unit that systemd takes', async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'concordat-units-'));
    try {
      // The command need not be installed where the test runs.
      const file = join(directory, basename(name));
      writeFileSync(file, unit(name).replace('/usr/bin/concordat', '/bin/true'));
      const said = await run('systemd-analyze', ['verify', file]).then(
        ({ stderr }) => stderr,
        (error: NodeJS.ErrnoException & { stderr?: string }) =>
          error.code === 'ENOENT' ? context.skip('systemd is not here') : String(error.stderr || error),
      );
      expect(said.split('\n').filter((line) => line.includes('concordat'))).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
