// The thread of a backup. One step of the backup API copies one state of the log, while the log goes on in its own lanes.
import { rmSync, statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../../lib/assert.ts';
import { CoordinatorError } from '../../../xa/errors.ts';
import type { Life } from '../../chain.ts';
import { lackingUpTo } from '../../horizon.ts';
import { openReader, openWriter } from '../file/connection.ts';
import { syncFile } from '../file/files.ts';
import type { HighWater } from '../file/high-water.ts';
import { lifeValues, readLife, UPDATE_LIFE } from '../file/schema.ts';
import { headOf } from '../history/inspect.ts';
import type { BackupData, BackupResult } from './backup.ts';
import { verifyFile } from './verify.ts';

const { from, to } = workerData as BackupData;
/** All at once: a copy in parts starts again whenever the log is written between two of them. */
const ALL_PAGES = 2 ** 31 - 1;
const WAL_PAGES_MAX = 1_000;
const BESIDE = [`${to}-wal`, `${to}-shm`];

async function copy(): Promise<BackupResult> {
  const source = openReader(from);
  try {
    await source.backup(to, { progress: () => ALL_PAGES });
  } finally {
    source.close();
  }
  markAsCopy();
  const end = await verified();
  // Reading left an empty WAL and an index beside the copy, which is one file.
  remove(BESIDE);
  syncFile(to);
  return { kind: 'copied', bytes: statSync(to).size, end };
}

/**
 * What the copied log decided after the copy was made, the copy does not know: if it is ever started, its silence about the
 * lives up to then proves nothing (no presumed abort). It takes the epoch that the copied log left out for it.
 */
function markAsCopy(): void {
  const db = openWriter(to, WAL_PAGES_MAX);
  try {
    const life = readLife(db);
    assert(typeof life !== 'string', `the copy is damaged: ${String(life)}`);
    const { epoch } = life;
    const copied: Life = { ...life, nextEpoch: epoch + 1, token: '', ...lackingUpTo(epoch) };
    db.prepare(UPDATE_LIFE).run(...lifeValues(copied), epoch);
  } finally {
    // The last connection checkpoints and removes the WAL of the copy.
    db.close();
  }
}

async function verified(): Promise<HighWater> {
  const verification = await verifyFile(to, undefined);
  const [problem] = verification.problems;
  if (verification.image === undefined || problem !== undefined) {
    throw new CoordinatorError('LOG_DAMAGED', problem?.message ?? 'the copy cannot be read');
  }
  return { identity: verification.image.life.identity, ...headOf(verification.image) };
}

function remove(paths: readonly string[]): void {
  for (const path of paths) {
    rmSync(path, { force: true });
  }
}

assert(parentPort !== null, 'the backup worker is not a program');
const port = parentPort;
copy().then(
  (result) => port.postMessage(result),
  (error: unknown) => {
    const { code } = error as { readonly code?: unknown };
    const failed: BackupResult = { kind: 'failed', message: String(error), code: typeof code === 'string' ? code : '' };
    port.postMessage(failed);
  },
);
