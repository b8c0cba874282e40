// `concordat completion`: what a shell proposes is what the command line knows.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { runCli } from './run-cli.ts';

const run = promisify(execFile);

let script = '';
beforeAll(async () => {
  const printed = await runCli(['completion', 'bash']);
  expect(printed).toMatchObject({ exit: 0, stderr: '' });
  script = printed.stdout;
});

/** What bash proposes for the last of these words. */
async function proposals(...words: readonly string[]): Promise<readonly string[]> {
  const typed = ['concordat', ...words].map((word) => `'${word}'`).join(' ');
  const asking = `COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _concordat; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('bash', ['--norc', '-euc', `${script}\n${asking}`]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('completion bash', () => {
  it('proposes every command, and what begins as it was typed', async () => {
    expect(await proposals('')).toEqual(expect.arrayContaining(COMMANDS.map(({ name }) => name)));
    expect(await proposals('comp')).toEqual(['completion']);
  });

  it('proposes subcommands and options of the command that was typed, also behind its other options', async () => {
    expect(await proposals('tx', 'res')).toEqual(['resolve']);
    expect(await proposals('tx', 'list', '--older')).toEqual(['--older-than']);
    expect(await proposals('--output', 'json', 'tx', 'list', '--older')).toEqual(['--older-than']);
    expect(await proposals('coordinator', '--data')).toEqual(['--data-dir']);
    expect(await proposals('status', '--older')).toEqual([]);
  });

  it('leaves the value of an option to the shell, which knows the files', async () => {
    expect(await proposals('coordinator', '--data-dir', '')).toEqual([]);
  });
});

it.each(['zsh', 'fish'])('completion %s names every command and its options', async (shell) => {
  const { stdout, exit } = await runCli(['completion', shell]);
  expect(exit).toBe(0);
  for (const { name } of COMMANDS) {
    expect(stdout).toContain(shell === 'zsh' ? `'${name}:` : ` -a ${name} -d '`);
  }
  expect(stdout).toContain(shell === 'zsh' ? "'--older-than:" : ' -l older-than -r ');
  // Every single quote is one of a pair, on its line.
  for (const line of stdout.split('\n')) {
    expect(line.split("'").length % 2, line).toBe(1);
  }
});
