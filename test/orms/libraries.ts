// The libraries of this folder's own package: installed when a test first needs them, from the npm registry, and kept.
import { execFile } from 'node:child_process';
import { mkdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, beforeEach } from 'vitest';
import { eventually } from '../support/eventually.ts';

const HERE = import.meta.dirname;
const INSTALL_MS = 240_000;
const STAMP = join(HERE, 'node_modules', '.installed');
const LOCK = join(HERE, '.installing');

const load = createRequire(join(HERE, 'package.json'));

/** Libraries differ in how they export; each use says what it takes of one. */
export function library<Shape>(name: string): Shape {
  return load(name) as Shape;
}

/** Installs what the lock file says, unless it is there. Where the registry cannot be reached the tests are skipped; with CI=true they fail. */
export function useLibraries(): void {
  let missing: string | undefined;

  beforeAll(async () => {
    if (process.env['CONCORDAT_TEST_ENGINES'] === 'off') {
      missing = 'engines are off in this run, and the libraries are of no use without them';
      return;
    }
    try {
      await install();
    } catch (error) {
      if (process.env['CI'] === 'true') {
        throw error;
      }
      missing = `the ORMs could not be installed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }, INSTALL_MS);

  beforeEach((context) => {
    if (missing !== undefined) {
      context.skip(missing);
    }
  });
}

async function install(): Promise<void> {
  const wanted = await readFile(join(HERE, 'package-lock.json'), 'utf8');
  const isThere = async (): Promise<boolean> => (await readFile(STAMP, 'utf8').catch(() => '')) === wanted;
  if (await isThere()) {
    return;
  }
  // Test files run side by side: one of them installs. A run that was killed in the middle leaves its lock behind.
  const age = await stat(LOCK).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (age > INSTALL_MS) {
    await rmdir(LOCK).catch(() => undefined);
  }
  const isMine = await mkdir(LOCK).then(
    () => true,
    () => false,
  );
  if (!isMine) {
    await eventually('another test file has installed the libraries', isThere, INSTALL_MS);
    return;
  }
  try {
    // Nothing is built or downloaded beside the packages themselves.
    const options = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    await promisify(execFile)('npm', options, { cwd: HERE, timeout: INSTALL_MS });
    await writeFile(STAMP, wanted);
  } finally {
    await rmdir(LOCK);
  }
}
