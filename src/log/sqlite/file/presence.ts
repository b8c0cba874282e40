// Whether the files that are written are still those that a start would find: a directory that was deleted, moved, unmounted or
// replaced goes on to take writes without an error, and loses them with the process.
import { statSync } from 'node:fs';
import { WAL_BYTES_KEPT } from './connection.ts';

interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
}

export class Presence {
  readonly #path: string;
  #log: FileIdentity | undefined;
  /** Known from the first check on: it is made by the first write. */
  #wal: FileIdentity | undefined;

  /** Of a log file that was just opened. */
  constructor(path: string) {
    this.#path = path;
    this.#log = identityOf(path);
  }

  /**
   * Before a commit: a WAL that was cut short is written on behind the gap, and then its length tells nothing any more.
   * @throws {Error} as `check`.
   */
  checkUncut(): void {
    if (this.#wal !== undefined && !isSame(this.#wal, identityOf(`${this.#path}-wal`), WAL_BYTES_KEPT)) {
      throw this.#gone();
    }
  }

  /**
   * Takes a few microseconds: after every commit, before anybody hears of it.
   * @throws {Error} the log or its WAL is not at its name any more.
   */
  check(): void {
    const log = identityOf(this.#path);
    const wal = identityOf(`${this.#path}-wal`);
    this.#wal ??= wal;
    if (!isSame(this.#log, log, Number.POSITIVE_INFINITY) || !isSame(this.#wal, wal, WAL_BYTES_KEPT)) {
      throw this.#gone();
    }
    this.#log = log;
    this.#wal = wal;
  }

  #gone(): Error {
    return new Error(
      `${this.#path} is gone or was replaced while it was written (deleted, moved, cut short, written over, unmounted or mounted over): what is written now would be lost with this process`,
    );
  }

  /** This process itself has emptied the WAL. */
  emptied(): void {
    this.#wal = identityOf(`${this.#path}-wal`);
  }
}

function identityOf(path: string): FileIdentity | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Neither file becomes shorter, but for a WAL of more than `keptBytes`, which SQLite cuts to them when it begins anew. */
function isSame(before: FileIdentity | undefined, now: FileIdentity | undefined, keptBytes: number): boolean {
  return (
    before !== undefined &&
    now !== undefined &&
    before.dev === now.dev &&
    before.ino === now.ino &&
    now.size >= Math.min(before.size, keptBytes)
  );
}
