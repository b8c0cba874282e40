// Plans how the old end of the journal is removed, slice by slice: closed transactions become a segment of the history, what is
// still needed is written again at the new end, and the oldest segments leave when the retention says so. Changes nothing itself.
import type { LogIdentity } from '../../../xa/xid.ts';
import type { Head, Life, SegmentHeader } from '../../chain.ts';
import { frameHash } from '../../chain.ts';
import { encodeLine } from '../../codec.ts';
import { compareIds } from '../../horizon.ts';
import type { Ledger } from '../../ledger.ts';
import type { LedgerItem, TransactionItem } from '../../ledger-item.ts';
import { isClosed, recordsOf } from '../../ledger-item.ts';
import type { NewFrame, NewSegment } from '../file/writer.ts';
import { buildSegment } from './segments.ts';

/** One slice moves about so many records and branches, some 700 transactions: a millisecond, so that it fits between two flushes. */
const SLICE_WEIGHT = 2_048;
/** And deletes at most so many frames. */
const SLICE_FRAMES = 1_024;
/** Segments that one step drops. */
const STEP_SEGMENTS = 8;

export interface Retention {
  /** Outcomes that stay answerable, by count; somewhat more stay, since they go by whole segments. */
  readonly outcomesRetainedMax: number;
  /** And by age: older ones go even if there is room. Wall-clock milliseconds; nothing but retention depends on them. */
  readonly outcomesRetainedMs: number;
}

/** The part of the journal up to one frame, and what becomes of it. */
interface Slice {
  readonly cut: Head;
  readonly closed: readonly TransactionItem[];
  readonly kept: readonly LedgerItem[];
}

/** The oldest items of the ledger, in whole frames; undefined: nothing can be cut off now. `frames` are the stored ones. */
export function planSlice(ledger: Ledger, frames: readonly Head[]): Slice | undefined {
  const [oldest] = frames;
  const head = frames.at(-1);
  if (oldest === undefined || head === undefined) {
    return undefined;
  }
  const items: LedgerItem[] = [];
  let weight = 0;
  let lastFrame = Math.min(head.frame, oldest.frame + SLICE_FRAMES - 1);
  for (const item of ledger.items()) {
    const full = weight >= SLICE_WEIGHT && item.place !== items.at(-1)?.place;
    // What is not durable yet stays where it is: the history must never be newer than the journal.
    if (full || item.place > lastFrame || item.newest > head.sequence) {
      lastFrame = Math.min(lastFrame, item.place - 1);
      break;
    }
    items.push(item);
    weight += recordsOf(item).reduce(
      (sum, { record }) => sum + (record.kind === 'decided' ? record.branches.length : 1),
      0,
    );
  }
  const cut = frames[lastFrame - oldest.frame];
  if (cut === undefined) {
    return undefined;
  }
  const moved = items.filter((item) => item.place <= lastFrame);
  const isDone = (item: LedgerItem): item is TransactionItem => item.kind === 'transaction' && isClosed(item);
  return { cut, closed: moved.filter(isDone), kept: moved.filter((item) => !isDone(item)) };
}

/** The oldest segments that retention does not ask for, when there are `allOutcomes` of them. */
export function planDrop(
  headers: readonly SegmentHeader[],
  allOutcomes: number,
  retention: Retention,
  wallTime: number,
): readonly SegmentHeader[] {
  let outcomes = allOutcomes;
  const dropped: SegmentHeader[] = [];
  for (const header of headers.slice(0, STEP_SEGMENTS)) {
    const enough = outcomes - header.outcomes >= retention.outcomesRetainedMax;
    if (!enough && wallTime - header.wallTime < retention.outcomesRetainedMs) {
      break;
    }
    dropped.push(header);
    outcomes -= header.outcomes;
  }
  return dropped;
}

/** The segment of a slice's closed transactions; undefined: none of them has a record that is worth keeping. */
export function segmentOf(slice: Slice, life: Life, wallTime: number): NewSegment | undefined {
  const closed = slice.closed.filter((item) => recordsOf(item).length > 0);
  const { identity, newestHash: previous } = life;
  return closed.length === 0
    ? undefined
    : buildSegment({ identity, number: life.newestSegment + 1, previous, wallTime }, closed);
}

/** The frame that carries what a slice keeps to the new end of the journal: no new sequence numbers, the old records. */
export function carryFrame(identity: LogIdentity, epoch: number, head: Head, slice: Slice): NewFrame | undefined {
  const lines = slice.kept.flatMap(recordsOf).map(encodeLine);
  if (lines.length === 0) {
    return undefined;
  }
  const payload = new TextEncoder().encode(lines.join('\n'));
  const header = { number: head.frame + 1, epoch, last: head.sequence, records: lines.length };
  return { ...header, hash: frameHash(identity, header, head.hash, payload), payload };
}

interface LifeChange {
  readonly cut: Head | undefined;
  readonly segment: SegmentHeader | undefined;
  readonly dropped: readonly SegmentHeader[];
}

/** The anchors behind what is removed, and the watermark at the highest id that is removed. */
export function lifeAfter(life: Life, { cut, segment, dropped }: LifeChange): Life {
  const last = dropped.at(-1);
  const watermark = dropped
    .map((header) => ({ epoch: header.highEpoch, sequence: header.highSequence }))
    .concat({ epoch: life.watermarkEpoch, sequence: life.watermarkSequence })
    .sort(compareIds)
    .at(-1);
  return {
    ...life,
    ...(cut && { anchorFrame: cut.frame, anchorSequence: cut.sequence, anchorHash: cut.hash }),
    ...(segment && { newestSegment: segment.number, newestHash: segment.hash }),
    ...(last && { droppedSegment: last.number, droppedHash: last.hash }),
    watermarkEpoch: watermark?.epoch ?? 0,
    watermarkSequence: watermark?.sequence ?? 0,
  };
}
