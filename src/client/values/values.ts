// JavaScript values to the wire's typed values, and back.
import type { Row__Output as WireRow } from '../../gen/concordat/v1/Row.ts';
import type { Value as WireParameter, Value__Output as WireValue } from '../../gen/concordat/v1/Value.ts';
import { arrayPositions, arrayText } from './arrays.ts';
import { inListPositions } from './in-lists.ts';
import { parseJson, writeJson } from './json.ts';

/**
 * What a statement takes. Integers: `bigint`, or a `number` that is a safe integer; other numbers go as doubles. A `Date` goes as
 * a timestamp in UTC. Plain objects and arrays go as JSON, with a `bigint` as a number of all its digits. `undefined` is refused: it is a forgotten value more often than a NULL.
 */
export type Parameter = null | boolean | number | bigint | string | Uint8Array | Date | JsonObject | readonly unknown[];

export interface JsonObject {
  readonly [key: string]: unknown;
}

/**
 * What a column holds. Integers are a `number` where that is exact and a `bigint` where it is not. Decimals and timestamps are
 * text as the engine writes them, because no JavaScript type holds them without loss. JSON is parsed, and its numbers follow the same
 * rules: an integer that is not exact as a `number` is a `bigint`, another number that is not is its text. Bytes are a `Buffer`.
 */
export type ResultValue = null | boolean | number | bigint | string | Buffer | JsonObject | readonly unknown[];

/** With the u flag a whole pair is one character, so that this finds halves only. */
const HALF_SURROGATE = /\p{Surrogate}/u;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** Of the unsigned columns of MySQL and MariaDB. */
const UINT64_MAX = 2n ** 64n - 1n;
/** The name of a column of 64 bits at MySQL and MariaDB: beyond the wire's signed integer, its values travel as decimals. */
const UNSIGNED_TYPE = 'LONGLONG';

/** @internal @throws {TypeError} naming the parameter's position, for a value that no database could be given. */
export function encodeParameters(
  sql: string,
  parameters: readonly Parameter[],
  engine: string | undefined,
): WireParameter[] {
  const arrays = engine === 'postgresql' && parameters.some(Array.isArray) ? arrayPositions(sql) : undefined;
  return Array.from(parameters, (value, index) =>
    arrays?.has(index + 1) && Array.isArray(value)
      ? { text: arrayText(value, (element) => elementText(element, index + 1, engine)) }
      : encode(value, index + 1, engine),
  );
}

/** An element of an array as PostgreSQL reads it; undefined: NULL. */
function elementText(element: unknown, position: number, engine: string | undefined): string | undefined {
  const { text, timestamp, json, int, double, bool, bytes } = encode(element as Parameter, position, engine);
  if (bytes !== undefined) {
    return `\\x${Buffer.from(bytes ?? []).toString('hex')}`;
  }
  const plain = text ?? timestamp ?? json ?? int ?? double ?? bool;
  return plain === undefined || plain === null ? undefined : Object.is(plain, -0) ? '-0' : String(plain);
}

function encode(value: Parameter | undefined, position: number, engine: string | undefined): WireParameter {
  switch (typeof value) {
    case 'boolean':
      return { bool: value };
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? { int: value } : { double: value };
    case 'bigint':
      if (isMySql(engine) && value > INT64_MAX && value <= UINT64_MAX) {
        return { decimal: value.toString() };
      }
      if (value < INT64_MIN || value > INT64_MAX) {
        throw new TypeError(`parameter ${position} is an integer of more than 64 bits; pass it as text`);
      }
      return { int: value.toString() };
    case 'string':
      if (HALF_SURROGATE.test(value)) {
        throw new TypeError(`parameter ${position} holds half a surrogate pair, which is not text in any encoding`);
      }
      return { text: value };
    case 'object':
      return encodeObject(value, position, engine);
    case 'undefined':
      throw new TypeError(`parameter ${position} is undefined; pass null for an SQL NULL`);
    default:
      throw new TypeError(`parameter ${position} is a ${typeof value}, which is not a value`);
  }
}

function encodeObject(value: object | null, position: number, engine: string | undefined): WireParameter {
  if (value === null) {
    return { null: true };
  }
  if (value instanceof Uint8Array) {
    return { bytes: value };
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) {
      throw new TypeError(`parameter ${position} is an invalid Date`);
    }
    return { timestamp: formatTimestamp(value, position, engine) };
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    return { json: writeJson(value, `parameter ${position}`) };
  }
  throw new TypeError(
    `parameter ${position} is a ${value.constructor.name}; pass text, bytes, a Date or a plain object instead`,
  );
}

/** MySQL and MariaDB take no zone in a literal and their sessions run in UTC; PostgreSQL would read a bare one in its own zone. */
function formatTimestamp(date: Date, position: number, engine: string | undefined): string {
  const year = date.getUTCFullYear();
  // Of a year that has not four digits, JavaScript writes six with a sign, which no database reads.
  const rest = date.toISOString().slice(-20).replace('T', ' ').replace('Z', '');
  if (isMySql(engine)) {
    if (year < 1 || year > 9_999) {
      throw new TypeError(`parameter ${position} is a Date of the year ${year}; MySQL and MariaDB have 1 to 9999`);
    }
    return `${String(year).padStart(4, '0')}${rest}`;
  }
  return year > 0 ? `${String(year).padStart(4, '0')}${rest}+00` : `${String(1 - year).padStart(4, '0')}${rest}+00 BC`;
}

function isMySql(engine: string | undefined): boolean {
  return engine === 'mysql' || engine === 'mariadb';
}

/** @throws {TypeError} an array stands where MySQL and MariaDB would compare with its text, and find nothing. */
export function checkArrays(sql: string, parameters: readonly Parameter[], engine: string | undefined): void {
  if (!isMySql(engine) || !parameters.some(Array.isArray)) {
    return;
  }
  for (const position of inListPositions(sql)) {
    const value = parameters[position - 1];
    if (Array.isArray(value)) {
      throw new TypeError(
        `parameter ${position} is an array in a list of IN, in which MySQL and MariaDB would find nothing; write one ? for each of its ${value.length} values`,
      );
    }
  }
}

/** @internal One object for each row, by column name; of two columns with one name the later counts. */
export function decodeRows(
  columns: readonly { readonly name: string; readonly type?: string }[],
  rows: readonly WireRow[],
): Record<string, ResultValue>[] {
  return rows.map((row) =>
    // fromEntries defines own properties, so that a column named __proto__ is a column and nothing else.
    Object.fromEntries(columns.map((column, index) => [column.name, decode(row.values[index], column.type)])),
  );
}

function decode(value: WireValue | undefined, type: string | undefined): ResultValue {
  switch (value?.kind) {
    case 'bool':
      return value.bool ?? false;
    case 'int':
      return decodeInteger(value.int ?? '0');
    case 'double':
      return value.double ?? 0;
    case 'text':
      return value.text ?? '';
    case 'bytes':
      return value.bytes ?? Buffer.alloc(0);
    case 'json':
      return parseJson(value.json ?? 'null') as ResultValue;
    case 'timestamp':
      return value.timestamp ?? '';
    case 'decimal':
      return type === UNSIGNED_TYPE ? decodeInteger(value.decimal ?? '0') : (value.decimal ?? '');
    default:
      return null;
  }
}

/** A number where it is exact, otherwise a bigint. */
export function decodeInteger(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}
