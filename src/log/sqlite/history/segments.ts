// Retained outcomes: closed transactions in segments, looked up by the range of ids that each segment holds.
import type Database from 'better-sqlite3';
import { CoordinatorError } from '../../../xa/errors.ts';
import type { Gtrid, LogIdentity } from '../../../xa/xid.ts';
import { gtridParts } from '../../../xa/xid.ts';
import type { SegmentHeader } from '../../chain.ts';
import { payloadHash, sameHash, segmentHash } from '../../chain.ts';
import type { NumberedRecord } from '../../codec.ts';
import { encodeLine } from '../../codec.ts';
import type { Id } from '../../horizon.ts';
import { compareIds } from '../../horizon.ts';
import type { TransactionItem } from '../../ledger-item.ts';
import { recordsOf } from '../../ledger-item.ts';
import type { LogRecord } from '../../record.ts';
import type { NewSegment } from '../file/writer.ts';
import { decodePayload, decodingProblem } from './replay.ts';

/** Decoded segments kept for the next question: questions come for neighbouring ids. */
const DECODED_MAX = 16;

type Decoded = ReadonlyMap<Gtrid, readonly NumberedRecord[]>;

export class Segments {
  readonly #reader: Database.Database;
  readonly #headers: SegmentHeader[];
  readonly #decoded = new Map<number, Decoded>();
  #outcomes = 0;
  #records = 0;

  constructor(reader: Database.Database, headers: readonly SegmentHeader[]) {
    this.#reader = reader;
    this.#headers = [...headers];
    for (const header of headers) {
      this.#count(header, 1);
    }
  }

  /** Oldest first. */
  get headers(): readonly SegmentHeader[] {
    return this.#headers;
  }

  get outcomes(): number {
    return this.#outcomes;
  }

  get records(): number {
    return this.#records;
  }

  /**
   * Every retained record of a transaction, oldest first.
   * @throws {CoordinatorError} `LOG_DAMAGED` when a segment that may hold it does not match its hash.
   */
  find(gtrid: Gtrid): readonly NumberedRecord[] {
    const id = gtridParts(gtrid);
    return this.#headers.filter((header) => holds(header, id)).flatMap((header) => this.#load(header).get(gtrid) ?? []);
  }

  /** Every operator's action. Segments without one, which are nearly all, are not decoded. @throws {CoordinatorError} as `find`. */
  *acts(): Generator<NumberedRecord> {
    for (const header of this.#headers) {
      if (readPayload(this.#reader, header).includes('"operator-action"')) {
        yield* [...this.#load(header).values()].flat();
      }
    }
  }

  /** The decisions of each segment, the newest segment first, with the time of its move. @throws {CoordinatorError} as `find`. */
  *newestFirst(): Generator<{
    readonly wallTime: number;
    readonly records: readonly Extract<LogRecord, { kind: 'decided' }>[];
  }> {
    for (const header of this.#headers.toReversed()) {
      const records = [...this.#load(header).values()].flat().map(({ record }) => record);
      yield { wallTime: header.wallTime, records: records.filter((record) => record.kind === 'decided') };
    }
  }

  add(header: SegmentHeader): void {
    this.#headers.push(header);
    this.#count(header, 1);
  }

  /** Forgets every segment up to `number`, which were deleted. */
  drop(number: number): void {
    const kept = this.#headers.findIndex((header) => header.number > number);
    for (const header of this.#headers.splice(0, kept === -1 ? this.#headers.length : kept)) {
      this.#count(header, -1);
      this.#decoded.delete(header.number);
    }
  }

  #count(header: SegmentHeader, sign: 1 | -1): void {
    this.#outcomes += sign * header.outcomes;
    this.#records += sign * header.records;
  }

  #load(header: SegmentHeader): Decoded {
    const cached = this.#decoded.get(header.number);
    const decoded = cached ?? readSegment(this.#reader, header);
    this.#decoded.delete(header.number);
    this.#decoded.set(header.number, decoded);
    const [oldest] = this.#decoded.keys();
    if (this.#decoded.size > DECODED_MAX && oldest !== undefined) {
      this.#decoded.delete(oldest);
    }
    return decoded;
  }
}

/** @throws {CoordinatorError} `LOG_DAMAGED` */
function readPayload(db: Database.Database, header: SegmentHeader): Buffer {
  const select = db.prepare<[number], { payload: Uint8Array }>('SELECT payload FROM segment WHERE number = ?');
  const payload = select.get(header.number)?.payload;
  if (payload === undefined || !sameHash(payloadHash(payload), header.payloadHash)) {
    throw new CoordinatorError('LOG_DAMAGED', `segment ${header.number} of the history does not match its hash`);
  }
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** @throws {CoordinatorError} `LOG_DAMAGED` or `LOG_NEWER`. */
export function readSegment(db: Database.Database, header: SegmentHeader): Decoded {
  const decoded = decodePayload(readPayload(db, header));
  if (decoded.kind !== 'ok') {
    const { code, message } = decodingProblem(decoded, `segment ${header.number}`);
    throw new CoordinatorError(code, message);
  }
  const byGtrid = new Map<Gtrid, NumberedRecord[]>();
  for (const numbered of decoded.value) {
    if ('gtrid' in numbered.record) {
      const known = byGtrid.get(numbered.record.gtrid);
      if (known === undefined) {
        byGtrid.set(numbered.record.gtrid, [numbered]);
      } else {
        known.push(numbered);
      }
    }
  }
  return byGtrid;
}

interface SegmentPlace {
  readonly identity: LogIdentity;
  readonly number: number;
  readonly previous: Uint8Array;
  readonly wallTime: number;
}

/** The segment of some closed transactions, at least one. */
export function buildSegment(place: SegmentPlace, closed: readonly TransactionItem[]): NewSegment {
  // That it is finished, a transaction in the history says by being there.
  const records = closed.flatMap(recordsOf).filter(({ record }) => record.kind !== 'finished');
  const payload = new TextEncoder().encode(records.map(encodeLine).join('\n'));
  const ids = closed.map((item) => gtridParts(item.gtrid)).sort(compareIds);
  const low = ids[0] ?? { epoch: 0, sequence: 0 };
  const high = ids.at(-1) ?? low;
  const header = {
    number: place.number,
    outcomes: closed.length,
    records: records.length,
    lowEpoch: low.epoch,
    lowSequence: low.sequence,
    highEpoch: high.epoch,
    highSequence: high.sequence,
    wallTime: Math.trunc(place.wallTime),
    payloadHash: payloadHash(payload),
  };
  return { ...header, hash: segmentHash(place.identity, header, place.previous), payload };
}

function holds(header: SegmentHeader, id: Id): boolean {
  const low = { epoch: header.lowEpoch, sequence: header.lowSequence };
  const high = { epoch: header.highEpoch, sequence: header.highSequence };
  return compareIds(low, id) <= 0 && compareIds(id, high) <= 0;
}
