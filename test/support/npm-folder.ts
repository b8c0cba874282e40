// The libraries of a folder's own package.json: installed when a test first needs them, from the npm registry, and kept.
import { execFile } from 'node:child_process';
import { mkdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, beforeEach } from 'vitest';
import { eventually } from './eventually.ts';

const INSTALL_MS = 240_000;

/** Libraries differ in how they export; each use says what it takes of one. */
export function library<Shape>(folder: string, name: string): Shape {
  return createRequire(join(folder, 'package.json'))(name) as Shape;
}

/**
 * Installs what the lock file of the folder says, unless it is there. Where the registry cannot be reached the tests are skipped; with CI=true
 * they fail.
 * @param useless why it need not be installed in this run.
 */
export function useNpmFolder(folder: string, useless?: string): void {
  let missing = useless;

  beforeAll(async () => {
    if (missing !== undefined) {
      return;
    }
    try {
      await install(folder);
    } catch (error) {
      if (process.env['CI'] === 'true') {
        throw error;
      }
      missing = `${folder} could not be installed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }, INSTALL_MS);

  beforeEach((context) => {
    if (missing !== undefined) {
      context.skip(missing);
    }
  });
}

/** Installs it; only the first that asks does. */
async function install(folder: string): Promise<void> {
  const stamp = join(folder, 'node_modules', '.installed');
  const lock = join(folder, '.installing');
  const wanted = await readFile(join(folder, 'package-lock.json'), 'utf8');
  const isThere = async (): Promise<boolean> => (await readFile(stamp, 'utf8').catch(() => '')) === wanted;
  if (await isThere()) {
    return;
  }
  // Test files run side by side: one of them installs. A run that was killed in the middle leaves its lock behind.
  const age = await stat(lock).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (age > INSTALL_MS) {
    await rmdir(lock).catch(() => undefined);
  }
  const isMine = await mkdir(lock).then(
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
    await promisify(execFile)('npm', options, { cwd: folder, timeout: INSTALL_MS });
    await writeFile(stamp, wanted);
  } finally {
    await rmdir(lock);
  }
}
