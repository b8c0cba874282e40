// A Python with gRPC for tests: the machine's own where it has Debian's packages, else those packages unpacked into the cache, without root.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, beforeEach } from 'vitest';
import { cached } from '../../src/dev/engines/cache.ts';
import { openTree, unpackDebian } from '../../src/dev/engines/debian.ts';
import { EngineUnavailableError } from '../../src/dev/engines/unavailable.ts';

/** How a Python is started: its file and first words, and what it needs in its environment. */
export interface Python {
  readonly command: readonly [file: string, ...args: string[]];
  readonly environment: Readonly<Record<string, string>>;
}

/** The last one is needed by the second, whose package does not say so. */
const PACKAGES = ['python3-grpcio', 'python3-grpc-tools', 'python3-pkg-resources'];
const NEEDS = 'import grpc, grpc_tools.protoc, google.protobuf';
const FETCH_MS = 300_000;

/** The Python of the surrounding `describe` or file. Where apt cannot fetch one the tests are skipped; with CI=true they fail. */
export function usePython(): { readonly python: Python } {
  let found: Python | undefined;
  let missing: string | undefined;

  beforeAll(async () => {
    try {
      found = (await ownPython()) ?? (await unpackedPython());
    } catch (error) {
      if (!(error instanceof EngineUnavailableError) || process.env['CI'] === 'true') {
        throw error;
      }
      missing = error.message;
    }
  }, FETCH_MS);

  beforeEach((context) => {
    if (missing !== undefined) {
      context.skip(missing);
    }
  });

  return {
    get python() {
      if (found === undefined) {
        throw new Error('Python is not there yet: use it in tests and hooks only');
      }
      return found;
    },
  };
}

async function ownPython(): Promise<Python | undefined> {
  for (const file of ['python3', '/usr/bin/python3']) {
    const python: Python = { command: [file], environment: {} };
    if (await fits(python)) {
      return python;
    }
  }
  return undefined;
}

async function unpackedPython(): Promise<Python> {
  const root = await cached('python-grpc', (directory) =>
    unpackDebian({ packages: PACKAGES, release: 'own', directory, withPrograms: true }),
  );
  const tree = await openTree(root);
  const home = join(root, 'usr');
  const python: Python = {
    command: tree.command('usr/bin/python3'),
    environment: { PYTHONHOME: home, PYTHONPATH: join(home, 'lib', 'python3', 'dist-packages') },
  };
  if (!(await fits(python))) {
    throw new Error(`the Python in ${root} does not start: remove that folder, and it is made again`);
  }
  return python;
}

async function fits(python: Python): Promise<boolean> {
  return await runPython(python, ['-c', NEEDS]).then(
    () => true,
    () => false,
  );
}

/** @returns what it printed. @throws {Error} with `code`, `stdout` and `stderr`: it ended otherwise than with 0. */
export async function runPython(
  { command: [file, ...first], environment }: Python,
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(file, [...first, ...args], {
    timeout: options.timeoutMs ?? 60_000,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...environment, ...options.env },
  });
  return stdout;
}
