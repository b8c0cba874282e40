// Rows as the server sends them, turned into typed values without loss: binary rows of prepared statements, text rows of the rest.
import type { SqlValue } from '../../resource-manager.ts';
import { type ColumnDefinition, Cursor } from './packets.ts';
import { readDate, readTime } from './temporal.ts';
import { TYPE } from './types.ts';

const BINARY_CHARSET = 63;
const NULL: SqlValue = { kind: 'null' };

/** A row of a prepared statement. */
export function readBinaryRow(payload: Buffer, columns: readonly ColumnDefinition[]): readonly SqlValue[] {
  // A zero byte, then one bit for each column, offset by two, that says whether it is NULL.
  const nullBytes = (columns.length + 9) >> 3;
  const cursor = new Cursor(payload, 1 + nullBytes);
  return columns.map((column, i) => {
    const bit = i + 2;
    const isNull = ((payload[1 + (bit >> 3)] ?? 0) & (1 << (bit & 7))) !== 0;
    return isNull ? NULL : readBinary(cursor, column);
  });
}

function readBinary(cursor: Cursor, column: ColumnDefinition): SqlValue {
  const { bytes, offset } = cursor;
  switch (column.type) {
    case TYPE.TINY:
      cursor.offset += 1;
      return integer(column.unsigned ? bytes.readUInt8(offset) : bytes.readInt8(offset));
    case TYPE.SHORT:
    case TYPE.YEAR:
      cursor.offset += 2;
      return integer(column.unsigned ? bytes.readUInt16LE(offset) : bytes.readInt16LE(offset));
    case TYPE.LONG:
    case TYPE.INT24:
      cursor.offset += 4;
      return integer(column.unsigned ? bytes.readUInt32LE(offset) : bytes.readInt32LE(offset));
    case TYPE.LONGLONG:
      cursor.offset += 8;
      return integer(column.unsigned ? bytes.readBigUInt64LE(offset) : bytes.readBigInt64LE(offset));
    case TYPE.FLOAT:
      cursor.offset += 4;
      return { kind: 'double', value: shortest(bytes.readFloatLE(offset)) };
    case TYPE.DOUBLE:
      cursor.offset += 8;
      return { kind: 'double', value: bytes.readDoubleLE(offset) };
    case TYPE.NULL:
      return NULL;
    case TYPE.DATE:
    case TYPE.DATETIME:
    case TYPE.TIMESTAMP:
      return { kind: 'timestamp', value: readDate(cursor, column) };
    case TYPE.TIME:
      return { kind: 'timestamp', value: readTime(cursor, column) };
    default:
      return readChunk(cursor.chunk(), column);
  }
}

/** A row of a statement that cannot be prepared. */
export function readTextRow(payload: Buffer, columns: readonly ColumnDefinition[]): readonly SqlValue[] {
  return readCells(payload, columns.length).map((cell, i) => {
    const column = columns[i];
    return cell === null || column === undefined ? NULL : readText(cell, column);
  });
}

function readText(cell: Buffer, column: ColumnDefinition): SqlValue {
  switch (column.type) {
    case TYPE.TINY:
    case TYPE.SHORT:
    case TYPE.YEAR:
    case TYPE.LONG:
    case TYPE.INT24:
    case TYPE.LONGLONG:
      return integer(BigInt(cell.toString('latin1')));
    case TYPE.FLOAT:
    case TYPE.DOUBLE:
      return { kind: 'double', value: Number(cell.toString('latin1')) };
    case TYPE.DATE:
    case TYPE.DATETIME:
    case TYPE.TIMESTAMP:
    case TYPE.TIME:
      return { kind: 'timestamp', value: cell.toString('latin1') };
    default:
      return readChunk(cell, column);
  }
}

/** What both protocols send as bytes with a length. */
function readChunk(chunk: Buffer, column: ColumnDefinition): SqlValue {
  switch (column.type) {
    case TYPE.DECIMAL:
    case TYPE.NEWDECIMAL:
      return { kind: 'decimal', value: chunk.toString('latin1') };
    case TYPE.JSON:
      return { kind: 'json', value: chunk.toString('utf8') };
    case TYPE.BIT:
    case TYPE.GEOMETRY:
    case TYPE.VECTOR:
      return { kind: 'bytes', value: Uint8Array.from(chunk) };
    default:
      if (column.json) {
        return { kind: 'json', value: chunk.toString('utf8') };
      }
      return column.charset === BINARY_CHARSET
        ? { kind: 'bytes', value: Uint8Array.from(chunk) }
        : { kind: 'text', value: chunk.toString('utf8') };
  }
}

/** As cells of these types come as texts or bytes, whatever the column's own character set: in that of the session's results. */
const TEXTS: ReadonlySet<number> = new Set([
  ...[TYPE.VARCHAR, TYPE.VAR_STRING, TYPE.STRING, TYPE.ENUM, TYPE.SET],
  ...[TYPE.TINY_BLOB, TYPE.MEDIUM_BLOB, TYPE.LONG_BLOB, TYPE.BLOB],
]);
/** The numbers of utf8mb4's collations; those of three digits are MySQL's, those of four MariaDB's. */
const UTF8MB4: readonly (readonly [first: number, last: number])[] = [
  [45, 46],
  [224, 247],
  [255, 323],
  [608, 640],
  [1216, 1264],
  [2304, 2559],
];

/** A text that would be read as UTF-8, and is sent in another character set: a routine has changed that of the session's results. */
export function isMisread({ type, charset }: ColumnDefinition): boolean {
  return (
    TEXTS.has(type) &&
    charset !== BINARY_CHARSET &&
    !UTF8MB4.some(([first, last]) => charset >= first && charset <= last)
  );
}

/** The cells of a text row as bytes; null is NULL. The bytes are copies. */
export function readCells(payload: Buffer, count: number): readonly (Buffer | null)[] {
  const cursor = new Cursor(payload);
  const cells: (Buffer | null)[] = [];
  for (let i = 0; i < count; i += 1) {
    if (payload[cursor.offset] === 0xfb) {
      cursor.offset += 1;
      cells.push(null);
    } else {
      cells.push(Buffer.from(cursor.chunk()));
    }
  }
  return cells;
}

/** As many tell all floats of 32 bits apart. */
const FLOAT_DIGITS_MAX = 9;

/** The number of the fewest digits that is this float: 0.1, not 0.10000000149011612. PostgreSQL writes its own so. */
function shortest(float: number): number {
  for (let digits = 1; digits < FLOAT_DIGITS_MAX; digits += 1) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) {
      return short;
    }
  }
  return Number(float.toPrecision(FLOAT_DIGITS_MAX));
}

function integer(value: number | bigint): SqlValue {
  return { kind: 'int', value: BigInt(value) };
}
