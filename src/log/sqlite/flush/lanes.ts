// Two lanes to one file: the main thread's connection and the worker's. A piece of work goes through one of them, never both.
import type Database from 'better-sqlite3';
import type { Clock } from '../../../lib/clock.ts';
import { openWriter } from '../file/connection.ts';
import type { FileWork, Writer } from '../file/writer.ts';
import { createWriter } from '../file/writer.ts';
import type { LaneName } from './lane-policy.ts';
import { LanePolicy, median } from './lane-policy.ts';
import type { LogWorker } from './log-worker.ts';

/** `undefined`: the work is on stable storage. An error: it may be there or not. */
type Done = (error: Error | undefined) => void;

/** Commits whose duration `flushMicros` is the median of. */
const RECENT_COMMITS = 64;

interface LaneSettings {
  readonly path: string;
  readonly walPagesMax: number;
  readonly clock: Clock;
  readonly worker: Pick<LogWorker, 'request'>;
  readonly firstLane: LaneName;
}

export class Lanes {
  readonly #settings: LaneSettings;
  readonly #policy: LanePolicy;
  readonly #recent: number[] = [];
  #inline: { readonly db: Database.Database; readonly writer: Writer } | undefined;

  constructor(settings: LaneSettings) {
    this.#settings = settings;
    this.#policy = new LanePolicy(settings.firstLane);
  }

  get lane(): LaneName {
    return this.#policy.lane;
  }

  /** Median of recent commits, in microseconds; 0 before the first one. */
  get flushMicros(): number {
    return median(this.#recent);
  }

  /**
   * Does one piece of work; the next one may be given only when `done` was called, which may be before this returns.
   * A checkpoint syncs twice and copies pages: it is always the worker's, so that no timer waits for it.
   */
  perform(work: FileWork, done: Done): void {
    if (this.lane === 'worker' || work.kind === 'checkpoint') {
      this.#settings.worker.request({ kind: 'work', work }).then((result) => {
        this.#measure(work, result.kind === 'done' ? result.micros : 0);
        done(undefined);
      }, done);
      return;
    }
    let error: Error | undefined;
    try {
      this.#measure(work, this.#openInline().writer.perform(work));
    } catch (caught) {
      error = caught instanceof Error ? caught : new Error(String(caught));
    }
    done(error);
  }

  /** Closes the main thread's connection. */
  close(): void {
    this.#inline?.db.close();
    this.#inline = undefined;
  }

  #openInline() {
    if (this.#inline === undefined) {
      const { path, walPagesMax, clock } = this.#settings;
      const db = openWriter(path, walPagesMax);
      this.#inline = { db, writer: createWriter(db, clock) };
    }
    return this.#inline;
  }

  #measure(work: FileWork, micros: number): void {
    if (work.kind !== 'checkpoint') {
      this.#recent.push(micros);
      if (this.#recent.length > RECENT_COMMITS) {
        this.#recent.shift();
      }
      this.#policy.observe(micros);
    }
  }
}
