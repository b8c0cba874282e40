// The cache of things that are slow to make: server binaries and initialised data directories.
// Any number of processes share it: an entry is made under a private name and appears whole, by one rename.
import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { systemRandom } from '../../lib/random.ts';
import { isRoot } from './account.ts';
import { EngineUnavailableError } from './unavailable.ts';

/**
 * `$CONCORDAT_CACHE`, else for root /var/cache/concordat (its home is closed to the user that runs PostgreSQL), else
 * `$XDG_CACHE_HOME/concordat` or `~/.cache/concordat`. `scripts/setup.mjs` repeats this rule.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = environment['CONCORDAT_CACHE'];
  if (chosen) {
    return resolve(chosen);
  }
  if (isRoot()) {
    return '/var/cache/concordat';
  }
  return join(environment['XDG_CACHE_HOME'] || join(home(), '.cache'), 'concordat');
}

/** @throws {EngineUnavailableError} the system knows none for this account, and `HOME` does not say it either. */
function home(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new EngineUnavailableError(
      'This account has no home on this machine: set CONCORDAT_CACHE to a folder that it may write to.',
      { cause },
    );
  }
}

/**
 * The absolute path of the cache entry `name`, made by `make` if it is not there yet.
 *
 * `make` fills the empty directory that it is given. What a killed process left half made never carries the entry's
 * name, so it is never used; the next maker removes it.
 */
export async function cached(name: string, make: (directory: string) => Promise<void>): Promise<string> {
  const entry = join(cacheDirectory(), name);
  if (await exists(entry)) {
    return entry;
  }
  await mkdir(dirname(entry), { recursive: true });
  if (isRoot()) {
    await chmod(cacheDirectory(), 0o755);
  }
  await using lock = await lockFile(join(dirname(entry), `.${basename(entry)}.lock`));
  if (await exists(entry)) {
    return entry;
  }
  if (lock.held) {
    await removeLeftovers(entry);
  }
  const partial = `${entry}.partial-${process.pid}-${systemRandom.base32(6)}`;
  await mkdir(partial);
  await chmod(partial, 0o755);
  try {
    await make(partial);
    await rename(partial, entry);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    // Without a lock another process may have been faster; its entry is as good as ours.
    if (!(await exists(entry))) {
      throw error;
    }
  }
  return entry;
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function removeLeftovers(entry: string): Promise<void> {
  for (const name of await readdir(dirname(entry))) {
    if (name.startsWith(`${basename(entry)}.partial-`)) {
      await rm(join(dirname(entry), name), { recursive: true, force: true });
    }
  }
}

interface Lock extends AsyncDisposable {
  readonly held: boolean;
}

/**
 * Holds `path` exclusively. The lock belongs to a `flock` process that lives as long as our end of its standard input, so
 * the kernel frees it however we end. Where flock is missing nothing is held: the rename keeps entries whole anyway, and
 * the only price is that two processes may do the same work.
 */
async function lockFile(path: string): Promise<Lock> {
  const child = spawn('flock', [path, 'sh', '-c', 'echo held; read -r _'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
  });
  const ended = new Promise<void>((done) => {
    child.once('error', () => done());
    child.once('close', () => done());
  });
  child.stdin.on('error', () => {
    // The process is gone already; then there is nothing to let go of.
  });
  const answered = new Promise<boolean>((done) => {
    child.stdout.once('data', () => done(true));
  });
  const held = await Promise.race([answered, ended.then(() => false)]);
  return {
    held,
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
