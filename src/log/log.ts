// The log as the coordinator sees it: a port of a few methods, written so that a replicated engine can stand behind it.
import type { Gtrid, LogIdentity } from '../xa/xid.ts';
import type { NumberedAct } from './past.ts';
import type { LifeName, LoggedOutcome, LogRecord } from './record.ts';

export type Durability = 'forced' | 'lazy';

/** What `recover` hands over, read once at the start. */
export interface RecoveredLog {
  readonly identity: LogIdentity;
  /** This life's epoch, already durable. */
  readonly epoch: number;
  /** Random, one for each life: a copy of the log may be in the same epoch, and is told apart by it. */
  readonly token: string;
  /** Decisions without a `finished` record, in log order, and every heuristic and operator record that is not forgotten. */
  readonly unfinished: readonly LogRecord[];
  /** The newest registration of each resource. */
  readonly resources: readonly Extract<LogRecord, { kind: 'resource-registered' }>[];
  /**
   * Of lives up to this one decisions may be missing: the log was restored from a backup, or its end is not known. What it does not know
   * of them was not rolled back for that. It is never forgotten: a database that was away may tell of such a life at any time. Absent:
   * nothing is missing.
   */
  readonly lostTo?: number;
  /** This life and those before it, oldest first. Absent: not known; the epoch alone is compared then. */
  readonly lives?: readonly LifeName[];
  /**
   * Databases have served lives that are not this log's, and no person has adopted it since. No life has begun then: `epoch` and `token`
   * are those of the last one, and nothing but `log-adopted` may be appended. Absent or empty: a life has begun.
   */
  readonly refused?: readonly Extract<LogRecord, { kind: 'life-refused' }>[];
}

/** A refused log may not be used for anything before a person adopts it. */
export function isRefused({ refused = [] }: RecoveredLog): boolean {
  return refused.length > 0;
}

export interface LogStatus {
  readonly path: string;
  /** The number of the last durable record; the first of a log is 1. */
  readonly lastSequence: number;
  /** Records that are still needed or retained. */
  readonly records: number;
  readonly bytes: number;
  readonly freeBytes: number;
  /** Median of recent commits, with their fsync. */
  readonly flushMicros: number;
  /** Whether the main thread or a worker thread flushes just now. */
  readonly flushLane: 'inline' | 'worker';
  /** Flushes of this life that were made because at least one forced append waited: appends that share one count once. */
  readonly forcedWrites: number;
}

export interface Log extends AsyncDisposable {
  readonly recovered: RecoveredLog;

  /**
   * Appends `records` atomically and in order, in this life's epoch.
   *
   * Resolves when they are on stable storage (`forced`) or merely ordered before later appends (`lazy`: the next forced
   * append makes them durable, and at the latest a second later they are flushed on their own).
   * @throws {CoordinatorError} `LOG_FAILED`: the append may or may not be there; the log is unusable from now on, and so is
   *   every later call. The process must stop; nothing may be concluded before a restart reads the log.
   */
  append(records: readonly LogRecord[], durability: Durability): Promise<void>;

  /** The outcome of a transaction of this log's identity that the coordinator does not hold in memory. */
  outcome(gtrid: Gtrid): LoggedOutcome;

  /** Every operator action and heuristic record of a transaction, oldest first. */
  history(gtrid: Gtrid): readonly LogRecord[];

  /** What people did, oldest first, as far back as outcomes are retained; acceptances and adoptions for good. Reads all of the history. */
  acts(): readonly NumberedAct[];

  /** Decisions that are finished and were made at `since` or later (milliseconds since 1970): the newest first, at most `max`. */
  finished(since: number, max: number): readonly Extract<LogRecord, { kind: 'decided' }>[];

  /** Resolves with `LOG_FAILED` when the log becomes unusable; the coordinator stops on it. Never rejects. */
  readonly failed: Promise<Error>;

  /** False while the volume is low: `Begin` is refused, decisions still fit. */
  hasRoom(): boolean;

  status(): LogStatus;

  /** Copies the log into a new file through the engine's backup and verifies the copy. @throws {CoordinatorError} FIELD_INVALID, LIMIT_BACKUPS */
  backup(path: string): Promise<{ readonly bytes: number; readonly lastSequence: number }>;
}
