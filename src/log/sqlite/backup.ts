// Backups: a thread of its own copies the log through SQLite's backup API, verifies the copy and makes it durable.
import { access, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CoordinatorError } from '../../xa/errors.ts';
import { syncDirectory } from './files.ts';
import type { HighWater } from './high-water.ts';
import { writeHighWater } from './high-water.ts';

export interface BackupReport {
  readonly bytes: number;
  readonly lastSequence: number;
}

export interface BackupData {
  /** The running log. */
  readonly from: string;
  /** A file that does not exist. */
  readonly to: string;
}

export type BackupResult =
  | { readonly kind: 'copied'; readonly bytes: number; readonly end: HighWater }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string };

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/**
 * Copies the running log at `from` to `path`, and the high-water mark of the copy to `<path>.high-water`. The log goes on
 * meanwhile. Either both files are there, verified and durable, or neither.
 * @throws {CoordinatorError} `FIELD_INVALID` when `path` exists or cannot be made; `LIMIT_DISK` when there is no room for it;
 *   `LOG_DAMAGED` when the copy does not verify.
 */
export async function backUp(from: string, path: string): Promise<BackupReport> {
  const target = resolve(path);
  await reserve(target);
  const partial = `${target}.partial`;
  try {
    const copied = await copyInThread({ from, to: partial });
    await writeHighWater(`${target}.high-water`, copied.end);
    await rename(partial, target);
    await syncDirectory(dirname(target));
    return { bytes: copied.bytes, lastSequence: copied.end.sequence };
  } catch (error) {
    await Promise.all([
      rm(target, { force: true }),
      rm(partial, { force: true }),
      rm(`${target}.high-water`, { force: true }),
    ]);
    throw error;
  }
}

/** Takes the name, so that nothing that exists is ever written over. */
async function reserve(target: string): Promise<void> {
  const taken = await access(`${target}.high-water`).then(
    () => true,
    () => false,
  );
  if (taken) {
    throw new CoordinatorError('FIELD_INVALID', `path: ${target}.high-water exists already`);
  }
  const handle = await open(target, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'exists already' : `cannot be made: ${error.message}`;
    throw new CoordinatorError('FIELD_INVALID', `path: ${target} ${why}`, { cause: error });
  });
  await handle.close();
}

async function copyInThread(data: BackupData): Promise<Extract<BackupResult, { kind: 'copied' }>> {
  const worker = new Worker(new URL(`./backup-worker.${EXTENSION}`, import.meta.url), { workerData: data });
  try {
    const result = await new Promise<BackupResult>((resolved, reject) => {
      worker.once('message', resolved);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the backup thread ended without an answer')));
    });
    if (result.kind === 'failed') {
      const full = result.code === 'SQLITE_FULL' || result.code === 'ENOSPC' || result.code === 'EDQUOT';
      const code = full ? 'LIMIT_DISK' : result.code === 'LOG_DAMAGED' ? 'LOG_DAMAGED' : 'INTERNAL';
      throw new CoordinatorError(code, `the backup failed: ${result.message}`);
    }
    return result;
  } finally {
    await worker.terminate();
  }
}
