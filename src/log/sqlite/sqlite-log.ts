// The log on SQLite: opens it, and puts its parts together behind the port of `log.ts`. docs/log-format.md has the whole story.
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { OUTCOMES_RETAINED_MAX } from '../../xa/limits.ts';
import type { Log } from '../log.ts';
import { openReader } from './file/connection.ts';
import type { Volume } from './file/files.ts';
import { logFiles, prepareDirectory, refuseNetwork, systemVolume } from './file/files.ts';
import { takeLock } from './file/lock.ts';
import { Room } from './file/room.ts';
import type { LaneName } from './flush/lane-policy.ts';
import type { StartWorker } from './flush/log-worker.ts';
import { LogWorker, openingError, startWorkerThread } from './flush/log-worker.ts';
import { beginLife } from './opening.ts';
import { RunningLog } from './running-log.ts';

export interface SqliteLogOptions {
  /** Completed outcomes that stay answerable, by count; the oldest go first. */
  readonly outcomesRetainedMax: number;
  /** Completed outcomes older than this go even if there is room for them. */
  readonly outcomesRetainedMs: number;
  /** Below this many free bytes on the volume `hasRoom` is false. */
  readonly roomBytesMin: number;
  /** The size of the reserve that is given up when the volume is nearly full; 0: none. */
  readonly ballastBytes: number;
  /** Pages of the WAL after which it is checkpointed. */
  readonly walPagesMax: number;
  /** Closed transactions in the journal that start a compaction. */
  readonly compactAfter: number;
  /** Bytes of retained outcomes that a start verifies; the rest is verified when it is read. */
  readonly historyBytesMax: number;
  /** Opens a data directory on a network file system, whose locks and fsyncs cannot be relied on. */
  readonly allowNetworkFilesystem: boolean;
  /** Opens a log whose high-water file is lost; from then on the silence about earlier lives proves nothing. */
  readonly acceptWithoutHighWater: boolean;
  /** The thread that makes the first flushes: the worker, until the disk has proved to be fast. */
  readonly firstLane: LaneName;
  /** For tests: another volume, another way to start the worker. */
  readonly volume: Volume;
  readonly startWorker: StartWorker;
}

const DEFAULTS: SqliteLogOptions = {
  outcomesRetainedMax: OUTCOMES_RETAINED_MAX,
  outcomesRetainedMs: 30 * 24 * 3_600_000,
  roomBytesMin: 64 * 1024 * 1024,
  ballastBytes: 16 * 1024 * 1024,
  walPagesMax: 1_000,
  compactAfter: 4_096,
  historyBytesMax: 64 * 1024 * 1024,
  allowNetworkFilesystem: false,
  acceptWithoutHighWater: false,
  firstLane: 'worker',
  volume: systemVolume,
  startWorker: startWorkerThread,
};

interface SqliteLogSettings {
  /** Made when only its last part is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The version of this program, for the record of its start. */
  readonly version: string;
  readonly options?: Partial<SqliteLogOptions>;
}

/**
 * Opens the log of a data directory, or makes one, and begins a life in it. Resolves when everything that was read, and the
 * start of this life, is on stable storage. Nothing here blocks the event loop for a disk: fsyncs run in a worker thread until
 * the disk has proved to be fast.
 * @throws {CoordinatorError} `LOG_LOCKED`, `LOG_DAMAGED`, `LOG_FOREIGN`, `LOG_NEWER`, `LOG_FAILED`, `CONFIG_INVALID`.
 */
export async function openSqliteLog(settings: SqliteLogSettings): Promise<Log> {
  try {
    const log = await assemble(settings, { ...DEFAULTS, ...settings.options });
    try {
      await log.start(settings.version);
      return log;
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    throw openingError(error, 'opened');
  }
}

/** Everything up to the first write of this life; what was opened on the way is closed again when a step fails. */
async function assemble(settings: SqliteLogSettings, options: SqliteLogOptions): Promise<RunningLog> {
  const { clock, random } = settings;
  const files = logFiles(settings.directory);
  await using undo = new AsyncDisposableStack();
  await prepareDirectory(files.directory);
  if (!options.allowNetworkFilesystem) {
    await refuseNetwork(options.volume, files.directory);
  }
  const lock = undo.use(takeLock(files.lock));
  const room = new Room({ ...options, files, clock });
  await room.prepare();
  let died: (error: Error) => void = () => undefined;
  const data = { files, walPagesMax: options.walPagesMax };
  const worker = new LogWorker(data, options.startWorker, (error) => died(error));
  undo.defer(() => worker.stop());
  const { acceptWithoutHighWater, historyBytesMax } = options;
  const begun = await beginLife({ files, worker, random, historyBytesMax, acceptWithoutHighWater });
  const reader = openReader(files.log);
  const log = new RunningLog({ files, clock, room, worker, reader, lock, begun, settings: options });
  died = (error) => log.fail(error);
  // From here on the log ends everything itself, in its own order.
  undo.move();
  return log;
}
