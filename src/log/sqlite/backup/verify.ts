// The offline check of a log, from its first byte to its last: what `concordat log verify` shows.
import { stat } from 'node:fs/promises';
import { CoordinatorError } from '../../../xa/errors.ts';
import type { LogIdentity } from '../../../xa/xid.ts';
import { openReader } from '../file/connection.ts';
import { logFiles, requireDirectory } from '../file/files.ts';
import type { HighWater } from '../file/high-water.ts';
import { readHighWater } from '../file/high-water.ts';
import { takeLock } from '../file/lock.ts';
import { openingError } from '../flush/log-worker.ts';
import type { Problem } from '../history/chains.ts';
import type { LogImage } from '../history/inspect.ts';
import { headOf, inspectLog } from '../history/inspect.ts';
import { replay } from '../history/replay.ts';
import { readSegment } from '../history/segments.ts';

export interface LogVerification {
  readonly path: string;
  /** Undefined when the file could not be read so far. */
  readonly identity: LogIdentity | undefined;
  /** The epoch of its last life. */
  readonly epoch: number;
  readonly lastSequence: number;
  /** Records in the journal, and in the retained outcomes. */
  readonly journalRecords: number;
  readonly retainedRecords: number;
  readonly retainedOutcomes: number;
  /** Decisions that are not finished, heuristic records and operator actions that are not forgotten. */
  readonly unfinished: number;
  readonly bytes: number;
  /** Empty: the log is whole, and as complete as its high-water mark can prove. */
  readonly problems: readonly Problem[];
}

/**
 * Reads the whole log of a data directory, without changing it. Holds its lock meanwhile.
 * @throws {CoordinatorError} `LOG_LOCKED` when a coordinator runs on it; `CONFIG_INVALID` when there is no log.
 */
export async function verifySqliteLog(directory: string): Promise<LogVerification> {
  const files = logFiles(directory);
  await requireDirectory(files.directory);
  await stat(files.log).catch((error: Error) => {
    throw new CoordinatorError('CONFIG_INVALID', `there is no log in ${files.directory}: ${error.message}`);
  });
  using _lock = takeLock(files.lock);
  try {
    const mark = await readHighWater(files.highWater);
    const { image, problems, journalRecords, unfinished } = await verifyFile(
      files.log,
      typeof mark === 'string' ? undefined : mark,
    );
    const markProblems =
      typeof mark === 'string' && image?.life.epoch !== 0 ? [markProblem(files.highWater, mark)] : [];
    const segments = image?.segments ?? [];
    return {
      path: files.log,
      identity: image?.life.identity,
      epoch: image?.life.epoch ?? 0,
      lastSequence: image === undefined ? 0 : headOf(image).sequence,
      journalRecords,
      retainedRecords: segments.reduce((sum, segment) => sum + segment.records, 0),
      retainedOutcomes: segments.reduce((sum, segment) => sum + segment.outcomes, 0),
      unfinished,
      bytes: (await stat(files.log)).size,
      problems: [...problems, ...markProblems],
    };
  } catch (error) {
    throw openingError(error, 'read');
  }
}

interface FileVerification {
  readonly image: LogImage | undefined;
  readonly journalRecords: number;
  readonly unfinished: number;
  readonly problems: readonly Problem[];
}

/** Verifies one log file: bytes, chains, and the meaning of every record. @throws what the file system reports. */
export async function verifyFile(path: string, highWater: HighWater | undefined): Promise<FileVerification> {
  const inspection = inspectLog(path, { highWater, historyBytesMax: Number.POSITIVE_INFINITY });
  if (inspection.kind === 'refused') {
    return { image: undefined, journalRecords: 0, unfinished: 0, problems: [inspection.problem] };
  }
  const { image } = inspection;
  const replayed = await replay(image);
  if (replayed.kind === 'refused') {
    return { image, journalRecords: 0, unfinished: 0, problems: [replayed.problem] };
  }
  const unfinished = replayed.ledger.unfinished().length;
  return { image, journalRecords: replayed.lines, unfinished, problems: historyProblems(path, image) };
}

function historyProblems(path: string, image: LogImage): readonly Problem[] {
  const db = openReader(path);
  try {
    for (const segment of image.segments) {
      readSegment(db, segment);
    }
    return [];
  } catch (error) {
    const newer = error instanceof CoordinatorError && error.code === 'LOG_NEWER';
    return [{ code: newer ? 'LOG_NEWER' : 'LOG_DAMAGED', message: String(error) }];
  } finally {
    db.close();
  }
}

function markProblem(path: string, mark: 'missing' | 'damaged'): Problem {
  return { code: 'LOG_DAMAGED', message: `${path} is ${mark}: it cannot be known whether the log is complete` };
}
