// Backups: a thread of its own copies the log through SQLite's backup API, verifies the copy and makes it durable.
import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CoordinatorError } from '../../../xa/errors.ts';
import { logFiles, syncDirectory } from '../file/files.ts';
import type { HighWater } from '../file/high-water.ts';
import { encodeHighWater } from '../file/high-water.ts';

export interface BackupReport {
  readonly bytes: number;
  readonly lastSequence: number;
}

export interface BackupData {
  /** The running log. */
  readonly from: string;
  /** An empty file that was made for it. */
  readonly to: string;
}

export type BackupResult =
  | { readonly kind: 'copied'; readonly bytes: number; readonly end: HighWater }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string };

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** What the copy is called while it is made: a directory without its `log.db` is no backup. */
const PARTIAL = 'log.db.partial';

/**
 * Copies the running log at `from` into the new directory `path`: its `log.db`, and the copy's own `high-water`, as in a data directory. The
 * log goes on meanwhile. Either both files are there, verified and durable, or the directory is not. It is made by this call for its user
 * alone, and nothing else is written to or deleted, whatever lies at the name.
 * @throws {CoordinatorError} `FIELD_INVALID` when `path` exists or cannot be made; `LIMIT_DISK` when there is no room for it;
 *   `LOG_DAMAGED` when the copy does not verify.
 */
export async function backUp(from: string, path: string): Promise<BackupReport> {
  const { directory, log, highWater } = logFiles(path);
  await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'exists already' : `cannot be made: ${error.message}`;
    throw new CoordinatorError('FIELD_INVALID', `path: ${directory} ${why}`, { cause: error });
  });
  try {
    const partial = join(directory, PARTIAL);
    await makeNew(partial);
    await makeNew(highWater);
    const copied = await copyInThread({ from, to: partial });
    await writeNew(highWater, encodeHighWater(copied.end));
    await rename(partial, log);
    await syncDirectory(directory);
    await syncDirectory(dirname(directory));
    return { bytes: copied.bytes, lastSequence: copied.end.sequence };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** A file of this call, for its user alone. */
async function makeNew(file: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new CoordinatorError('FIELD_INVALID', `path: ${file} cannot be made: ${error.message}`, { cause: error });
  });
  await handle.close();
}

/** Fills a file that this call has made. */
async function writeNew(file: string, text: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
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
