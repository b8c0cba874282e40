// The scripts that start everything else: they pass on signals and exit codes, refuse an old Node in words, and count.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { cacheDirectory } from '../../src/dev/engines/cache.ts';
import { eventually } from '../support/eventually.ts';
import { isAlive } from '../support/processes.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly complaint: string;
}

const children: ChildProcess[] = [];
const programs: number[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
  }
  for (const pid of programs.splice(0)) {
    if (await isAlive(pid)) {
      process.kill(pid, 'SIGKILL');
    }
  }
});

/** Starts this Node with `args` and collects what it says. */
function startNode(args: readonly string[]): { child: ChildProcess; output: () => string; ended: Promise<Ended> } {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output, complaint }) as Ended);
  return { child, output: () => output, ended };
}

const script = (name: string): string => JSON.stringify(join(ROOT, 'scripts', name));

/** A launcher around the program `text`, which says its pid when its signal handlers are in place. */
function launch(text: string, options: object = {}): ReturnType<typeof startNode> {
  const program = `${text}; process.stdout.write(process.pid + '\\n');`;
  const run = `await runNode(process.execPath, ['-e', ${JSON.stringify(program)}], ${JSON.stringify(options)})`;
  const launcher = `import { runNode } from ${script('run-node.mjs')}; process.exitCode = ${run};`;
  return startNode(['--input-type=module', '-e', launcher]);
}

async function programPid(launched: ReturnType<typeof startNode>): Promise<number> {
  const pid = await eventually('the program says its pid', () =>
    launched.output().includes('\n') ? Number.parseInt(launched.output(), 10) : false,
  );
  programs.push(pid);
  return pid;
}

describe('a launched program', () => {
  test("ends with its own exit code as the launcher's", async () => {
    const { ended } = launch('process.exitCode = 7;');
    expect((await ended).code).toBe(7);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('hears the %s that the launcher gets', async (signal) => {
    const launched = launch(`process.on('${signal}', () => process.exit(3)); setInterval(() => {}, 1000);`);
    await programPid(launched);
    launched.child.kill(signal);
    expect(await launched.ended).toMatchObject({ code: 3, signal: null });
  });

  test('killed by a signal, it ends the launcher by the same signal', async () => {
    const launched = launch('setInterval(() => {}, 1000);');
    process.kill(await programPid(launched), 'SIGKILL');
    expect(await launched.ended).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  test('that does not end within its time is ended, and has failed whatever it says then', async () => {
    const options = { keepGoing: true, withinMs: 1_000 };
    const launched = launch(`process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000);`, options);
    const pid = await programPid(launched);
    const { code, complaint } = await launched.ended;
    expect({ code, complaint }).toEqual({ code: 1, complaint: 'not ended after 1 s, so it is ended now\n' });
    expect(await isAlive(pid)).toBe(false);
  });

  test('hears SIGTERM when the launcher is killed and cannot pass anything on', async () => {
    const launched = launch(`process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000);`);
    const pid = await programPid(launched);
    launched.child.kill('SIGKILL');
    await eventually('the program ends', async () => !(await isAlive(pid)));
  });
});

test('the command on an old Node says which one it needs, before anything is imported', async () => {
  const old = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } });`;
  const { code, output, complaint } = await startNode(['--import', old, join(ROOT, 'bin', 'concordat.mjs')]).ended;
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(complaint).toMatch(/^concordat needs Node 24\.11 or newer, and this is v[^\n]*\n$/);
});

test('the scripts and the engines use the same cache', async () => {
  const { output } = await startNode([
    '--input-type=module',
    '-e',
    `import { cacheDirectory } from ${script('setup.mjs')}; process.stdout.write(cacheDirectory());`,
  ]).ended;
  expect(output).toBe(cacheDirectory());
});

describe('the last line of the whole check', () => {
  const passing = { status: 'passed', assertionResults: [{ status: 'passed' }, { status: 'skipped' }] };
  const failing = { status: 'failed', assertionResults: [{ status: 'passed' }, { status: 'failed' }] };
  const unloadable = { status: 'failed', assertionResults: [] };
  const ok = 'ok     format and lint\nok     types\n';

  test.each([
    { name: 'all passed', files: [passing], exitCode: '0', checks: ok, line: '3 passed, 0 failed', code: 0 },
    {
      name: 'a test failed',
      files: [passing, failing],
      exitCode: '1',
      checks: ok,
      line: '4 passed, 1 failed',
      code: 1,
    },
    {
      name: 'a file could not be loaded',
      files: [failing, unloadable],
      exitCode: '1',
      checks: ok,
      line: '3 passed, 2 failed',
      code: 1,
    },
    {
      name: 'an error outside of every test',
      files: [passing],
      exitCode: '1',
      checks: ok,
      line: '3 passed, 1 failed',
      code: 1,
    },
    { name: 'no test ran', files: [], exitCode: '0', checks: ok, line: '2 passed, 1 failed', code: 1 },
    { name: 'no report', files: undefined, exitCode: '1', checks: ok, line: '2 passed, 1 failed', code: 1 },
    {
      name: 'a check failed',
      files: [passing],
      exitCode: '0',
      checks: ok.replace('ok    ', 'FAILED'),
      line: '2 passed, 1 failed',
      code: 1,
    },
    { name: 'no check ran', files: [passing], exitCode: '0', checks: '', line: '1 passed, 1 failed', code: 1 },
  ])('$name: $line', async ({ files, exitCode, checks, line, code }) => {
    const directory = await mkdtemp(join(inject('runDirectory'), 'count-'));
    if (files !== undefined) {
      await writeFile(join(directory, 'tests.json'), JSON.stringify({ testResults: files }));
    }
    await writeFile(join(directory, 'static.txt'), checks);
    const args = [join(directory, 'tests.json'), exitCode, join(directory, 'static.txt')];
    const ended = await startNode([join(ROOT, 'scripts', 'count.mjs'), ...args]).ended;
    expect(ended).toMatchObject({ code, output: `${line}\n` });
  });
});
