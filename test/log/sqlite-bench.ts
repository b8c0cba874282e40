// A data directory for a test, logs on it, and a crash: what a killed process leaves is what a copy of its files shows.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { inject } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import { restoreSqliteLog } from '../../src/log/sqlite/backup/restore.ts';
import type { SqliteLogOptions } from '../../src/log/sqlite/sqlite-log.ts';
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts';
import type { LogBench } from './contract/bench.ts';

export async function scratchDirectory(): Promise<string> {
  return mkdtemp(join(inject('runDirectory'), 'log-'));
}

/** Small enough for tests: no megabytes of ballast for each directory. */
const SMALL: Partial<SqliteLogOptions> = { ballastBytes: 0 };

export function openLog(directory: string, options: Partial<SqliteLogOptions> = {}): Promise<Log> {
  return openSqliteLog({
    directory,
    clock: systemClock,
    random: systemRandom,
    version: 'test',
    options: { ...SMALL, ...options },
  });
}

/**
 * Copies a log as it lies on the disk, except for its lock. A process of its own does it: reading `log.db` in this one would
 * drop the locks that the running log holds on it.
 */
export async function copyLog(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const present = await readdir(from);
  // The mark first: a log that grows meanwhile may be ahead of it, never behind.
  const files = ['high-water', 'log.db', 'log.db-wal'].filter((name) => present.includes(name));
  await promisify(execFile)('cp', [...files.map((name) => join(from, name)), to]);
}

export async function openSqliteBench(): Promise<LogBench> {
  const root = await scratchDirectory();
  let lives = 1;
  let backups = 0;
  const logs: Log[] = [];
  const blockers: Database.Database[] = [];
  const directory = (): string => join(root, `life-${lives}`);

  async function open(path: string, options: Partial<SqliteLogOptions>): Promise<Log> {
    const log = await openLog(path, { compactAfter: 64, ...options });
    logs.push(log);
    return log;
  }

  function unblock(): void {
    for (const blocker of blockers.splice(0)) {
      blocker.close();
    }
  }

  return {
    async open(options = {}) {
      unblock();
      return open(directory(), options);
    },
    async crash() {
      const left = directory();
      lives += 1;
      await copyLog(left, directory());
    },
    async failNextForce() {
      // A stranger holds the write lock of SQLite: the flush cannot begin its transaction.
      const blocker = new Database(join(directory(), 'log.db'));
      blocker.exec('BEGIN IMMEDIATE');
      blockers.push(blocker);
    },
    backupPath() {
      backups += 1;
      return join(root, `backup-${backups}`);
    },
    async openBackup(path, options = {}) {
      const restored = `${path}-restored`;
      if (!existsSync(restored)) {
        await restoreSqliteLog(path, restored);
      }
      return open(restored, options);
    },
    async [Symbol.asyncDispose]() {
      unblock();
      await Promise.all(logs.map((log) => log[Symbol.asyncDispose]()));
      await rm(root, { recursive: true, force: true });
    },
  };
}
