// Whether the files that are written are still those that a start would find: a directory that was deleted, moved, unmounted or
// replaced goes on to take writes without an error, and loses them with the process.
import { statSync } from 'node:fs';

interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
}

export class Presence {
  readonly #path: string;
  readonly #log: FileIdentity | undefined;
  /** Known from the first check on: it is made by the first write. */
  #wal: FileIdentity | undefined;

  /** Of a log file that was just opened. */
  constructor(path: string) {
    this.#path = path;
    this.#log = identityOf(path);
  }

  /**
   * Takes a few microseconds: after every commit, before anybody hears of it.
   * @throws {Error} the log or its WAL is not at its name any more.
   */
  check(): void {
    const wal = identityOf(`${this.#path}-wal`);
    this.#wal ??= wal;
    if (!isSame(this.#log, identityOf(this.#path)) || !isSame(this.#wal, wal)) {
      throw new Error(
        `${this.#path} is gone or was replaced while it was written (deleted, moved, unmounted or mounted over): what is written now would be lost with this process`,
      );
    }
  }
}

function identityOf(path: string): FileIdentity | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isSame(before: FileIdentity | undefined, now: FileIdentity | undefined): boolean {
  return before !== undefined && now !== undefined && before.dev === now.dev && before.ino === now.ino;
}
