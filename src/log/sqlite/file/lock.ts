// One process for one log: an exclusive lock on a database of its own, held for life.
import Database from 'better-sqlite3';
import { CoordinatorError } from '../../../xa/errors.ts';
import { ownFile } from './files.ts';

/**
 * Takes the lock of a data directory.
 *
 * It is a separate file because POSIX locks vanish when the process closes *any* descriptor of the file: whoever reads
 * `log.db` in this process must not open the door to a second one. The file stays empty: nothing is ever written to it.
 * @throws {CoordinatorError} `LOG_LOCKED` when another process holds it; `LOG_FOREIGN` when the file is something else.
 */
export function takeLock(path: string): Disposable {
  let db: Database.Database | undefined;
  try {
    ownFile(path);
    db = new Database(path, { timeout: 0 });
    // Without this SQLite would make, and sync, a journal file for a transaction that never writes.
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    throw refused(path, error);
  }
  const held = db;
  return {
    [Symbol.dispose]() {
      held.close();
    },
  };
}

function refused(path: string, cause: unknown): Error {
  const code = cause instanceof Database.SqliteError ? cause.code : '';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new CoordinatorError('LOG_LOCKED', `another process holds the lock ${path}`, { cause });
  }
  if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT') {
    return new CoordinatorError('LOG_FOREIGN', `${path} is not the lock of a log: ${String(cause)}`, { cause });
  }
  return new CoordinatorError('CONFIG_INVALID', `the lock ${path} cannot be taken: ${String(cause)}`, { cause });
}
