// What protobufjs's reader does not give as our messages have it: 64-bit integers as text, enum values by name, entries of a map of texts;
// and what it does not check: a text that is cut short, a part that is longer than its message, the number of parts.
import type { Reader } from 'protobufjs';
import { CoordinatorError } from '../../xa/errors.ts';

/** What an absent field of bytes reads as. */
export const NO_BYTES = Buffer.alloc(0);

/** Of the message that is being read: reading is synchronous, so there is one at a time. */
let entries = 0;
let entriesMax = 0;

/** Starts the count for the next message. */
export function countEntries(max: number): void {
  entries = 0;
  entriesMax = max;
}

/** Counts an entry of a list, or a message within. @throws {CoordinatorError} `LIMIT_FRAME` */
export function one(): void {
  entries += 1;
  if (entries > entriesMax) {
    throw new CoordinatorError(
      'LIMIT_FRAME',
      `a message carries at most ${entriesMax} list entries and messages within it, all lists together`,
    );
  }
}

export function isTooMany(error: unknown): error is CoordinatorError {
  return error instanceof CoordinatorError && error.code === 'LIMIT_FRAME';
}

/** Where the message ends whose length comes next, which is counted. @throws {RangeError} beyond the bytes that there are. */
export function endOfPart(reader: Reader): number {
  one();
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) {
    throw new RangeError(`a part of ${length} bytes is cut short`);
  }
  return end;
}

/** @throws {RangeError} the last field went beyond the end of its message. */
export function checkEnd(reader: Reader, end: number): void {
  if (reader.pos !== end) {
    throw new RangeError('a field is longer than its message');
  }
}

/** protobufjs gives what there is of a text that is cut short (`BufferReader.string`). @throws {RangeError} */
export function readText(reader: Reader): string {
  const length = reader.uint32();
  const start = reader.pos;
  const end = start + length;
  if (end > reader.len) {
    throw new RangeError(`a text of ${length} bytes is cut short`);
  }
  reader.pos = end;
  return (reader.buf as Buffer).toString('utf8', start, end);
}

/** A `uint64` in decimal. */
export function readUnsigned(reader: Reader): string {
  return isShort(reader) ? String(reader.uint32()) : reader.uint64().toString();
}

/** A `sint64` in decimal. */
export function readSigned(reader: Reader): string {
  if (!isShort(reader)) {
    return reader.sint64().toString();
  }
  const zigzag = reader.uint32();
  return String((zigzag >>> 1) ^ -(zigzag & 1));
}

/** The name of an enum's value; the number of one that a newer protocol may know. */
export function readName(reader: Reader, names: Readonly<Record<number, string>>): string | number {
  const value = reader.int32();
  return names[value] ?? value;
}

export function readEntry(reader: Reader): readonly [key: string, value: string] {
  let key = '';
  let value = '';
  const end = endOfPart(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === ENTRY_KEY) {
      key = readText(reader);
    } else if (tag === ENTRY_VALUE) {
      value = readText(reader);
    } else {
      reader.skipType(tag & 7);
    }
  }
  checkEnd(reader, end);
  return [key, value];
}

export const ENTRY_KEY = (1 << 3) | 2;
export const ENTRY_VALUE = (2 << 3) | 2;

/** Whether the varint that comes next has at most four bytes: such numbers need no object for 64 bits. */
function isShort({ buf, pos }: Reader): boolean {
  return isLast(buf[pos]) || isLast(buf[pos + 1]) || isLast(buf[pos + 2]) || isLast(buf[pos + 3]);
}

function isLast(byte: number | undefined): boolean {
  return byte !== undefined && byte < 0x80;
}
