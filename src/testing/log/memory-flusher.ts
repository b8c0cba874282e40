// Group commit on a memory disk: what waits while one flush runs, or comes before it begins, is the next flush.
import type { Clock, Timer } from '../../lib/clock.ts';
import type { NumberedRecord } from '../../log/codec.ts';
import type { Durability } from '../../log/log.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { LAZY_MS } from '../../xa/times.ts';
import type { MemoryDisk } from './memory-disk.ts';

interface Waiting {
  readonly records: readonly NumberedRecord[];
  readonly forced: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface MemoryFlusherSettings {
  readonly clock: Clock;
  readonly disk: MemoryDisk;
  /** Called when a flush is durable, before anybody who waits for it hears of it. */
  flushed(): void;
  /** Called once, when a flush failed. */
  failed(error: CoordinatorError): void;
}

const nothing = (): void => undefined;

export class MemoryFlusher {
  readonly #settings: MemoryFlusherSettings;
  #queue: Waiting[] = [];
  #running: readonly Waiting[] = [];
  #flushTimer: Timer | undefined;
  #lazyTimer: Timer | undefined;
  #failure: CoordinatorError | undefined;
  #dead = false;
  #forcedWrites = 0;
  #idle: (() => void)[] = [];

  constructor(settings: MemoryFlusherSettings) {
    this.#settings = settings;
  }

  get forcedWrites(): number {
    return this.#forcedWrites;
  }

  get failure(): CoordinatorError | undefined {
    return this.#failure;
  }

  /** The process is gone: nothing that is appended now is numbered or kept. */
  get dead(): boolean {
    return this.#dead;
  }

  append(records: readonly NumberedRecord[], durability: Durability): Promise<void> {
    if (durability === 'lazy') {
      this.#queue.push({ records, forced: false, resolve: nothing, reject: nothing });
      this.#lazyTimer ??= this.#settings.clock.after(LAZY_MS, () => this.#schedule());
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ records, forced: true, resolve, reject });
      this.#schedule();
    });
  }

  /** The process died. @returns what was being written. */
  abandon(): readonly NumberedRecord[] {
    this.#dead = true;
    this.#stopTimers();
    return this.#running.flatMap((waiting) => waiting.records);
  }

  /** Writes everything that waits, then takes nothing any more. */
  async close(): Promise<void> {
    if (!this.#dead && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
        this.#schedule();
      });
    }
    this.#failure ??= new CoordinatorError('LOG_FAILED', 'the log is closed');
    this.#stopTimers();
  }

  #schedule(): void {
    if (this.#running.length > 0 || this.#flushTimer !== undefined || this.#dead) {
      return;
    }
    if (this.#queue.length === 0) {
      this.#settle();
      return;
    }
    this.#flushTimer = this.#settings.clock.after(0, () => this.#begin());
  }

  /** The batch is what waits now; the flush takes its time only after that. */
  #begin(): void {
    const { clock, disk } = this.#settings;
    this.#running = this.#queue;
    this.#queue = [];
    this.#lazyTimer?.cancel();
    this.#lazyTimer = undefined;
    if (disk.flushMs === 0) {
      this.#end();
    } else {
      this.#flushTimer = clock.after(disk.flushMs, () => this.#end());
    }
  }

  #end(): void {
    this.#flushTimer = undefined;
    const batch = this.#running;
    const forced = batch.some((waiting) => waiting.forced);
    try {
      this.#settings.disk.flush(
        batch.flatMap((waiting) => waiting.records),
        forced,
      );
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    this.#forcedWrites += forced ? 1 : 0;
    this.#running = [];
    this.#settings.flushed();
    for (const waiting of batch) {
      waiting.resolve();
    }
    if (this.#idle.length > 0 || this.#queue.some((waiting) => waiting.forced)) {
      this.#schedule();
    }
  }

  #fail(cause: unknown): void {
    const message = `the log is unusable, and what was being written may be there or not: ${String(cause)}`;
    const failure = new CoordinatorError('LOG_FAILED', message, { cause });
    this.#failure = failure;
    this.#stopTimers();
    for (const waiting of [...this.#running, ...this.#queue]) {
      waiting.reject(failure);
    }
    this.#running = [];
    this.#queue = [];
    this.#settings.failed(failure);
    this.#settle();
  }

  #stopTimers(): void {
    this.#flushTimer?.cancel();
    this.#lazyTimer?.cancel();
  }

  #settle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) {
      resolve();
    }
  }
}
