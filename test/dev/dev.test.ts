// `concordat dev` at the hands of somebody who has just found it: who ends it early, closes the terminal, or lacks something.
import { chmod, mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { installNpmPackage } from '../../src/dev/engines/npm-package.ts';
import { EXIT } from '../../src/xa/errors.ts';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { processesIn } from '../support/processes.ts';
import { type Started, start } from '../support/started.ts';

const COMMAND = join(import.meta.dirname, '../../bin/concordat.mjs');
/** Everything runs. */
const UP = /one coordinator on/;
/** On a machine that does much else. */
const PATIENCE_MS = 120_000;

// A whole playground each, beside another worker.
vi.setConfig({ testTimeout: 2 * PATIENCE_MS });

let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(inject('runDirectory'), 'dev-'));
  // As everybody's is: the databases of root run as somebody else.
  await chmod(temporary, 0o777);
});

const started: Started[] = [];
afterEach(() => {
  for (const program of started.splice(0)) {
    program.kill();
  }
});

/** With a temporary folder of its own, and through `wrapper`, if there is one. */
function dev(
  options: { args?: readonly string[]; env?: NodeJS.ProcessEnv; wrapper?: readonly string[] } = {},
): Started {
  const [file = '', ...args] = [...(options.wrapper ?? []), process.execPath, COMMAND, 'dev', ...(options.args ?? [])];
  const all = options.args === undefined ? [...args, '--listen', '127.0.0.1:0'] : args;
  const program = start(file, all, temporary, { TMPDIR: temporary, ...options.env });
  started.push(program);
  return program;
}

const said = (program: Started, what: RegExp): Promise<unknown> =>
  eventually(`it says ${what}`, () => what.test(program.output()), PATIENCE_MS).catch((cause) => {
    throw new Error(program.output(), { cause });
  });

async function nothingLeft(): Promise<void> {
  await eventually(
    'no file and no process is left',
    async () => {
      const files = (await readdir(temporary)).filter((name) => name.startsWith('concordat-'));
      return files.length === 0 && (await processesIn(temporary)).length === 0;
    },
    PATIENCE_MS,
  );
}

describe('ended before its time it leaves nothing', () => {
  // Not used itself: where there is no database these tests are skipped, too.
  useEngine('postgresql-18');

  test('by Ctrl-C while it is still starting', async () => {
    const program = dev();
    await said(program, /Setting the scene/);
    program.signal('SIGINT');
    expect(await program.ended).not.toBe(0);
    await nothingLeft();
  });

  test('by a second Ctrl-C, which ends it at once', async () => {
    const program = dev();
    await said(program, UP);
    program.signal('SIGINT');
    await said(program, /Stopping\./);
    program.signal('SIGINT');
    await program.ended;
    await nothingLeft();
  });

  test('by a reader that has read enough, as `| head` has', async () => {
    const program = dev();
    await said(program, /Setting the scene/);
    program.stopReading();
    await program.ended;
    await nothingLeft();
  });

  test('by its terminal, which is closed', async () => {
    const program = dev();
    await said(program, UP);
    program.signal('SIGHUP');
    await program.ended;
    expect(program.output()).toMatch(/Stopping\.\n$/);
    await nothingLeft();
  });

  test('by SIGKILL', async () => {
    const program = dev();
    await said(program, UP);
    program.kill();
    await program.ended;
    await nothingLeft();
  });
});

describe('what the machine lacks is told in a sentence, with what to do, and is no bug', () => {
  const told = async (program: Started): Promise<string> => {
    expect(await program.ended).toBe(EXIT.unavailable);
    expect(program.output()).not.toMatch(/bug|at .*\.ts:/i);
    return program.output();
  };

  test('a cache that cannot be written to', async () => {
    expect(await told(dev({ env: { CONCORDAT_CACHE: '/dev/null/cache' } }))).toMatch(
      /\nError PLAYGROUND: The playground cannot write to \/dev\/null\/cache\S* \(ENOTDIR\)\.\nNext: .*CONCORDAT_CACHE/,
    );
    await nothingLeft();
  });

  test('a temporary folder that cannot be written to', async () => {
    expect(await told(dev({ env: { TMPDIR: '/dev/null' } }))).toMatch(/cannot write to \/dev\/null\S* \(ENOTDIR\)/);
  });

  test.skipIf(process.getuid?.() !== 0)('an account without a name, as a container may have', async () => {
    const wrapper = ['setpriv', '--reuid', '4711', '--clear-groups'];
    const env = { CONCORDAT_CACHE: join(temporary, 'cache'), HOME: undefined };
    expect(await told(dev({ wrapper, env }))).toMatch(
      /Error PLAYGROUND: PostgreSQL cannot run as user id 4711, .*useradd --uid 4711/,
    );
    expect(await told(dev({ wrapper, env: { ...env, CONCORDAT_CACHE: undefined } }))).toMatch(
      /Error PLAYGROUND: (This account has no home|The playground cannot write|PostgreSQL cannot run)/,
    );
  });

  test('no network: npm’s own words, and how to look', async () => {
    const before = process.env['npm_config_registry'];
    Object.assign(process.env, { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' });
    try {
      const wanted = { name: 'left-pad', version: '1.3.0', integrity: 'sha512-AAAA' };
      await expect(installNpmPackage(wanted, join(temporary, 'fetched'))).rejects.toThrow(
        /^left-pad could not be fetched from your npm registry \(.*ECONNREFUSED.*\): check that `npm view left-pad version` works/,
      );
    } finally {
      delete process.env['npm_config_fetch_retries'];
      if (before === undefined) {
        delete process.env['npm_config_registry'];
      } else {
        process.env['npm_config_registry'] = before;
      }
    }
  });
});
