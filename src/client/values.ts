// JavaScript values to the wire's typed values, and back.
import type { Row__Output as WireRow } from '../gen/concordat/v1/Row.ts';
import type { Value as WireParameter, Value__Output as WireValue } from '../gen/concordat/v1/Value.ts';

/**
 * What a statement takes. Integers: `bigint`, or a `number` that is a safe integer; other numbers go as doubles. A `Date` goes as
 * a timestamp in UTC. Plain objects and arrays go as JSON. `undefined` is refused: it is a forgotten value more often than a NULL.
 */
export type Parameter = null | boolean | number | bigint | string | Uint8Array | Date | JsonObject | readonly unknown[];

export interface JsonObject {
  readonly [key: string]: unknown;
}

/**
 * What a column holds. Integers are a `number` where that is exact and a `bigint` where it is not. Decimals and timestamps are
 * text as the engine writes them, because no JavaScript type holds them without loss. JSON is parsed, bytes are a `Buffer`.
 */
export type ResultValue = null | boolean | number | bigint | string | Buffer | JsonObject | readonly unknown[];

/** With the u flag a whole pair is one character, so that this finds halves only. */
const HALF_SURROGATE = /\p{Surrogate}/u;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** @throws {TypeError} naming the parameter's position, for a value that no database could be given. */
export function encodeParameters(parameters: readonly Parameter[], engine: string | undefined): WireParameter[] {
  return Array.from(parameters, (value, index) => encode(value, index + 1, engine));
}

function encode(value: Parameter | undefined, position: number, engine: string | undefined): WireParameter {
  switch (typeof value) {
    case 'boolean':
      return { bool: value };
    case 'number':
      return Number.isSafeInteger(value) ? { int: value } : { double: value };
    case 'bigint':
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
    return { timestamp: formatTimestamp(value, engine) };
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    return { json: JSON.stringify(value) };
  }
  throw new TypeError(
    `parameter ${position} is a ${value.constructor.name}; pass text, bytes, a Date or a plain object instead`,
  );
}

/** MySQL and MariaDB take no zone in a literal and their sessions run in UTC; PostgreSQL would read a bare one in its own zone. */
function formatTimestamp(date: Date, engine: string | undefined): string {
  const utc = date.toISOString().replace('T', ' ').replace('Z', '');
  return engine === 'mysql' || engine === 'mariadb' ? utc : `${utc}+00`;
}

/** One object for each row, by column name; of two columns with one name the later counts. */
export function decodeRows(
  columns: readonly { readonly name: string }[],
  rows: readonly WireRow[],
): Record<string, ResultValue>[] {
  return rows.map((row) =>
    // fromEntries defines own properties, so that a column named __proto__ is a column and nothing else.
    Object.fromEntries(columns.map((column, index) => [column.name, decode(row.values[index])])),
  );
}

function decode(value: WireValue | undefined): ResultValue {
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
      return JSON.parse(value.json ?? 'null') as ResultValue;
    case 'timestamp':
      return value.timestamp ?? '';
    case 'decimal':
      return value.decimal ?? '';
    default:
      return null;
  }
}

/** A number where it is exact, otherwise a bigint. */
export function decodeInteger(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}
