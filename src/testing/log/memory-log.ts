// The log in memory, for simulations and tests: every promise of the port, on a disk that can be told to fail or to crash.
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { NumberedRecord } from '../../log/codec.ts';
import type { Id } from '../../log/horizon.ts';
import { compareIds, silence } from '../../log/horizon.ts';
import { Ledger } from '../../log/ledger.ts';
import { isClosed, recordsOf } from '../../log/ledger-item.ts';
import type { Durability, Log, LogStatus, RecoveredLog } from '../../log/log.ts';
import { isRefused } from '../../log/log.ts';
import { earlierLives } from '../../log/next-life.ts';
import { actsIn, finishedIn, type NumberedAct, newestPast, recordsIn } from '../../log/past.ts';
import type { LifeName, LoggedOutcome, LogRecord } from '../../log/record.ts';
import { OUTCOMES_RETAINED_MAX } from '../../xa/limits.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { gtridParts, IDENTITY_LENGTH, LIFE_TOKEN_LENGTH, parseLogIdentity } from '../../xa/xid.ts';
import type { MemoryDiskHolder } from './memory-disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import { MemoryFlusher } from './memory-flusher.ts';

interface MemoryLogSettings {
  readonly clock: Clock;
  readonly random: Random;
  /** The version of this program, for the record of its start. */
  readonly version: string;
  /** A new one by default: nothing is found, nothing remains. */
  readonly disk?: MemoryDisk;
  readonly outcomesRetainedMax?: number;
}

/**
 * Opens a log on a memory disk, and begins a life in it.
 * @throws {CoordinatorError} `LOG_LOCKED` when another log holds the disk; `LOG_FAILED` when the disk fails the first write.
 */
export async function openMemoryLog(settings: MemoryLogSettings): Promise<Log> {
  const log = new MemoryLog({ disk: new MemoryDisk(), outcomesRetainedMax: OUTCOMES_RETAINED_MAX, ...settings });
  try {
    await log.start(settings.version);
    return log;
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

class MemoryLog implements Log, MemoryDiskHolder {
  readonly recovered: RecoveredLog;
  readonly failed: Promise<Error>;
  readonly #settings: Required<MemoryLogSettings>;
  readonly #ledger: Ledger;
  readonly #flusher: MemoryFlusher;
  /** Transactions in the order in which they closed. */
  readonly #closed = new Set<Gtrid>();
  #sequence: number;
  #earlier: readonly LifeName[] = [];

  constructor(settings: Required<MemoryLogSettings>) {
    const { clock, disk, random } = settings;
    this.#settings = settings;
    const identity = disk.hold(this, () => {
      const made = parseLogIdentity(random.base32(IDENTITY_LENGTH));
      assert(made !== undefined, 'random characters make a log identity');
      return made;
    });
    this.#ledger = new Ledger(identity);
    this.#sequence = disk.lastSequence;
    for (const numbered of disk.records) {
      this.#take(numbered, disk.life.epoch);
    }
    const refused = this.#ledger.refusals();
    const earlier = earlierLives(this.#ledger.lives(), disk.life);
    if (refused.length === 0) {
      this.#earlier = earlier;
      disk.begin({ token: random.base32(LIFE_TOKEN_LENGTH), adoptedTo: this.#ledger.adoptedTo() });
    }
    const { epoch, token } = disk.life;
    const failure = Promise.withResolvers<Error>();
    this.failed = failure.promise;
    this.#flusher = new MemoryFlusher({ clock, disk, flushed: () => this.#expire(), failed: failure.resolve });
    this.recovered = {
      identity,
      epoch,
      token,
      unfinished: this.#ledger.unfinished(),
      resources: this.#ledger.resources(),
      ...(disk.lostTo >= 0 && { lostTo: disk.lostTo }),
      lives: [...this.#earlier, { epoch, token }],
      refused,
    };
  }

  async start(version: string): Promise<void> {
    const { epoch, token } = this.recovered;
    if (!isRefused(this.recovered)) {
      const wallTime = this.#settings.clock.wallTime();
      const earlier = this.#earlier;
      await this.append([{ kind: 'epoch-started', epoch, version, wallTime, token, earlier }], 'forced');
    }
  }

  append(records: readonly LogRecord[], durability: Durability): Promise<void> {
    if (this.#flusher.dead) {
      return new Promise(() => undefined);
    }
    if (this.#flusher.failure !== undefined) {
      return Promise.reject(this.#flusher.failure);
    }
    const numbered = records.map((record) => {
      const next = { sequence: this.#sequence + 1, record };
      this.#take(next, this.recovered.epoch);
      this.#sequence += 1;
      return next;
    });
    return numbered.length === 0 ? Promise.resolve() : this.#flusher.append(numbered, durability);
  }

  outcome(gtrid: Gtrid): LoggedOutcome {
    const item = this.#ledger.transaction(gtrid);
    const record = item?.decided?.record;
    if (record?.kind === 'decided') {
      const finished = item?.finished;
      const settled = finished !== undefined && finished.sequence <= this.#settings.disk.lastSequence;
      return { kind: 'decided', record, finished: finished !== undefined, settled };
    }
    const { identity, epoch } = this.recovered;
    return silence(gtrid, { identity, epoch, watermark: this.#settings.disk.watermark });
  }

  history(gtrid: Gtrid): readonly LogRecord[] {
    return this.#ledger.transaction(gtrid)?.actions.map((action) => action.record) ?? [];
  }

  acts(): readonly NumberedAct[] {
    return actsIn(recordsIn(this.#ledger.items()));
  }

  finished(since: number, max: number): ReturnType<Log['finished']> {
    return newestPast(finishedIn(this.#ledger.items(), since), max);
  }

  hasRoom(): boolean {
    return this.#settings.disk.room;
  }

  status(): LogStatus {
    const { disk } = this.#settings;
    return {
      path: 'memory',
      lastSequence: disk.lastSequence,
      records: this.#ledger.records,
      bytes: 0,
      freeBytes: Number.MAX_SAFE_INTEGER,
      flushMicros: disk.flushMs * 1_000,
      flushLane: 'inline',
      forcedWrites: this.#flusher.forcedWrites,
    };
  }

  async backup(path: string): Promise<{ readonly bytes: number; readonly lastSequence: number }> {
    if (this.#flusher.failure !== undefined) {
      throw this.#flusher.failure;
    }
    const { disk } = this.#settings;
    disk.copyTo(path, this.recovered.epoch);
    return { bytes: 0, lastSequence: disk.lastSequence };
  }

  abandon(): readonly NumberedRecord[] {
    return this.#flusher.abandon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flusher.close();
    this.#settings.disk.release(this);
  }

  #take(numbered: NumberedRecord, epoch: number): void {
    const { closed } = this.#ledger;
    const contradiction = this.#ledger.add(numbered, { place: 0, epoch });
    assert(contradiction === undefined, contradiction ?? '');
    if (this.#ledger.closed > closed && 'gtrid' in numbered.record) {
      this.#closed.add(numbered.record.gtrid);
    }
  }

  /** Drops the transactions that closed first, beyond the retained ones. */
  #expire(): void {
    const { disk, outcomesRetainedMax } = this.#settings;
    let watermark: Id = disk.watermark;
    const removed: number[] = [];
    for (const gtrid of this.#closed) {
      const item = this.#ledger.transaction(gtrid);
      const durable = item === undefined || item.newest <= disk.lastSequence;
      if (this.#ledger.closed <= outcomesRetainedMax || !durable) {
        break;
      }
      this.#closed.delete(gtrid);
      // One that an operator came back to is not closed any more; it is in the list again once it is.
      if (item !== undefined && isClosed(item)) {
        const id = gtridParts(gtrid);
        watermark = compareIds(id, watermark) > 0 ? id : watermark;
        removed.push(...recordsOf(item).map((record) => record.sequence));
        this.#ledger.remove(item, 0);
      }
    }
    if (removed.length > 0) {
      disk.remove(removed, watermark);
    }
  }
}
