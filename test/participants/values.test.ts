// Values and statements between the wire and the adapters: nothing is lost, nothing malformed gets through.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExecuteRequest__Output } from '../../src/gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse } from '../../src/gen/concordat/v1/ExecuteResponse.ts';
import type { Value, Value__Output } from '../../src/gen/concordat/v1/Value.ts';
import type { SqlValue, StatementResult } from '../../src/participants/resource-manager.ts';
import { decodeStatementCall, SQL_BYTES_MAX } from '../../src/participants/runtime/branches/statement-call.ts';
import { resultBytes, toSqlValue, toWireResult, toWireValue } from '../../src/participants/values.ts';
import { messageType } from '../../src/wire/proto.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { PARAMETERS_MAX } from '../../src/xa/limits.ts';

const VALUE = messageType<Value__Output>('concordat.v1.Value');
const RESPONSE = messageType<ExecuteResponse>('concordat.v1.ExecuteResponse');

function overTheWire(value: Value): Value__Output {
  return VALUE.deserialize(VALUE.serialize(value as Partial<Value__Output>));
}

const sqlValue: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant<SqlValue>({ kind: 'null' }),
  fc.boolean().map((value): SqlValue => ({ kind: 'bool', value })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): SqlValue => ({ kind: 'int', value })),
  fc.double().map((value): SqlValue => ({ kind: 'double', value })),
  fc.string({ unit: 'grapheme' }).map((value): SqlValue => ({ kind: 'text', value })),
  fc.uint8Array({ maxLength: 40 }).map((value): SqlValue => ({ kind: 'bytes', value: Buffer.from(value) })),
  fc.json().map((value): SqlValue => ({ kind: 'json', value })),
  fc.constant<SqlValue>({ kind: 'timestamp', value: '2026-11-20 10:00:00.123456+00' }),
  fc.tuple(fc.bigInt(), fc.nat()).map(([a, b]): SqlValue => ({ kind: 'decimal', value: `${a}.${b}` })),
);

function refused(action: () => unknown): CoordinatorError {
  try {
    action();
  } catch (error) {
    if (error instanceof CoordinatorError) {
      return error;
    }
    throw error;
  }
  throw new Error('it was not refused');
}

function request(change: Record<string, unknown> = {}): ExecuteRequest__Output {
  const usual: ExecuteRequest__Output = {
    ...{ gtrid: 'abcdefghij.1.1', bqual: 'accounts', sql: 'select 1', parameters: [] },
    ...{
      isolation: 'ISOLATION_UNSPECIFIED',
      readOnly: false,
      timeoutMs: 0,
      named: false,
      oneShot: false,
      last: false,
      statement: 1,
    },
  };
  return { ...usual, ...change } as ExecuteRequest__Output;
}

describe('values', () => {
  it('of every kind cross the wire and come back the same', () => {
    fc.assert(
      fc.property(sqlValue, (value) => {
        expect(toSqlValue(overTheWire(toWireValue(value)), 'it')).toEqual(value);
      }),
      { numRuns: 2_000 },
    );
  });

  it('an unsigned 64-bit integer comes back as a decimal, exact', () => {
    const value = 2n ** 64n - 1n;
    const back = toSqlValue(overTheWire(toWireValue({ kind: 'int', value })), 'it');
    expect(back).toEqual({ kind: 'decimal', value: '18446744073709551615' });
  });

  it('a value without a kind is refused by its name', () => {
    expect(refused(() => toSqlValue(overTheWire({}), 'parameters[3]'))).toMatchObject({
      code: 'FIELD_INVALID',
      message: expect.stringContaining('parameters[3]'),
    });
  });

  it.each(['', '1,5', '0x10', '1e', '1 ', "1'); drop table a", '--1', 'nan'])('%j is no decimal', (decimal) => {
    expect(refused(() => toSqlValue(overTheWire({ decimal }), 'it')).code).toBe('FIELD_INVALID');
  });

  it.each(['0', '-1.50', '+.5', '1.', '1e-3', 'NaN', '-Infinity'])('%j is a decimal', (decimal) => {
    expect(toSqlValue(overTheWire({ decimal }), 'it')).toEqual({ kind: 'decimal', value: decimal });
  });

  it('an answer is never larger on the wire than it is weighed', () => {
    const result = fc.record<StatementResult>({
      columns: fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), type: fc.string() }), { maxLength: 5 }),
      rows: fc.array(fc.array(sqlValue, { maxLength: 5 }), { maxLength: 20 }),
      rowCount: fc.nat(),
      insertId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(result, (each) => {
        expect(RESPONSE.serialize(toWireResult(each)).length).toBeLessThanOrEqual(resultBytes(each));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a statement', () => {
  it('is read with its branch, its options and its values', () => {
    const parameters = [overTheWire({ int: '7' })];
    const call = decodeStatementCall(
      request({ bqual: 'accounts.2', parameters, isolation: 'ISOLATION_SERIALIZABLE', readOnly: true, timeoutMs: 9 }),
    );
    expect(call).toEqual({
      xid: { gtrid: 'abcdefghij.1.1', bqual: 'accounts.2' },
      statement: { sql: 'select 1', parameters: [{ kind: 'int', value: 7n }] },
      ...{
        number: 1,
        isolation: 'serializable',
        readOnly: true,
        timeoutMs: 9,
        named: false,
        oneShot: false,
        last: false,
      },
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['gtrid', { gtrid: '' }],
    ['gtrid', { gtrid: 'ABCDEFGHIJ.1.1' }],
    ['gtrid', { gtrid: 'abcdefghij.1.1\n' }],
    ['gtrid', { gtrid: '../../etc/passwd' }],
    ['bqual', { bqual: '' }],
    ['bqual', { bqual: 'Accounts' }],
    ['bqual', { bqual: 'accounts.0' }],
    ['bqual', { bqual: `a${'b'.repeat(30)}` }],
    ['sql', { sql: ' \n' }],
    ['sql', { sql: 'x'.repeat(SQL_BYTES_MAX + 1) }],
    ['sql', { sql: 'ä'.repeat(SQL_BYTES_MAX / 2 + 1) }],
    ['parameters', { parameters: Array.from({ length: PARAMETERS_MAX + 1 }, () => ({ kind: 'null', null: true })) }],
    ['parameters[1]', { parameters: [{ kind: 'null', null: true }, {}] }],
    ['statement', { statement: 0 }],
    ['isolation', { isolation: 999 }],
    ['isolation', { isolation: 'constructor' }],
  ])('with a malformed %s is refused by the name of the field: %j', (field, change) => {
    const error = refused(() => decodeStatementCall(request(change)));
    expect(error.code).toBe('FIELD_INVALID');
    expect(error.message).toContain(field);
  });
});
