// What an open log keeps in memory of its file: the ledger of the journal, the frames, the history and the row of the life.
import type { Clock } from '../../lib/clock.ts';
import type { Gtrid } from '../../xa/xid.ts';
import type { Head, Life } from '../chain.ts';
import { silence } from '../horizon.ts';
import type { Ledger } from '../ledger.ts';
import type { Log } from '../log.ts';
import { actsIn, finishedIn, isSince, type NumberedAct, newestPast, recordsIn } from '../past.ts';
import type { LoggedOutcome, LogRecord } from '../record.ts';
import type { Task } from './flush/flusher.ts';
import type { Retention } from './history/compaction.ts';
import { carryFrame, lifeAfter, planDrop, planSlice, segmentOf } from './history/compaction.ts';
import type { Segments } from './history/segments.ts';

export interface StoreSettings extends Retention {
  /** Closed transactions in the journal that start a compaction. It bounds what a start has to read. */
  readonly compactAfter: number;
}

interface FrameInStore extends Head {
  readonly records: number;
}

interface StoreState {
  readonly life: Life;
  readonly ledger: Ledger;
  readonly segments: Segments;
  /** The frames that are stored, oldest first, without gaps. */
  readonly frames: readonly FrameInStore[];
}

export class Store {
  readonly ledger: Ledger;
  readonly #segments: Segments;
  readonly #settings: StoreSettings;
  readonly #clock: Clock;
  #life: Life;
  #frames: FrameInStore[];
  /** Records in the frames, needed or not. */
  #stored = 0;
  #compacting = false;

  constructor(state: StoreState, settings: StoreSettings, clock: Clock) {
    this.ledger = state.ledger;
    this.#segments = state.segments;
    this.#life = state.life;
    this.#frames = [...state.frames];
    this.#stored = state.frames.reduce((sum, frame) => sum + frame.records, 0);
    this.#settings = settings;
    this.#clock = clock;
  }

  get life(): Life {
    return this.#life;
  }

  /** Records that are stored, as far as anybody needs them: open ones, closed ones still in the journal, retained ones. */
  get records(): number {
    return this.ledger.records + this.#segments.records;
  }

  /** As the port says; `durable` is the newest record on stable storage. @throws {CoordinatorError} `LOG_DAMAGED` as `history`. */
  outcome(gtrid: Gtrid, durable: number): LoggedOutcome {
    const item = this.ledger.transaction(gtrid);
    const decided = item?.decided ?? this.#segments.find(gtrid).find(({ record }) => record.kind === 'decided');
    if (decided?.record.kind === 'decided') {
      const isMoved = item?.decided === undefined; // Only what is finished durably moves to the history.
      const newest = item?.finished?.sequence ?? Number.POSITIVE_INFINITY;
      const finished = isMoved || item.finished !== undefined;
      return { kind: 'decided', record: decided.record, finished, settled: isMoved || newest <= durable };
    }
    const { identity, epoch, watermarkEpoch, watermarkSequence } = this.#life;
    return silence(gtrid, { identity, epoch, watermark: { epoch: watermarkEpoch, sequence: watermarkSequence } });
  }

  /** As the port says. @throws {CoordinatorError} `LOG_DAMAGED` when a retained outcome cannot be read. */
  history(gtrid: Gtrid): readonly LogRecord[] {
    const actions = this.ledger.transaction(gtrid)?.actions ?? [];
    // A record may be in a segment and, after a restart, in the journal as well: its frame goes with a later slice.
    const all = [...this.#segments.find(gtrid), ...actions].map(({ sequence, record }) => [sequence, record] as const);
    return [...new Map(all)]
      .filter(([, record]) => record.kind === 'heuristic' || record.kind === 'operator-action')
      .sort(([left], [right]) => left - right)
      .map(([, record]) => record);
  }

  /** As the port says. @throws {CoordinatorError} `LOG_DAMAGED` when the history cannot be read. */
  acts(): readonly NumberedAct[] {
    return actsIn([...this.#segments.acts(), ...recordsIn(this.ledger.items())]);
  }

  /** As the port says. @throws {CoordinatorError} `LOG_DAMAGED` when the history cannot be read. */
  finished(since: number, max: number): ReturnType<Log['finished']> {
    const found = [...finishedIn(this.ledger.items(), since)];
    for (const { wallTime, records } of this.#segments.newestFirst()) {
      // What is in a segment was decided before it was moved there.
      if (wallTime < since || found.length >= max) {
        break;
      }
      found.push(...records.filter((record) => isSince(record, since)));
    }
    return newestPast(found, max);
  }

  /** A flush made this frame durable. */
  addFrame(frame: FrameInStore): void {
    this.#frames.push(frame);
    this.#stored += frame.records;
  }

  /**
   * Whether a slice is worth its work now: enough closed transactions, and records that newer ones have replaced, to pay for
   * carrying the rest; or segments that retention does not ask for.
   */
  compactionDue(): boolean {
    const { closed, size, records } = this.ledger;
    const { compactAfter } = this.#settings;
    const removable = closed + Math.max(0, this.#stored - records);
    this.#compacting ||= removable >= compactAfter && removable * 2 >= size - closed;
    this.#compacting &&= removable > compactAfter / 4;
    return this.#compacting || this.#droppable(0).length > 0;
  }

  /** One slice of compaction, for the flusher. `done` hears whether there was anything that could be moved. */
  compaction(done: (moved: boolean) => void): Task {
    let apply: (() => void) | undefined;
    return {
      make: (head) => {
        const slice = planSlice(this.ledger, this.#frames);
        const segment = slice && segmentOf(slice, this.#life, this.#clock.wallTime());
        const dropped = this.#droppable(segment?.outcomes ?? 0);
        if (slice === undefined && dropped.length === 0) {
          return undefined;
        }
        const frame = slice && carryFrame(this.#life.identity, this.#life.epoch, head, slice);
        const life = lifeAfter(this.#life, { cut: slice?.cut, segment, dropped });
        const next = frame === undefined ? head : { frame: frame.number, sequence: frame.last, hash: frame.hash };
        apply = () => {
          this.#life = life;
          const cut = this.#frames.splice(
            0,
            slice === undefined ? 0 : slice.cut.frame - (this.#frames[0]?.frame ?? 0) + 1,
          );
          this.#stored -= cut.reduce((sum, { records }) => sum + records, 0);
          if (frame !== undefined) {
            this.addFrame({ ...next, records: frame.records });
          }
          // Records that came since the slice was planned are in later frames than the one that follows `head`.
          for (const item of slice?.closed ?? []) {
            this.ledger.remove(item, head.frame + 1);
          }
          for (const item of slice?.kept ?? []) {
            this.ledger.move(item, head.frame + 1);
          }
          if (segment !== undefined) {
            this.#segments.add(segment);
          }
          this.#segments.drop(life.droppedSegment);
        };
        return { work: { kind: 'compact', life, frame, segment }, head: next };
      },
      done: () => {
        apply?.();
        done(apply !== undefined);
      },
    };
  }

  /** Writes another row for this life, for the flusher. */
  changeLife(change: (life: Life) => Life, done: () => void): Task {
    let changed = this.#life;
    return {
      make: (head) => {
        changed = change(this.#life);
        return { work: { kind: 'change-life', life: changed, from: this.#life.epoch }, head };
      },
      done: () => {
        this.#life = changed;
        done();
      },
    };
  }

  #droppable(added: number) {
    const { headers, outcomes } = this.#segments;
    return planDrop(headers, outcomes + added, this.#settings, this.#clock.wallTime());
  }
}
