// The newest statement of a branch: its number repeated is answered again, and only if everything else is the same.
import { createHash } from 'node:crypto';
import type { SqlValue } from '../../resource-manager.ts';
import type { StatementAnswer, StatementCall } from './statement-call.ts';

/** The newest statement and its one answer, which every repetition of its number hears. */
export interface NewestStatement {
  readonly number: number;
  readonly sql: string;
  readonly last: boolean;
  /** As they came, or what tells them from others where they are large: a branch would keep them until its next statement. */
  readonly parameters: readonly SqlValue[] | string;
  readonly answer: Promise<StatementAnswer>;
}

const KEPT_BYTES = 16 * 1024;

export function newestOf(call: StatementCall, answer: Promise<StatementAnswer>): NewestStatement {
  const { sql, parameters } = call.statement;
  const kept = bytesOf(parameters) <= KEPT_BYTES ? parameters : digest(parameters);
  return { number: call.number, sql, last: call.last, parameters: kept, answer };
}

/** Whether `call` is the newest statement again. A caller that numbers two statements alike must not take the answer of one for the other's. */
export function isSame(newest: NewestStatement, { number, statement, last }: StatementCall): boolean {
  return (
    number === newest.number &&
    last === newest.last &&
    statement.sql === newest.sql &&
    (typeof newest.parameters === 'string'
      ? digest(statement.parameters) === newest.parameters
      : areSame(statement.parameters, newest.parameters))
  );
}

function areSame(some: readonly SqlValue[], others: readonly SqlValue[]): boolean {
  return (
    some.length === others.length &&
    some.every((value, index) => {
      const other = others[index];
      return other !== undefined && value.kind === other.kind && textOf(value) === textOf(other);
    })
  );
}

function bytesOf(parameters: readonly SqlValue[]): number {
  let bytes = 0;
  for (const value of parameters) {
    bytes += 16 + ('value' in value && typeof value.value === 'object' ? value.value.byteLength : textLength(value));
  }
  return bytes;
}

function textLength(value: SqlValue): number {
  return 'value' in value && typeof value.value === 'string' ? 2 * value.value.length : 0;
}

function digest(parameters: readonly SqlValue[]): string {
  const hash = createHash('sha256');
  for (const value of parameters) {
    const text = textOf(value);
    hash.update(`${value.kind} ${text.length} `).update(text);
  }
  return hash.digest('base64');
}

function textOf(value: SqlValue): string {
  switch (value.kind) {
    case 'null':
      return '';
    case 'bytes':
      return Buffer.from(value.value.buffer, value.value.byteOffset, value.value.byteLength).toString('latin1');
    case 'double':
      return Object.is(value.value, -0) ? '-0' : String(value.value);
    default:
      return String(value.value);
  }
}
