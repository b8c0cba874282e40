// Typed values to and from PostgreSQL's text format.
import type { FieldDef } from 'pg';
import type { SqlValue, Statement, StatementResult } from '../../resource-manager.ts';
import type { BatchStep, StepResult } from './batch.ts';

type Decode = (text: string) => SqlValue;

const BYTEA = 17;

const text: Decode = (value) => ({ kind: 'text', value });
const int: Decode = (value) => ({ kind: 'int', value: BigInt(value) });
const double: Decode = (value) => ({ kind: 'double', value: Number(value) });
const json: Decode = (value) => ({ kind: 'json', value });
const timestamp: Decode = (value) => ({ kind: 'timestamp', value });

/** Object ids of the built-in types (pg_type.dat): fixed for ever. Everything else is text as the engine writes it. */
const TYPES: ReadonlyMap<number, { readonly name: string; readonly decode: Decode }> = new Map([
  [16, { name: 'bool', decode: (value: string): SqlValue => ({ kind: 'bool', value: value === 't' }) }],
  [BYTEA, { name: 'bytea', decode: (value: string): SqlValue => ({ kind: 'bytes', value: decodeBytea(value) }) }],
  [18, { name: 'char', decode: text }],
  [19, { name: 'name', decode: text }],
  [20, { name: 'int8', decode: int }],
  [21, { name: 'int2', decode: int }],
  [23, { name: 'int4', decode: int }],
  [25, { name: 'text', decode: text }],
  [26, { name: 'oid', decode: int }],
  [114, { name: 'json', decode: json }],
  [700, { name: 'float4', decode: double }],
  [701, { name: 'float8', decode: double }],
  [1042, { name: 'bpchar', decode: text }],
  [1043, { name: 'varchar', decode: text }],
  [1082, { name: 'date', decode: timestamp }],
  [1083, { name: 'time', decode: timestamp }],
  [1114, { name: 'timestamp', decode: timestamp }],
  [1184, { name: 'timestamptz', decode: timestamp }],
  [1186, { name: 'interval', decode: text }],
  [1266, { name: 'timetz', decode: timestamp }],
  [1700, { name: 'numeric', decode: (value: string): SqlValue => ({ kind: 'decimal', value }) }],
  [2278, { name: 'void', decode: text }],
  [2950, { name: 'uuid', decode: text }],
  [3802, { name: 'jsonb', decode: json }],
]);

/** Types are left to the engine's inference, as with any client; only bytes are declared, for they travel in binary. */
export function statementStep(statement: Statement): BatchStep {
  return {
    text: statement.sql,
    values: statement.parameters.map(encode),
    types: statement.parameters.map((value) => (value.kind === 'bytes' ? BYTEA : 0)),
    describe: true,
  };
}

export function statementResult(result: StepResult): StatementResult {
  return {
    columns: result.fields.map((field) => ({ name: field.name, type: typeName(field) })),
    rows: result.rows.map((row) =>
      row.map((cell, index): SqlValue => {
        if (cell === null) {
          return { kind: 'null' };
        }
        return (TYPES.get(result.fields[index]?.dataTypeID ?? 0)?.decode ?? text)(cell);
      }),
    ),
    rowCount: rowCountOf(result.tag),
    insertId: 0n,
  };
}

/** The number that ends a command tag (`INSERT 0 3`, `SELECT 10`); 0 where there is none (`CREATE TABLE`). */
export function rowCountOf(tag: string): number {
  return Number(/ (\d+)$/.exec(tag)?.[1] ?? 0);
}

function typeName(field: FieldDef): string {
  return TYPES.get(field.dataTypeID)?.name ?? `oid:${field.dataTypeID}`;
}

function encode(value: SqlValue): string | Buffer | null {
  switch (value.kind) {
    case 'null':
      return null;
    case 'bool':
      return value.value ? 'true' : 'false';
    case 'double':
      return Object.is(value.value, -0) ? '-0' : String(value.value);
    case 'int':
      return value.value.toString();
    case 'bytes':
      return Buffer.from(value.value.buffer, value.value.byteOffset, value.value.byteLength);
    default:
      return value.value;
  }
}

/** `\x…`, or the older escape format when somebody set `bytea_output`: octal `\nnn`, a doubled backslash, plain ASCII. */
function decodeBytea(value: string): Uint8Array {
  if (value.startsWith('\\x')) {
    return new Uint8Array(Buffer.from(value.slice(2), 'hex'));
  }
  const plain = value.replace(/\\(\\|[0-7]{3})/g, (_, code: string) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8)),
  );
  return new Uint8Array(Buffer.from(plain, 'latin1'));
}
