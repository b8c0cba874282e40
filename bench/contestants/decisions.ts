// A durable decision as a careful person would write one by hand: a row in SQLite, synced, many of them in one flush.
import Database from 'better-sqlite3';

export interface Decisions {
  /** Resolves when the decision is on the disk. */
  write(gid: string): Promise<void>;
  /** How often it was synced for them. */
  readonly forcedWrites: number;
  close(): void;
}

export function openDecisions(file: string): Decisions {
  const database = new Database(file);
  database.pragma('journal_mode = wal');
  database.exec('create table decision (gid text primary key) strict');
  // After the first write: before it, the answer to the question would not be the truth.
  database.pragma('synchronous = full');
  const insert = database.prepare('insert into decision values (?)');
  let waiting: { gid: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  const flushAll = database.transaction((gids: readonly string[]) => gids.map((gid) => insert.run(gid)));
  let forcedWrites = 0;
  const flush = (): void => {
    const group = waiting;
    waiting = [];
    forcedWrites += 1;
    try {
      flushAll(group.map(({ gid }) => gid));
    } catch (error) {
      for (const { reject } of group) {
        reject(error);
      }
      return;
    }
    for (const { resolve } of group) {
      resolve();
    }
  };
  return {
    write: (gid) =>
      new Promise((resolve, reject) => {
        waiting.push({ gid, resolve, reject });
        if (waiting.length === 1) {
          setImmediate(flush);
        }
      }),
    get forcedWrites() {
      return forcedWrites;
    },
    close: () => database.close(),
  };
}
