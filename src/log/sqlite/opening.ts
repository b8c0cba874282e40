// The start of a log, in an order that lets nothing be believed, written or served before what it rests on was checked.
import { stat } from 'node:fs/promises';
import { assert } from '../../lib/assert.ts';
import type { Random } from '../../lib/random.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { IDENTITY_LENGTH, LIFE_TOKEN_LENGTH, parseLogIdentity } from '../../xa/xid.ts';
import type { Life } from '../chain.ts';
import type { Ledger } from '../ledger.ts';
import { nextLife } from '../next-life.ts';
import type { LogFiles } from './file/files.ts';
import { narrowFile, syncDirectory } from './file/files.ts';
import type { HighWater } from './file/high-water.ts';
import { readHighWater, writeHighWater } from './file/high-water.ts';
import type { FileWork } from './file/writer.ts';
import type { LogWorker } from './flush/log-worker.ts';
import type { LogImage } from './history/inspect.ts';
import { headOf } from './history/inspect.ts';
import { replay } from './history/replay.ts';

interface OpeningSettings {
  readonly files: LogFiles;
  readonly worker: LogWorker;
  readonly random: Random;
  readonly historyBytesMax: number;
  readonly acceptWithoutHighWater: boolean;
}

export interface OpenedLog {
  /** With this life's epoch, which is durable; of a refused log the last one. */
  readonly life: Life;
  readonly image: LogImage;
  readonly ledger: Ledger;
}

/**
 * Finds or makes the log, verifies it, begins a life, and makes everything that was read durable by a checkpoint.
 *
 * The checkpoint is not housekeeping: what was read may have been written by a life whose fsync failed, and may exist in the
 * page cache only. It is rewritten and synced before anybody acts on it.
 * @throws {CoordinatorError} `LOG_DAMAGED`, `LOG_FOREIGN`, `LOG_NEWER`: the file is left as it was found. `LOG_FAILED`.
 */
export async function beginLife(settings: OpeningSettings): Promise<OpenedLog> {
  const { files, worker } = settings;
  // Versions before 0.2 made them readable for everybody.
  for (const path of [files.log, `${files.log}-wal`, `${files.log}-shm`, files.highWater, files.ballast]) {
    narrowFile(path);
  }
  const mark = await findLog(settings);
  const inspection = await worker.request({
    kind: 'inspect',
    options: { highWater: mark, historyBytesMax: settings.historyBytesMax },
  });
  if (inspection.kind !== 'whole') {
    assert(inspection.kind === 'refused', 'an inspection answers whether the log is whole');
    throw new CoordinatorError(inspection.problem.code, inspection.problem.message);
  }
  const { image } = inspection;
  if (mark === undefined && image.life.epoch > 0 && !settings.acceptWithoutHighWater) {
    throw damaged(
      `${files.highWater} is missing or unreadable, so that it cannot be known whether the log is complete; restore it, or restore a backup with its own high-water file`,
    );
  }
  const replayed = await replay(image);
  if (replayed.kind === 'refused') {
    throw new CoordinatorError(replayed.problem.code, `${files.log}: ${replayed.problem.message}`);
  }
  if (mark === undefined) {
    // Before the first epoch: a life without a mark could not be told from one whose mark was lost.
    await writeHighWater(files.highWater, { identity: image.life.identity, ...headOf(image) });
    await syncDirectory(files.directory);
  }
  const { ledger } = replayed;
  const endUnknown = mark === undefined && image.life.epoch > 0;
  const token = settings.random.base32(LIFE_TOKEN_LENGTH);
  // A refused log begins no life: however often it is started, it does not grow into epochs that others have lived.
  const isRefused = ledger.refusals().length > 0;
  const life = isRefused ? image.life : nextLife(image.life, { token, endUnknown, adoptedTo: ledger.adoptedTo() });
  await worker.request({ kind: 'open' });
  if (!isRefused) {
    await perform(worker, { kind: 'change-life', life, from: image.life.epoch });
  }
  await perform(worker, { kind: 'checkpoint', mode: 'TRUNCATE' });
  return { life, image, ledger };
}

/** The high-water mark of the log, which exists when this resolves. */
async function findLog(settings: OpeningSettings): Promise<HighWater | undefined> {
  const { files, worker, random } = settings;
  const found = await readHighWater(files.highWater);
  const mark = typeof found === 'string' ? undefined : found;
  if (await exists(files.log)) {
    await refuseOtherNames(files.log);
    return mark;
  }
  if (found !== 'missing') {
    throw damaged(`${files.log} is gone, but ${files.highWater} says that a log was here; restore it, or a backup`);
  }
  if (await exists(`${files.log}-wal`)) {
    throw damaged(`${files.log} is gone, but its WAL is there; restore it, or a backup`);
  }
  const identity = parseLogIdentity(random.base32(IDENTITY_LENGTH));
  assert(identity !== undefined, 'random characters make a log identity');
  await worker.request({ kind: 'create', identity });
  return undefined;
}

/**
 * A hard link is no copy: what is written under one name changes the file of the other, which has a WAL and a lock of its own.
 * @throws {CoordinatorError} CONFIG_INVALID
 */
async function refuseOtherNames(path: string): Promise<void> {
  const { nlink } = await stat(path);
  if (nlink > 1) {
    throw new CoordinatorError(
      'CONFIG_INVALID',
      `${path} has ${nlink} names (hard links), so that a coordinator at another name would write into the same file. Next: make it a file of its own (cp it to a new name, and mv that over it), and make copies with \`concordat log backup\``,
    );
  }
}

async function perform(worker: LogWorker, work: FileWork): Promise<void> {
  await worker.request({ kind: 'work', work });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') {
        return false;
      }
      throw error;
    },
  );
}

function damaged(message: string): CoordinatorError {
  return new CoordinatorError('LOG_DAMAGED', message);
}
