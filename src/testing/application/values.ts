// JavaScript values to and from what a database in memory holds.
import type { SqlValue, StatementResult } from '../../participants/resource-manager.ts';
import type { TestAnswer } from './public.ts';

export function givenValue(value: unknown): SqlValue {
  switch (typeof value) {
    case 'boolean':
      return { kind: 'bool', value };
    case 'bigint':
      return { kind: 'int', value };
    case 'number':
      return Number.isSafeInteger(value) ? { kind: 'int', value: BigInt(value) } : { kind: 'double', value };
    case 'string':
      return { kind: 'text', value };
    case 'object':
      return objectValue(value);
    default:
      throw new TypeError(
        `a row of a test holds ${value === undefined ? 'undefined' : `a ${typeof value}`}: no column has that`,
      );
  }
}

function objectValue(value: object | null): SqlValue {
  if (value === null) {
    return { kind: 'null' };
  }
  if (value instanceof Uint8Array) {
    return { kind: 'bytes', value };
  }
  return value instanceof Date
    ? { kind: 'timestamp', value: value.toISOString().replace('T', ' ').replace('Z', '') }
    : { kind: 'json', value: JSON.stringify(value) };
}

export function fromSqlValue(value: SqlValue): unknown {
  switch (value.kind) {
    case 'null':
      return null;
    case 'int':
      return Number.isSafeInteger(Number(value.value)) ? Number(value.value) : value.value;
    case 'json':
      return JSON.parse(value.value);
    default:
      return value.value;
  }
}

export function toResult({ rows = [], rowCount = rows.length, insertId = 0 }: TestAnswer): StatementResult {
  const names = Object.keys(rows[0] ?? {});
  return {
    columns: names.map((name) => ({ name, type: 'text' })),
    rows: rows.map((row) => names.map((name) => givenValue(row[name]))),
    rowCount,
    insertId: BigInt(insertId),
  };
}
