// Reads a log file from end to end and says whether it is whole. Changes nothing, not even by closing.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import type { Head, Life, SegmentHeader } from '../../chain.ts';
import { sameHash } from '../../chain.ts';
import { openReader } from '../file/connection.ts';
import type { HighWater } from '../file/high-water.ts';
import { APPLICATION_ID, FORMAT_VERSION, readLife, tablesOf } from '../file/schema.ts';
import { scanWal } from '../file/wal-scan.ts';
import type { Problem, StoredFrame } from './chains.ts';
import { Refused, readFrames, readSegments } from './chains.ts';

/** A log file that is whole, as far as its bytes go; what its records mean is judged by whoever decodes them. */
export interface LogImage {
  readonly life: Life;
  readonly frames: readonly StoredFrame[];
  readonly segments: readonly SegmentHeader[];
}

/** The end of the journal. */
export function headOf(image: LogImage): Head {
  const { anchorFrame, anchorSequence, anchorHash } = image.life;
  const last = image.frames.at(-1);
  return last === undefined
    ? { frame: anchorFrame, sequence: anchorSequence, hash: anchorHash }
    : { frame: last.number, sequence: last.last, hash: last.hash };
}

export type Inspection =
  | { readonly kind: 'whole'; readonly image: LogImage }
  | { readonly kind: 'refused'; readonly problem: Problem };

export interface InspectOptions {
  readonly highWater: HighWater | undefined;
  /**
   * The start reads this many bytes of retained outcomes, newest first, and checks the rest when it is asked for them:
   * their number must not decide how long a start takes. Their headers are always checked.
   */
  readonly historyBytesMax: number;
}

/** SQLite's own check of pages and free lists reads the whole file; above this size it is left to `concordat log verify`. */
const QUICK_CHECK_BYTES_MAX = 256 * 1024 * 1024;

/** Inspects the log at `path`, which exists. Never throws for what the file contains. @throws what the file system reports. */
export function inspectLog(path: string, options: InspectOptions): Inspection {
  try {
    checkFileHeader(path);
    const damage = scanWal(`${path}-wal`);
    if (damage !== undefined) {
      throw new Refused('LOG_DAMAGED', damage);
    }
    const db = openReader(path);
    try {
      return { kind: 'whole', image: readImage(db, options) };
    } finally {
      db.close();
    }
  } catch (error) {
    if (error instanceof Refused) {
      return { kind: 'refused', problem: { code: error.code, message: `${path}: ${error.message}` } };
    }
    if (isInputOutput(error)) {
      throw error;
    }
    // A damaged row may also hold values of impossible types: whatever they trip over, they are damage.
    return {
      kind: 'refused',
      problem: { code: 'LOG_DAMAGED', message: `${path}: it cannot be read: ${String(error)}` },
    };
  }
}

/** The disk or the system failed, not the content: nothing is said about the log. */
function isInputOutput(error: unknown): boolean {
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  return syscall !== undefined || /^SQLITE_(IOERR|CANTOPEN|NOMEM|BUSY|FULL|READONLY|PROTOCOL)/.test(String(code));
}

/** The marks of the main file, read without SQLite: it would overlay them with whatever WAL lies beside. */
function checkFileHeader(path: string): void {
  const header = Buffer.alloc(100);
  const file = openSync(path, 'r');
  const length = (() => {
    try {
      return readSync(file, header, 0, header.length, 0);
    } finally {
      closeSync(file);
    }
  })();
  if (length === 0) {
    throw new Refused('LOG_FOREIGN', 'the file is empty: a log never is');
  }
  if (length < header.length || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw new Refused(
      'LOG_FOREIGN',
      `the file is not an SQLite database (${length < 100 ? `${length} bytes` : 'other content'})`,
    );
  }
  checkMarks(header.readUInt32BE(68), header.readUInt32BE(60));
}

function checkMarks(applicationId: unknown, version: unknown): void {
  if (applicationId !== APPLICATION_ID) {
    throw new Refused('LOG_FOREIGN', `another SQLite database (application id ${String(applicationId)})`);
  }
  if (typeof version !== 'number' || version > FORMAT_VERSION) {
    throw new Refused('LOG_NEWER', `format ${String(version)}; this version reads up to ${FORMAT_VERSION}`);
  }
}

function readImage(db: Database.Database, options: InspectOptions): LogImage {
  const format = db.pragma('user_version', { simple: true });
  checkMarks(db.pragma('application_id', { simple: true }), format);
  checkTables(db, tablesOf(format) ?? {});
  checkPages(db);
  const life = readLife(db);
  if (typeof life === 'string') {
    throw new Refused('LOG_DAMAGED', life);
  }
  const frames = readFrames(db, life);
  const segments = readSegments(db, life, options.historyBytesMax);
  if (options.highWater !== undefined) {
    checkHighWater(options.highWater, life, frames);
  }
  return { life, frames, segments };
}

function checkTables(db: Database.Database, tables: Readonly<Record<string, string>>): void {
  const rows = db.prepare<[], { name: string; sql: string | null }>('SELECT name, sql FROM sqlite_schema').all();
  const strange = rows.find((row) => tables[row.name] !== row.sql);
  if (strange !== undefined || rows.length !== Object.keys(tables).length) {
    const found = rows.map((row) => row.name).join(', ');
    throw new Refused('LOG_DAMAGED', `its tables are not those of a log (${found || 'none'})`);
  }
}

function checkPages(db: Database.Database): void {
  if (statSync(db.name).size > QUICK_CHECK_BYTES_MAX) {
    return;
  }
  const answer = db.pragma('quick_check(1)', { simple: true });
  if (answer !== 'ok') {
    throw new Refused('LOG_DAMAGED', `SQLite's check says: ${String(answer).slice(0, 300)}`);
  }
}

/** The log must contain the mark, or have compacted past it. */
function checkHighWater(mark: HighWater, life: Life, frames: readonly StoredFrame[]): void {
  if (mark.identity !== life.identity) {
    throw new Refused(
      'LOG_FOREIGN',
      `the log of ${life.identity}, but the high-water file beside it belongs to ${mark.identity}`,
    );
  }
  if (mark.frame < life.anchorFrame) {
    return;
  }
  const anchor = { last: life.anchorSequence, hash: life.anchorHash };
  const frame = mark.frame === life.anchorFrame ? anchor : frames[mark.frame - life.anchorFrame - 1];
  if (frame === undefined) {
    const end = frames.at(-1)?.last ?? life.anchorSequence;
    throw new Refused(
      'LOG_DAMAGED',
      `it ends at record ${end}, but record ${mark.sequence} had been written: a part is lost`,
    );
  }
  if (frame.last !== mark.sequence || !sameHash(frame.hash, mark.hash)) {
    throw new Refused('LOG_DAMAGED', `record ${mark.sequence} is not the one that had been written`);
  }
}
