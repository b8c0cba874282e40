// Backups: a thread of its own copies the log through SQLite's backup API, verifies the copy and makes it durable.
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { systemRandom } from '../../../lib/random.ts';
import { CoordinatorError } from '../../../xa/errors.ts';
import { syncDirectory } from '../file/files.ts';
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

/** Characters of the name that a copy has while it is made. */
const PARTIAL_CHARS = 10;

/**
 * Copies the running log at `from` to `path`, and the high-water mark of the copy to `<path>.high-water`. The log goes on
 * meanwhile. Either both files are there, verified and durable, or neither. Every file is new, made by this call for its user alone, and
 * nothing else is written to or deleted, whatever lies at the names.
 * @throws {CoordinatorError} `FIELD_INVALID` when `path` exists or cannot be made; `LIMIT_DISK` when there is no room for it;
 *   `LOG_DAMAGED` when the copy does not verify.
 */
export async function backUp(from: string, path: string): Promise<BackupReport> {
  const target = resolve(path);
  const mark = `${target}.high-water`;
  const partial = `${target}.${systemRandom.base32(PARTIAL_CHARS)}.partial`;
  const made: string[] = [];
  try {
    for (const file of [target, mark, partial]) {
      await makeNew(file);
      made.push(file);
    }
    const copied = await copyInThread({ from, to: partial });
    await writeNew(mark, encodeHighWater(copied.end));
    await rename(partial, target);
    await syncDirectory(dirname(target));
    return { bytes: copied.bytes, lastSequence: copied.end.sequence };
  } catch (error) {
    await Promise.all(made.map((file) => rm(file, { force: true })));
    throw error;
  }
}

/** Takes the name, so that nothing that exists is ever written over, nor followed where it is a link. */
async function makeNew(file: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'exists already' : `cannot be made: ${error.message}`;
    throw new CoordinatorError('FIELD_INVALID', `path: ${file} ${why}`, { cause: error });
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
