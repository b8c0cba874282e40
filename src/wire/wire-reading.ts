// What protobufjs's reader does not give as our messages have it: 64-bit integers as text, enum values by name, entries of a map of texts.
import type { Reader } from 'protobufjs';

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
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === ENTRY_KEY) {
      key = reader.string();
    } else if (tag === ENTRY_VALUE) {
      value = reader.string();
    } else {
      reader.skipType(tag & 7);
    }
  }
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
