// One life of an open log: the flusher, the store and the watchers behind the port of `log.ts`, and the order in which they end.
import { statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Gtrid } from '../../xa/xid.ts';
import type { NumberedRecord } from '../codec.ts';
import type { Durability, Log, LogStatus, RecoveredLog } from '../log.ts';
import { isRefused } from '../log.ts';
import { earlierLives } from '../next-life.ts';
import type { NumberedAct } from '../past.ts';
import type { LifeName, LoggedOutcome, LogRecord } from '../record.ts';
import type { BackupReport } from './backup/backup.ts';
import { backUp } from './backup/backup.ts';
import type { LogFiles } from './file/files.ts';
import { HighWaterKeeper } from './file/high-water.ts';
import { Presence } from './file/presence.ts';
import type { Room } from './file/room.ts';
import type { Task } from './flush/flusher.ts';
import { Flusher } from './flush/flusher.ts';
import type { LaneName } from './flush/lane-policy.ts';
import { Lanes } from './flush/lanes.ts';
import type { LogWorker } from './flush/log-worker.ts';
import { headOf } from './history/inspect.ts';
import { Segments } from './history/segments.ts';
import type { OpenedLog } from './opening.ts';
import type { StoreSettings } from './store.ts';
import { Store } from './store.ts';

/** Pages that a flush writes besides its payload: the leaf of the journal, sometimes one above it, now and then a free list. */
const PAGES_PER_FLUSH = 2;
const PAGE_BYTES = 4_000;
/** Pages that a slice of compaction writes: its segment, and the pages that it frees. */
const SLICE_PAGES = 100;

interface RunningLogParts {
  readonly files: LogFiles;
  readonly clock: Clock;
  readonly room: Room;
  readonly worker: LogWorker;
  /** A connection that only reads. */
  readonly reader: Database.Database;
  readonly lock: Disposable;
  readonly begun: OpenedLog;
  readonly settings: StoreSettings & { readonly walPagesMax: number; readonly firstLane: LaneName };
}

export class RunningLog implements Log {
  readonly recovered: RecoveredLog;
  readonly failed: Promise<Error>;
  readonly #parts: Omit<RunningLogParts, 'begun'>;
  readonly #store: Store;
  readonly #lanes: Lanes;
  readonly #flusher: Flusher;
  readonly #highWater: HighWaterKeeper;
  readonly #earlier: readonly LifeName[];
  readonly #presence: Presence;
  #walPages = 0;
  #background = false;
  readonly #backups = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(parts: RunningLogParts) {
    // What was read at the start is large, and not kept.
    const { begun, ...kept } = parts;
    const { files, clock, worker, reader, settings } = kept;
    const { image, life, ledger } = begun;
    this.#parts = kept;
    this.#presence = new Presence(kept.files.log);
    const segments = new Segments(reader, image.segments);
    const frames = image.frames.map(({ number: frame, last: sequence, hash, records }) => ({
      frame,
      sequence,
      hash,
      records,
    }));
    this.#store = new Store({ life, ledger, segments, frames }, settings, clock);
    const { walPagesMax, firstLane } = settings;
    this.#lanes = new Lanes({ path: files.log, walPagesMax, firstLane, clock, worker });
    this.#highWater = new HighWaterKeeper(files.highWater, clock, (error) => this.#markFailed(error));
    const failure = Promise.withResolvers<Error>();
    this.failed = failure.promise;
    this.#flusher = new Flusher({
      identity: life.identity,
      epoch: life.epoch,
      head: headOf(image),
      clock,
      lanes: this.#lanes,
      accept: (numbered, place) => this.#accept(numbered, place),
      flushed: (records, payloadBytes) => this.#flushed(records, payloadBytes),
      failed: failure.resolve,
    });
    this.#earlier = earlierLives(ledger.lives(), image.life).filter(({ epoch }) => epoch < life.epoch);
    this.recovered = {
      identity: life.identity,
      epoch: life.epoch,
      token: life.token,
      unfinished: ledger.unfinished(),
      resources: ledger.resources(),
      ...(life.lostTo >= 0 && { lostTo: life.lostTo }),
      lives: [...this.#earlier, { epoch: life.epoch, token: life.token }],
      refused: ledger.refusals(),
    };
  }

  append(records: readonly LogRecord[], durability: Durability): Promise<void> {
    return this.#flusher.append(records, durability);
  }

  outcome(gtrid: Gtrid): LoggedOutcome {
    return this.#read(() => this.#store.outcome(gtrid, this.#flusher.head.sequence));
  }

  history(gtrid: Gtrid): readonly LogRecord[] {
    return this.#read(() => this.#store.history(gtrid));
  }

  acts(): readonly NumberedAct[] {
    return this.#read(() => this.#store.acts());
  }

  finished(since: number, max: number): ReturnType<Log['finished']> {
    return this.#read(() => this.#store.finished(since, max));
  }

  hasRoom(): boolean {
    return this.#parts.room.hasRoom;
  }

  status(): LogStatus {
    const { files, room } = this.#parts;
    return {
      path: files.log,
      lastSequence: this.#flusher.head.sequence,
      records: this.#store.records,
      bytes: sizeOf(files.log) + sizeOf(`${files.log}-wal`),
      freeBytes: room.freeBytes,
      flushMicros: this.#lanes.flushMicros,
      flushLane: this.#lanes.lane,
      forcedWrites: this.#flusher.forcedWrites,
    };
  }

  backup(path: string): Promise<BackupReport> {
    const { failure } = this.#flusher;
    if (failure !== undefined || this.#closing !== undefined) {
      return Promise.reject(failure ?? new CoordinatorError('LOG_FAILED', 'the log is being closed'));
    }
    if (this.#backups.size > 0) {
      const message = 'a backup is being made; wait for its end';
      return Promise.reject(new CoordinatorError('LIMIT_BACKUPS', message));
    }
    const copying = this.#backUp(path).finally(() => this.#backups.delete(copying));
    this.#backups.add(copying);
    return copying;
  }

  /** The worker died, or something else made the log unusable. */
  fail(error: Error): void {
    this.#flusher.fail(error);
  }

  /** Writes the first record of this life, and starts what runs beside the flushes. @throws {CoordinatorError} `LOG_FAILED` */
  async start(version: string): Promise<void> {
    const { epoch, token } = this.recovered;
    if (!isRefused(this.recovered)) {
      const wallTime = this.#parts.clock.wallTime();
      const earlier = this.#earlier;
      await this.append([{ kind: 'epoch-started', epoch, version, wallTime, token, earlier }], 'forced');
    }
    this.#parts.room.watch(() => this.#looked());
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #accept(numbered: NumberedRecord, place: number): void {
    const { epoch } = this.#store.life;
    const contradiction = this.#store.ledger.add(numbered, { place, epoch });
    assert(contradiction === undefined, contradiction ?? '');
  }

  #flushed(records: number, payloadBytes: number): void {
    const { head } = this.#flusher;
    this.#store.addFrame({ ...head, records });
    this.#highWater.note({ identity: this.recovered.identity, ...head });
    this.#walPages += PAGES_PER_FLUSH + Math.ceil(payloadBytes / PAGE_BYTES);
    this.#runBackground();
  }

  /** Now and then also while nothing is written. */
  #looked(): void {
    this.#checkPresence();
    this.#runBackground();
  }

  #markFailed(error: Error): void {
    this.#checkPresence();
    this.fail(new Error(`the high-water file cannot be written: ${error.message}`, { cause: error }));
  }

  #checkPresence(): void {
    try {
      if (this.#closing === undefined) {
        this.#presence.check();
      }
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #backUp(path: string): Promise<BackupReport> {
    // The copy, if it is ever started, takes the next epoch, and this log the one after: they can never share one.
    const reserved = new Promise<void>((resolve) => {
      const change = this.#store.changeLife((life) => ({ ...life, nextEpoch: life.epoch + 2 }), resolve);
      this.#flusher.run(change);
    });
    const failed = await Promise.race([reserved, this.failed]);
    if (failed !== undefined) {
      throw failed;
    }
    return backUp(this.#parts.files.log, path);
  }

  /** What a retained outcome cannot be read from is damaged, and whatever else this log says is in doubt as well. */
  #read<T>(lookUp: () => T): T {
    try {
      return lookUp();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  /** One thing at a time beside the flushes: a checkpoint, or a slice of compaction. */
  #runBackground(): void {
    if (this.#background || this.#closing !== undefined || this.#flusher.failure !== undefined) {
      return;
    }
    if (this.#walPages >= this.#parts.settings.walPagesMax) {
      this.#background = true;
      this.#flusher.run(this.#checkpoint('PASSIVE'));
    } else if (this.#store.compactionDue()) {
      this.#background = true;
      const slice = this.#store.compaction((moved) => {
        this.#background = false;
        this.#walPages += moved ? SLICE_PAGES : 0;
        if (moved) {
          this.#runBackground();
        }
      });
      this.#flusher.run(slice);
    }
  }

  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE', done?: () => void): Task {
    return {
      make: (head) => ({ work: { kind: 'checkpoint', mode }, head }),
      done: () => {
        this.#walPages = 0;
        this.#background = false;
        done?.();
      },
    };
  }

  async #close(): Promise<void> {
    const { room, worker, reader, lock } = this.#parts;
    await room.stop();
    await Promise.allSettled(this.#backups);
    await this.#flusher.drain();
    if (this.#flusher.failure === undefined) {
      this.#flusher.run(this.#checkpoint('TRUNCATE'));
      await this.#flusher.drain();
    }
    const whole = this.#flusher.close();
    await this.#highWater.end(whole);
    if (whole) {
      reader.close();
    }
    this.#lanes.close();
    await worker.stop();
    // After a failure the WAL stays as it is, for the next start to judge: a connection that only reads, closed last, leaves it.
    reader.close();
    lock[Symbol.dispose]();
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
