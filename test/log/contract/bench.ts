// What a log is tried on, and the life of it that a test is in.
import { afterEach, beforeEach } from 'vitest';
import type { Log } from '../../../src/log/log.ts';

export interface LogBench extends AsyncDisposable {
  /** Opens a log on this bench's storage. The bench closes it in the end. */
  open(options?: { readonly outcomesRetainedMax?: number }): Promise<Log>;
  /** The process of the open log dies as by SIGKILL: what follows finds what it left on the storage. */
  crash(): Promise<void>;
  /** The next forced append fails, and nobody can tell whether it is there. */
  failNextForce(): Promise<void>;
  /** A name for a backup that does not exist yet. */
  backupPath(): string;
  /** Opens a log on a backup, apart from the original, which may go on; again on the same after it was closed. */
  openBackup(path: string, options?: { readonly outcomesRetainedMax?: number }): Promise<Log>;
}

/** The bench of one test, and the log that is open on it at present. */
export interface Life {
  readonly bench: LogBench;
  readonly log: Log;
  /** The log that is opened takes the place of the one before. */
  open(options?: { readonly outcomesRetainedMax?: number }): Promise<void>;
  reopen(): Promise<void>;
  crashAndReopen(): Promise<void>;
}

/** A new bench with an open log for each test of a `describe` block. */
export function useLog(openBench: () => Promise<LogBench>): Life {
  let bench: LogBench;
  let log: Log;

  beforeEach(async () => {
    bench = await openBench();
    log = await bench.open();
  });

  afterEach(async () => {
    await bench[Symbol.asyncDispose]();
  });

  async function open(options: { readonly outcomesRetainedMax?: number } = {}): Promise<void> {
    log = await bench.open(options);
  }

  return {
    get bench() {
      return bench;
    },
    get log() {
      return log;
    },
    open,
    async reopen() {
      await log[Symbol.asyncDispose]();
      await open();
    },
    async crashAndReopen() {
      await bench.crash();
      await open();
    },
  };
}
