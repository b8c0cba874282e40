// What survives a crash of a memory log, and the faults that a test or a simulation wants of its disk.

import type { NumberedRecord } from '../../log/codec.ts';
import type { Id } from '../../log/horizon.ts';
import { type NextLifeFacts, nextLife } from '../../log/next-life.ts';
import type { LifeName } from '../../log/record.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { LogIdentity } from '../../xa/xid.ts';
import { SEQUENCE_MAX } from '../../xa/xid.ts';

/** The log that holds a disk, as far as the disk must know it. */
export interface MemoryDiskHolder {
  /** The process died: the log neither answers nor writes any more. Answers the batch that was being written. */
  abandon(): readonly NumberedRecord[];
}

/** What happened to a write whose success was never reported. */
export type WriteFate = 'lost' | 'kept';

/** One log's disk. Logs are opened on it one after the other; each finds what the one before made durable. */
export class MemoryDisk {
  /** Milliseconds that a flush takes, by the log's clock. */
  flushMs = 0;
  /** What `hasRoom` answers. */
  room = true;
  /** Copies made by `backup`, by path; a log can be opened on each. */
  readonly backups = new Map<string, MemoryDisk>();
  #fate: WriteFate | undefined;
  #holder: MemoryDiskHolder | undefined;
  #identity: LogIdentity | undefined;
  #epoch = 0;
  #token = '';
  #nextEpoch = 1;
  #watermark: Id = { epoch: 0, sequence: 0 };
  #lostTo = -1;
  readonly #records = new Map<number, NumberedRecord>();
  #lastSequence = 0;

  /** The next flush with a forced record fails; its records are on the disk all the same (`kept`) or not (`lost`). */
  failNextForce(fate: WriteFate): void {
    this.#fate = fate;
  }

  /**
   * The process that holds the log dies: its promises never settle. What it was just writing is kept or lost; what it had
   * only queued is lost. A log can be opened on this disk at once.
   */
  crash(inFlight: WriteFate = 'lost'): void {
    const batch = this.#holder?.abandon() ?? [];
    this.#holder = undefined;
    if (inFlight === 'kept') {
      this.write(batch);
    }
  }

  /** Durable records, oldest first. */
  get records(): readonly NumberedRecord[] {
    return [...this.#records.values()];
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  get watermark(): Id {
    return this.#watermark;
  }

  /** Of lives up to this one decisions may be missing; -1: nothing is missing. */
  get lostTo(): number {
    return this.#lostTo;
  }

  /** The last life that was begun; epoch 0: none. */
  get life(): LifeName {
    return { epoch: this.#epoch, token: this.#token };
  }

  /** For the log: takes the disk. @throws {CoordinatorError} `LOG_LOCKED` */
  hold(holder: MemoryDiskHolder, makeIdentity: () => LogIdentity): LogIdentity {
    if (this.#holder !== undefined) {
      throw new CoordinatorError('LOG_LOCKED', 'another log holds this memory disk');
    }
    this.#holder = holder;
    this.#identity ??= makeIdentity();
    return this.#identity;
  }

  /** For the log: begins a life. */
  begin(facts: Pick<NextLifeFacts, 'token' | 'adoptedTo'>): void {
    const before = { epoch: this.#epoch, nextEpoch: this.#nextEpoch, lostTo: this.#lostTo };
    const life = nextLife(before, { ...facts, endUnknown: false });
    if (life.lostTo > before.lostTo) {
      this.#watermark = { epoch: life.lostTo, sequence: SEQUENCE_MAX };
    }
    this.#epoch = life.epoch;
    this.#nextEpoch = life.nextEpoch;
    this.#token = life.token;
    this.#lostTo = life.lostTo;
  }

  /** For the log: gives the disk back. */
  release(holder: MemoryDiskHolder): void {
    if (this.#holder === holder) {
      this.#holder = undefined;
    }
  }

  /** For the log: the end of a flush. @throws {Error} when this flush was to fail. */
  flush(batch: readonly NumberedRecord[], forced: boolean): void {
    const fate = forced ? this.#fate : undefined;
    if (fate === undefined) {
      this.write(batch);
      return;
    }
    this.#fate = undefined;
    if (fate === 'kept') {
      this.write(batch);
    }
    throw new Error('the memory disk was told to fail this force');
  }

  write(batch: readonly NumberedRecord[]): void {
    for (const numbered of batch) {
      this.#records.set(numbered.sequence, numbered);
      this.#lastSequence = numbered.sequence;
    }
  }

  /** For the log: removes records, and notes up to which id silence proves nothing from now on. */
  remove(sequences: readonly number[], watermark: Id): void {
    for (const sequence of sequences) {
      this.#records.delete(sequence);
    }
    this.#watermark = watermark;
  }

  /** For the log: a copy that never shares an epoch with this disk, and whose silence about earlier lives proves nothing. */
  copyTo(path: string, epoch: number): void {
    if (this.backups.has(path)) {
      throw new CoordinatorError('FIELD_INVALID', `path: ${path} exists already`);
    }
    const copy = new MemoryDisk();
    copy.#identity = this.#identity;
    copy.#epoch = epoch;
    copy.#nextEpoch = epoch + 1;
    copy.#watermark = { epoch, sequence: SEQUENCE_MAX };
    copy.#lostTo = epoch;
    copy.write(this.records);
    this.#nextEpoch = epoch + 2;
    this.backups.set(path, copy);
  }

  /** What a snapshot of the volume shows, or `cp`: all of it as it is, without anything that would tell it from the original. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.flushMs = this.flushMs;
    copy.#identity = this.#identity;
    copy.#epoch = this.#epoch;
    copy.#token = this.#token;
    copy.#nextEpoch = this.#nextEpoch;
    copy.#watermark = this.#watermark;
    copy.#lostTo = this.#lostTo;
    copy.write(this.records);
    return copy;
  }
}
