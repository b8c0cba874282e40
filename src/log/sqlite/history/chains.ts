// Reads the two chains of a log file, the journal and the history, and verifies every link.
import type Database from 'better-sqlite3';
import type { ErrorCode } from '../../../xa/errors.ts';
import type { FrameHeader, Life, SegmentHeader } from '../../chain.ts';
import { frameHash, payloadHash, sameHash, segmentHash } from '../../chain.ts';

/** Why a log is refused: a catalogue code, and a sentence that says what was found. */
export interface Problem {
  readonly code: Extract<ErrorCode, 'LOG_DAMAGED' | 'LOG_FOREIGN' | 'LOG_NEWER'>;
  readonly message: string;
}

/** A log that is refused. Thrown while a file is inspected, and caught there. */
export class Refused extends Error {
  readonly code: Problem['code'];

  constructor(code: Problem['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface StoredFrame extends FrameHeader {
  readonly hash: Uint8Array;
  readonly payload: Uint8Array;
}

/** @throws {Refused} at the first frame that is missing, changed or out of order. */
export function readFrames(db: Database.Database, life: Life): readonly StoredFrame[] {
  const rows = db.prepare<[], StoredFrame>(
    'SELECT number, epoch, last, records, hash, payload FROM frame ORDER BY number',
  );
  const frames: StoredFrame[] = [];
  let previous = { number: life.anchorFrame, hash: life.anchorHash, last: life.anchorSequence, epoch: 0 };
  for (const frame of rows.iterate()) {
    if (frame.number !== previous.number + 1) {
      throw new Refused('LOG_DAMAGED', `frame ${previous.number + 1} is missing; frame ${frame.number} follows`);
    }
    if (!sameHash(frame.hash, frameHash(life.identity, frame, previous.hash, frame.payload))) {
      throw new Refused('LOG_DAMAGED', `frame ${frame.number} does not match its hash`);
    }
    if (frame.last < previous.last || frame.epoch < previous.epoch || frame.epoch > life.epoch) {
      throw new Refused('LOG_DAMAGED', `frame ${frame.number} is out of order (epoch ${frame.epoch} of ${life.epoch})`);
    }
    frames.push(frame);
    previous = frame;
  }
  return frames;
}

interface SegmentRow {
  readonly number: number;
  readonly outcomes: number;
  readonly records: number;
  readonly low_epoch: number;
  readonly low_sequence: number;
  readonly high_epoch: number;
  readonly high_sequence: number;
  readonly wall_time: number;
  readonly payload_hash: Uint8Array;
  readonly hash: Uint8Array;
}

/**
 * The headers of the history. Payloads are verified as far as `historyBytesMax` goes, newest first.
 * @throws {Refused} at the first segment that is missing or changed.
 */
export function readSegments(db: Database.Database, life: Life, historyBytesMax: number): readonly SegmentHeader[] {
  const columns =
    'number, outcomes, records, low_epoch, low_sequence, high_epoch, high_sequence, wall_time, payload_hash, hash';
  const segments = db
    .prepare<[], SegmentRow>(`SELECT ${columns} FROM segment ORDER BY number`)
    .all()
    .map(segmentHeader);
  let previous = { number: life.droppedSegment, hash: life.droppedHash };
  for (const segment of segments) {
    const expected = segmentHash(life.identity, segment, previous.hash);
    if (segment.number !== previous.number + 1 || !sameHash(segment.hash, expected)) {
      throw new Refused(
        'LOG_DAMAGED',
        `segment ${previous.number + 1} of the history is missing or does not match its hash`,
      );
    }
    previous = segment;
  }
  if (previous.number !== life.newestSegment || !sameHash(previous.hash, life.newestHash)) {
    throw new Refused('LOG_DAMAGED', `the history ends at segment ${previous.number} instead of ${life.newestSegment}`);
  }
  checkPayloads(db, segments, historyBytesMax);
  return segments;
}

function checkPayloads(db: Database.Database, segments: readonly SegmentHeader[], historyBytesMax: number): void {
  const select = db.prepare<[number], { payload: Uint8Array }>('SELECT payload FROM segment WHERE number = ?');
  let bytes = 0;
  for (const segment of segments.toReversed()) {
    if (bytes >= historyBytesMax) {
      return;
    }
    const payload = select.get(segment.number)?.payload ?? new Uint8Array();
    if (!sameHash(payloadHash(payload), segment.payloadHash)) {
      throw new Refused('LOG_DAMAGED', `the payload of segment ${segment.number} does not match its hash`);
    }
    bytes += payload.byteLength;
  }
}

function segmentHeader(row: SegmentRow): SegmentHeader {
  return {
    number: row.number,
    outcomes: row.outcomes,
    records: row.records,
    lowEpoch: row.low_epoch,
    lowSequence: row.low_sequence,
    highEpoch: row.high_epoch,
    highSequence: row.high_sequence,
    wallTime: row.wall_time,
    payloadHash: row.payload_hash,
    hash: row.hash,
  };
}
