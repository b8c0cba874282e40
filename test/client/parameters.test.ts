// What travels with a statement: parameters and results keep their types, and what cannot be sent is refused alone.
import { expect, test } from 'vitest';
import { caught, startFixture } from './fixture.ts';

test('parameters and results keep their types over the wire', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, orders } = fixture;
  accounts.answer = () => ({
    execute: {
      columns: ['n', 'b', 'i', 'big', 'd', 't', 'x', 'j', 'ts', 'dec', '__proto__'].map((name) => ({
        name,
        type: 'any',
      })),
      rows: [
        {
          values: [
            { null: true },
            { bool: true },
            { int: '-42' },
            { int: '9007199254740993' },
            { double: 0.5 },
            { text: 'Grüße' },
            { bytes: Buffer.from([0, 255]) },
            { json: '{"a":[1,null]}' },
            { timestamp: '2026-11-20 10:00:00.123456+00' },
            { decimal: '12345678901234567890.5' },
            { text: 'a column like any other' },
          ],
        },
      ],
      rowCount: 1,
      insertId: '7',
    },
  });
  const date = new Date('2026-11-20T10:00:00.123Z');
  await concordat.transaction(async (tx) => {
    const parameters = [null, true, 42, 2n ** 62n, 0.5, 'text', Buffer.from([1, 2]), date, { a: [1] }, [1, 'two']];
    const result = await tx.resource('accounts').query('select everything', parameters);
    const [row] = result.rows;
    expect(row).toMatchObject({
      n: null,
      b: true,
      i: -42,
      big: 9007199254740993n,
      d: 0.5,
      t: 'Grüße',
      x: Buffer.from([0, 255]),
      j: { a: [1, null] },
      ts: '2026-11-20 10:00:00.123456+00',
      dec: '12345678901234567890.5',
    });
    expect(Object.getOwnPropertyDescriptor(row, '__proto__')?.value).toBe('a column like any other');
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(result).toMatchObject({ rowCount: 1, insertId: 7 });
    expect(result.columns[0]).toEqual({ name: 'n', type: 'any' });
    await tx.resource('orders').query('select ?', [date]);
  });
  expect(accounts.executed[0]?.parameters.map(({ kind }) => kind)).toEqual([
    'null',
    'bool',
    'int',
    'int',
    'double',
    'text',
    'bytes',
    'timestamp',
    'json',
    'json',
  ]);
  expect(accounts.executed[0]?.parameters[3]?.int).toBe('4611686018427387904');
  expect(accounts.executed[0]?.parameters[7]?.timestamp).toBe('2026-11-20 10:00:00.123+00');
  expect(orders.executed[0]?.parameters[0]?.timestamp).toBe('2026-11-20 10:00:00.123');
});

test.each([
  ['undefined', [undefined], /parameter 1 is undefined; pass null/],
  ['a function', [1, () => 1], /parameter 2 is a function/],
  ['an integer of 65 bits', [2n ** 63n], /more than 64 bits/],
  ['half a surrogate pair', ['\ud800'], /surrogate/],
  ['an invalid date', [new Date('never')], /invalid Date/],
  ['a Map', [new Map()], /is a Map/],
])('%s is refused as a parameter, nothing is sent, and the transaction goes on', async (_name, parameters, message) => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  await concordat.transaction(async (tx) => {
    const error = await caught(tx.resource('accounts').query('insert', parameters as never));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
    await tx.resource('accounts').query('insert again');
  });
  expect(accounts.executed).toMatchObject([{ sql: 'insert again', statement: 1 }]);
});

test('a statement larger than a sidecar takes is refused alone, and the stream stays whole', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  await concordat.transaction(async (tx) => {
    const error = await caught(tx.resource('accounts').query('insert', [Buffer.alloc(5 * 1024 * 1024)]));
    expect(error).toBeInstanceOf(RangeError);
    await tx.resource('accounts').query('insert', [Buffer.alloc(3 * 1024 * 1024)]);
  });
  expect(accounts.opened).toBe(1);
});
