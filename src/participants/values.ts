// Typed values between the wire and the adapters: decoded once, by total functions, with the field's name in every refusal.
import type { ExecuteResponse } from '../gen/concordat/v1/ExecuteResponse.ts';
import type { Value, Value__Output } from '../gen/concordat/v1/Value.ts';
import { unreachable } from '../lib/assert.ts';
import { CoordinatorError } from '../xa/errors.ts';
import type { SqlValue, StatementResult } from './resource-manager.ts';

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?$|^(?:NaN|[+-]?Infinity)$/;
const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 63n - 1n;

/** @throws {CoordinatorError} `FIELD_INVALID`, naming `field`. */
export function toSqlValue(value: Value__Output, field: string): SqlValue {
  switch (value.kind) {
    case 'null':
      return { kind: 'null' };
    case 'bool':
      return { kind: 'bool', value: value.bool === true };
    case 'int':
      return { kind: 'int', value: BigInt(value.int ?? 0) };
    case 'double':
      return { kind: 'double', value: value.double ?? 0 };
    case 'text':
      return { kind: 'text', value: value.text ?? '' };
    case 'bytes':
      return { kind: 'bytes', value: value.bytes ?? new Uint8Array() };
    case 'json':
      return { kind: 'json', value: value.json ?? '' };
    case 'timestamp':
      return { kind: 'timestamp', value: value.timestamp ?? '' };
    case 'decimal':
      return { kind: 'decimal', value: decimal(value.decimal ?? '', field) };
    case undefined:
      throw new CoordinatorError('FIELD_INVALID', `${field} has no value: set one member of Value, null for NULL`);
    default:
      return unreachable(value.kind);
  }
}

function decimal(text: string, field: string): string {
  if (!DECIMAL.test(text)) {
    throw new CoordinatorError('FIELD_INVALID', `${field} is no decimal number`);
  }
  return text;
}

export function toWireValue(value: SqlValue): Value {
  switch (value.kind) {
    case 'null':
      return { null: true };
    case 'bool':
      return { bool: value.value };
    case 'int':
      // An unsigned 64-bit column holds more than the wire's signed integer; as a decimal nothing is lost.
      return value.value >= INT_MIN && value.value <= INT_MAX
        ? { int: value.value.toString() }
        : { decimal: value.value.toString() };
    case 'double':
      return { double: value.value };
    case 'text':
      return { text: value.value };
    case 'bytes':
      return { bytes: value.value };
    case 'json':
      return { json: value.value };
    case 'timestamp':
      return { timestamp: value.value };
    case 'decimal':
      return { decimal: value.value };
    default:
      return unreachable(value);
  }
}

export function toWireResult(result: StatementResult): ExecuteResponse {
  return {
    columns: result.columns.map(({ name, type }) => ({ name, type })),
    rows: result.rows.map((row) => ({ values: row.map(toWireValue) })),
    rowCount: result.rowCount,
    insertId: result.insertId.toString(),
  };
}

/** Tag and length of a value and of its row, rounded up. */
const VALUE_BYTES = 8;
const ROW_BYTES = 8;

/** About how many bytes the answer takes on the wire; never less than it does. */
export function resultBytes(result: StatementResult): number {
  let bytes = 64;
  for (const { name, type } of result.columns) {
    bytes += ROW_BYTES + Buffer.byteLength(name) + Buffer.byteLength(type);
  }
  for (const row of result.rows) {
    bytes += ROW_BYTES;
    for (const value of row) {
      bytes += valueBytes(value);
    }
  }
  return bytes;
}

function valueBytes(value: SqlValue): number {
  switch (value.kind) {
    case 'null':
    case 'bool':
      return VALUE_BYTES;
    case 'int':
    case 'double':
      return VALUE_BYTES + 16;
    case 'bytes':
      return VALUE_BYTES + value.value.byteLength;
    default:
      return VALUE_BYTES + Buffer.byteLength(value.value);
  }
}
