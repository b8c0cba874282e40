// The hash chain: what each hash covers, and in which form. Pure. docs/log-format.md repeats the layouts.
import { createHash } from 'node:crypto';
import type { LogIdentity } from '../xa/xid.ts';

const HASH_BYTES = 32;

/** What the first frame and the first segment of a log name as their predecessor. */
export const NO_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

/** The records that one flush made durable together: the link of the journal's chain. */
export interface FrameHeader {
  /** 1 for the first frame of the log, without gaps. */
  readonly number: number;
  readonly epoch: number;
  /** The highest record sequence of this frame and all frames before it. */
  readonly last: number;
  /** Lines in the payload. */
  readonly records: number;
}

/** The end of the journal: a frame, its highest record sequence and its hash. */
export interface Head {
  readonly frame: number;
  readonly sequence: number;
  readonly hash: Uint8Array;
}

/**
 * SHA-256 over the identity, every column of the frame, the payload and the previous frame's hash. The payload holds each
 * record's sequence, kind, gtrid and body, so nothing of a record can change, move, appear or vanish without a mismatch.
 */
export function frameHash(
  identity: LogIdentity,
  header: FrameHeader,
  previous: Uint8Array,
  payload: Uint8Array,
): Uint8Array {
  const { number, epoch, last, records } = header;
  return createHash('sha256')
    .update(`concordat frame 1\n${identity} ${number} ${epoch} ${last} ${records}\n`)
    .update(previous)
    .update(payload)
    .digest();
}

/** Outcomes that were moved out of the journal together: the link of the history's chain. */
export interface SegmentHeader {
  /** 1 for the first segment of the log, without gaps. */
  readonly number: number;
  /** Transactions in the payload. */
  readonly outcomes: number;
  /** Lines in the payload. */
  readonly records: number;
  /** The lowest and the highest transaction id of the payload. */
  readonly lowEpoch: number;
  readonly lowSequence: number;
  readonly highEpoch: number;
  readonly highSequence: number;
  /** Wall-clock milliseconds when it was written; retention by time looks at it, and nothing else. */
  readonly wallTime: number;
  readonly payloadHash: Uint8Array;
  readonly hash: Uint8Array;
}

export function payloadHash(payload: Uint8Array): Uint8Array {
  return createHash('sha256').update(payload).digest();
}

/** The end of the journal: a frame, its highest record sequence and its hash. */
export interface Head {
  readonly frame: number;
  readonly sequence: number;
  readonly hash: Uint8Array;
}

/**
 * SHA-256 over the identity, every column of the segment, the hash of its payload and the previous segment's hash. The
 * payload counts through its own hash, so that the chain of headers can be verified without reading the payloads.
 */
export function segmentHash(
  identity: LogIdentity,
  header: Omit<SegmentHeader, 'hash'>,
  previous: Uint8Array,
): Uint8Array {
  const { number, outcomes, records, lowEpoch, lowSequence, highEpoch, highSequence, wallTime } = header;
  const range = `${lowEpoch} ${lowSequence} ${highEpoch} ${highSequence}`;
  return createHash('sha256')
    .update(`concordat segment 1\n${identity} ${number} ${outcomes} ${records} ${range} ${wallTime}\n`)
    .update(previous)
    .update(header.payloadHash)
    .digest();
}

/** The one row that says whose log this is, in which life, where the chains begin, and below what silence proves nothing. */
export interface Life {
  readonly identity: LogIdentity;
  /** 0: created, never started. */
  readonly epoch: number;
  /** The epoch of the next start: one more, or two if a backup was taken, which then holds the one between. */
  readonly nextEpoch: number;
  /** The last frame that was removed from the old end of the journal; 0, 0 and `NO_HASH`: none. */
  readonly anchorFrame: number;
  readonly anchorSequence: number;
  readonly anchorHash: Uint8Array;
  /** The last segment that was removed from the old end of the history; 0 and `NO_HASH`: none. */
  readonly droppedSegment: number;
  readonly droppedHash: Uint8Array;
  /** The newest segment; its chain ends here, so that a lost one is missed. 0 and `NO_HASH`: none yet. */
  readonly newestSegment: number;
  readonly newestHash: Uint8Array;
  /** For a transaction id at or below this, silence proves nothing. 0 and 0: nothing was ever removed. */
  readonly watermarkEpoch: number;
  readonly watermarkSequence: number;
  /** Of lives up to this one decisions may be missing here, however far the watermark has risen since. -1: nothing is missing. */
  readonly lostTo: number;
  /** Random, made by each start; empty: none since a version that had none, or the file is a backup. */
  readonly token: string;
}

/** SHA-256 over every field, as a log of `format` has them: a row with one changed bit does not match its seal. */
export function lifeSeal(life: Life, format: 1 | 2 | 3 = 3): Uint8Array {
  const values: (number | string)[] = [
    life.epoch,
    life.nextEpoch,
    life.anchorFrame,
    life.anchorSequence,
    life.droppedSegment,
    life.newestSegment,
    life.watermarkEpoch,
    life.watermarkSequence,
    ...(format === 1 ? [] : [life.lostTo]),
    ...(format < 3 ? [] : [life.token]),
  ];
  return createHash('sha256')
    .update(`concordat life ${format}\n${life.identity} ${values.join(' ')}\n`)
    .update(life.anchorHash)
    .update(life.droppedHash)
    .update(life.newestHash)
    .digest();
}

export function sameHash(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
