// SQLite connections to a log file: every setting that durability rests on is set here and nowhere else.
import Database from 'better-sqlite3';
import { assert } from '../../../lib/assert.ts';

/** A reader waits this long for a writer that rebuilds the index of the WAL; nothing else makes it wait. */
const READER_BUSY_MS = 1_000;
/** Two writers of one log never meet: whoever holds the file is a stranger, and waiting for one would stop the event loop. */
const WRITER_BUSY_MS = 15;
/** The WAL file is cut to this size when it starts over: it is written again in place, which is quicker than growing it. */
export const WAL_BYTES_KEPT = 16 * 1024 * 1024;
/** Checkpoints are made by the log between flushes; SQLite's own is the net below them, this many times farther away. */
const NET_FACTOR = 4;

/** `PRAGMA synchronous` as SQLite numbers it. */
const SYNCHRONOUS_FULL = 2;

/**
 * Opens a log file for reading. Closing it never checkpoints, so that what is refused stays as it was found; and as long as
 * it is open, no other connection of this process checkpoints when it is closed.
 */
export function openReader(path: string): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: READER_BUSY_MS });
  return configured(db, () => {
    db.pragma('query_only = ON');
    // The first read takes the shared lock that is kept from then on; without it another connection would be the last one.
    db.pragma('user_version');
  });
}

/**
 * Opens a log file for writing: WAL, and an fsync before each commit returns.
 *
 * `synchronous` must be read back after the first write of the connection (`assertFull`): on a fresh file this build
 * answers FULL at first and becomes NORMAL with the first write, unless it was set explicitly.
 */
export function openWriter(path: string, walPagesMax: number): Database.Database {
  const db = new Database(path, { fileMustExist: true, timeout: WRITER_BUSY_MS });
  return configured(db, () => {
    const mode = db.pragma('journal_mode = WAL', { simple: true });
    assert(mode === 'wal', `the log is in journal mode ${String(mode)} instead of wal`);
    db.pragma('synchronous = FULL');
    db.pragma('fullfsync = ON');
    db.pragma('checkpoint_fullfsync = ON');
    db.pragma(`wal_autocheckpoint = ${walPagesMax * NET_FACTOR}`);
    db.pragma(`journal_size_limit = ${WAL_BYTES_KEPT}`);
  });
}

/** @throws {AssertionError} when commits of this connection could return before they are on stable storage. */
export function assertFull(db: Database.Database): void {
  const level = db.pragma('synchronous', { simple: true });
  assert(level === SYNCHRONOUS_FULL, `the log is written with synchronous = ${String(level)} instead of FULL`);
  const mode = db.pragma('journal_mode', { simple: true });
  assert(mode === 'wal', `the log is in journal mode ${String(mode)} instead of wal`);
}

function configured(db: Database.Database, configure: () => void): Database.Database {
  try {
    db.pragma('trusted_schema = OFF');
    db.pragma('cell_size_check = ON');
    db.pragma('mmap_size = 0');
    configure();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
