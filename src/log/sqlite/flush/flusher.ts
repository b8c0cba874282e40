// Group commit: everything that waits while one flush runs, or that comes within one turn of the event loop, is the next flush.
import type { Clock, Timer } from '../../../lib/clock.ts';
import { CoordinatorError } from '../../../xa/errors.ts';
import { LAZY_MS } from '../../../xa/times.ts';
import type { LogIdentity } from '../../../xa/xid.ts';
import type { Head } from '../../chain.ts';
import { frameHash } from '../../chain.ts';
import type { NumberedRecord } from '../../codec.ts';
import { encodeLine } from '../../codec.ts';
import type { Durability } from '../../log.ts';
import type { LogRecord } from '../../record.ts';
import type { FileWork, NewFrame } from '../file/writer.ts';
import type { WaitingAppend } from './append-queue.ts';
import { AppendQueue } from './append-queue.ts';
import type { Lanes } from './lanes.ts';

/** Work that goes between two flushes. It is made when its turn has come, and knows the head that it follows. */
export interface Task {
  make(head: Head): { readonly work: FileWork; readonly head: Head } | undefined;
  done(): void;
}

interface FlusherSettings {
  readonly identity: LogIdentity;
  readonly epoch: number;
  readonly head: Head;
  readonly clock: Clock;
  readonly lanes: Lanes;
  /** Called for each record when it is numbered, with a place that is not behind the frame it will be in. */
  accept(numbered: NumberedRecord, place: number): void;
  /** Called when a flush is on stable storage, before anybody who waits for it hears of it. */
  flushed(records: number, payloadBytes: number): void;
  /** Called once, when a flush failed or its outcome is unknown. Nothing is written after that. */
  failed(error: CoordinatorError): void;
}

const nothing = (): void => undefined;
/** Not `Buffer.from`: a view into Node's shared pool would be posted to the worker with the whole pool. */
const encoder = new TextEncoder();

export class Flusher {
  readonly #settings: FlusherSettings;
  #head: Head;
  #sequence: number;
  readonly #queue = new AppendQueue();
  #running: readonly WaitingAppend[] = [];
  #tasks: Task[] = [];
  #taskWasLast = false;
  #busy = false;
  #turn: NodeJS.Immediate | undefined;
  #lazyTimer: Timer | undefined;
  #lazyDue = false;
  #failure: CoordinatorError | undefined;
  #idle: (() => void)[] = [];
  #forcedWrites = 0;

  constructor(settings: FlusherSettings) {
    this.#settings = settings;
    this.#head = settings.head;
    this.#sequence = settings.head.sequence;
  }

  get head(): Head {
    return this.#head;
  }

  /** Flushes that were made because at least one forced append waited for them. */
  get forcedWrites(): number {
    return this.#forcedWrites;
  }

  get failure(): CoordinatorError | undefined {
    return this.#failure;
  }

  append(records: readonly LogRecord[], durability: Durability): Promise<void> {
    if (this.#failure !== undefined) {
      return Promise.reject(this.#failure);
    }
    const lines = records.map((record) => {
      const numbered = { sequence: this.#sequence + 1, record };
      this.#settings.accept(numbered, this.#head.frame + 1);
      this.#sequence += 1;
      return encodeLine(numbered);
    });
    if (lines.length === 0) {
      return Promise.resolve();
    }
    const last = this.#sequence;
    if (durability === 'lazy') {
      this.#queue.push({ lines, last, forced: false, resolve: nothing, reject: nothing });
      this.#lazyTimer ??= this.#settings.clock.after(LAZY_MS, () => this.#flushLazy());
      if (this.#queue.full) {
        this.#flushLazy();
      }
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ lines, last, forced: true, resolve, reject });
      this.#schedule();
    });
  }

  /** Runs `task` between two flushes. */
  run(task: Task): void {
    this.#tasks.push(task);
    this.#schedule();
  }

  /** Writes everything that waits, lazy records too, and resolves when there is nothing left to do or the log has failed. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#flushLazy();
    });
  }

  /** Takes nothing any more. @returns false when the log has failed before. */
  close(): boolean {
    const whole = this.#failure === undefined;
    this.#failure ??= new CoordinatorError('LOG_FAILED', 'the log is closed');
    return whole;
  }

  /** The log is unusable from now on: everybody who waits hears it at once, and nothing is written or retried. */
  fail(cause: Error): void {
    if (this.#failure !== undefined) {
      return;
    }
    const message = `the log is unusable, and what was being written may be there or not: ${cause.message}`;
    const failure = new CoordinatorError('LOG_FAILED', message, { cause });
    this.#failure = failure;
    this.#lazyTimer?.cancel();
    clearImmediate(this.#turn);
    this.#turn = undefined;
    for (const waiting of [...this.#running, ...this.#queue.takeAll()]) {
      waiting.reject(failure);
    }
    this.#running = [];
    this.#tasks = [];
    this.#settings.failed(failure);
    this.#settle();
  }

  #flushLazy(): void {
    this.#lazyDue = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#turn === undefined && !this.#busy) {
      this.#turn = setImmediate(() => {
        this.#turn = undefined;
        this.#next();
      });
    }
  }

  /** Records and tasks take turns, so that neither starves the other. */
  #next(): void {
    this.#lazyDue &&= !this.#queue.empty;
    const due = this.#queue.forced || this.#lazyDue;
    if (due && (this.#taskWasLast || this.#tasks.length === 0)) {
      this.#flush();
    } else if (this.#tasks.length > 0) {
      this.#runTask();
    } else {
      this.#settle();
    }
  }

  #flush(): void {
    this.#taskWasLast = false;
    const batch = this.#queue.takeBatch();
    if (this.#queue.empty) {
      this.#lazyTimer?.cancel();
      this.#lazyTimer = undefined;
    }
    const lines = batch.flatMap((waiting) => waiting.lines);
    const payload = encoder.encode(lines.join('\n'));
    const { identity, epoch } = this.#settings;
    const last = batch.at(-1)?.last ?? this.#head.sequence;
    const header = { number: this.#head.frame + 1, epoch, last, records: lines.length };
    const frame: NewFrame = { ...header, hash: frameHash(identity, header, this.#head.hash, payload), payload };
    const forced = batch.some((waiting) => waiting.forced);
    this.#running = batch;
    this.#perform({ kind: 'append', frame }, { frame: frame.number, sequence: last, hash: frame.hash }, () => {
      this.#forcedWrites += forced ? 1 : 0;
      this.#running = [];
      this.#settings.flushed(lines.length, payload.byteLength);
      for (const waiting of batch) {
        waiting.resolve();
      }
    });
  }

  #runTask(): void {
    this.#taskWasLast = true;
    const task = this.#tasks.shift();
    const made = task?.make(this.#head);
    if (made === undefined) {
      task?.done();
      this.#schedule();
    } else {
      this.#perform(made.work, made.head, () => task?.done());
    }
  }

  #perform(work: FileWork, head: Head, done: () => void): void {
    this.#busy = true;
    this.#settings.lanes.perform(work, (error) => {
      this.#busy = false;
      if (error !== undefined) {
        this.fail(error);
      } else if (this.#failure === undefined) {
        this.#head = head;
        done();
      }
      this.#schedule();
    });
  }

  #settle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) {
      resolve();
    }
  }
}
