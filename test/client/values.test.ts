// Values between JavaScript and the wire: nothing is rounded, cut or renamed without a word.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrayPositions } from '../../src/client/values/arrays.ts';
import { inListPositions } from '../../src/client/values/in-lists.ts';
import { parseJson, writeJson } from '../../src/client/values/json.ts';
import { checkArrays, decodeRows, encodeParameters } from '../../src/client/values/values.ts';

const one = (value: never, engine = 'postgresql') => encodeParameters('', [value], engine)[0];

describe('JSON', () => {
  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-9007199254740993', -9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
    ['123456789012345678901234567890', 123456789012345678901234567890n],
    ['0.1', 0.1],
    ['0.12345678901234566', 0.12345678901234566],
    ['0.12345678901234567', '0.12345678901234567'],
    ['0.12345678901234567890', '0.12345678901234567890'],
    ['12345678901234567.5', '12345678901234567.5'],
    ['1e30', 1e30],
    ['1.50E+2', 150],
    ['1e400', '1e400'],
    ['1e-400', '1e-400'],
    ['-0', -0],
    ['0.000000000000000000', 0],
    ['1000000000000000000000.0', 1e21],
  ])('the number %s arrives as what it is (field P18)', (text, expected) => {
    expect(parseJson(text)).toBe(expected);
    expect(parseJson(`{"a":[${text},"${text}"]}`)).toEqual({ a: [expected, text] });
  });

  it('is what JSON.parse makes of it where that loses nothing (field P18)', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/\d{16}/.test(text));
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('comes back as it went, with integers of any length (field P18)', () => {
    const value = { id: 2n ** 70n, list: [-(2n ** 64n), 1.5, null, 'ü'], zero: -0 };
    expect(writeJson(value, 'it')).toBe(
      '{"id":1180591620717411303424,"list":[-18446744073709551616,1.5,null,"ü"],"zero":-0}',
    );
    expect(parseJson(writeJson(value, 'it'))).toEqual(value);
  });

  it.each([
    [{ a: Number.NaN }, 'NaN'],
    [[Number.POSITIVE_INFINITY], 'Infinity'],
    [{ a: new Map([[1, 2]]) }, 'a Map'],
    [{ a: [new Set([1])] }, 'a Set'],
  ])('that would lose something is refused: %j (field P18)', (value, named) => {
    expect(() => one(value as never)).toThrow(`parameter 1 holds ${named}`);
  });
});

describe('numbers', () => {
  it('unsigned integers of 64 bits are bigints both ways, and decimals stay text (field P18)', () => {
    const columns = [
      { name: 'u', type: 'LONGLONG' },
      { name: 'd', type: 'NEWDECIMAL' },
    ];
    const decimal = { kind: 'decimal' as const, decimal: '18446744073709551615' };
    const rows = [{ values: [decimal, decimal] }];
    expect(decodeRows(columns, rows as never)).toEqual([{ u: 18446744073709551615n, d: '18446744073709551615' }]);
    expect(one(18446744073709551615n as never, 'mariadb')).toEqual({ decimal: '18446744073709551615' });
    expect(() => one((2n ** 64n) as never, 'mariadb')).toThrow('more than 64 bits');
    expect(() => one((2n ** 63n) as never)).toThrow('more than 64 bits');
  });

  it('a zero keeps its sign (field P18)', () => {
    expect(one(-0 as never)).toEqual({ double: -0 });
    expect(one(0 as never)).toEqual({ int: 0 });
  });
});

describe('dates', () => {
  it.each([
    ['2026-11-20T10:00:00.123Z', '2026-11-20 10:00:00.123+00', '2026-11-20 10:00:00.123'],
    ['0044-03-15T00:00:00Z', '0044-03-15 00:00:00.000+00', '0044-03-15 00:00:00.000'],
    ['+012026-01-02T03:04:05.006Z', '12026-01-02 03:04:05.006+00', undefined],
    ['-000043-03-15T00:00:00Z', '0044-03-15 00:00:00.000+00 BC', undefined],
    ['0000-01-01T00:00:00Z', '0001-01-01 00:00:00.000+00 BC', undefined],
  ])('%s goes as the engine reads it, or is refused (field P18)', (text, postgres, mysql) => {
    const date = new Date(text) as never;
    expect(one(date, 'postgresql')).toEqual({ timestamp: postgres });
    if (mysql === undefined) {
      expect(() => one(date, 'mariadb')).toThrow('MySQL and MariaDB have 1 to 9999');
    } else {
      expect(one(date, 'mariadb')).toEqual({ timestamp: mysql });
    }
  });
});

describe('an array at PostgreSQL', () => {
  it.each<[string, readonly number[]]>([
    ['select * from t where id = any($1)', [1]],
    ['select * from t where id <> ALL ( $2 ) and a = $1', [2]],
    ['select * from unnest($1::int[], $2, $3::text []) as t', [1, 2, 3]],
    ['insert into t (tags, doc) values ($1::varchar(10)[], $2)', [1]],
    ['insert into t values ($1::pg_catalog.timestamp(3) with time zone[], $2::"my type"[])', [1, 2]],
    ['select cast($1 as text[]), cast($2 as jsonb), $3::int array', [1, 3]],
    ['select $1::jsonb, ($2::jsonb)[0], any($3::jsonb), array[$4]', []],
    ['select \'$1::int[]\', "$1::int[]", $q$ any($1) $q$ -- $1::int[]\n /* any($1) */ , f($2::int)[1]', []],
    ['update t set doc = $1 where id = f(any_of($2))', []],
    ['select f($1::int, tags[1]), $2::int = tags[1], $3::jsonb and tags[1]', []],
  ])('is an array where the statement says so: %s', (sql, expected) => {
    expect([...arrayPositions(sql)]).toEqual(expected);
  });

  it('is written in its text form, whatever it holds, and is a document everywhere else', () => {
    const values = [
      1,
      2n ** 60n,
      0.5,
      -0,
      true,
      null,
      'a "b" \\ {c}, NULL',
      Buffer.from([0, 255]),
      { a: [1] },
      [1, [null]],
    ];
    const [array] = encodeParameters('select $1::text[]', [values], 'postgresql');
    expect(array).toEqual({
      text: `{"1","1152921504606846976","0.5","-0","true",NULL,"a \\"b\\" \\\\ {c}, NULL","\\\\x00ff","{\\"a\\":[1]}",{"1",{NULL}}}`,
    });
    expect(encodeParameters('select any($1)', [[]], 'postgresql')).toEqual([{ text: '{}' }]);
    expect(encodeParameters('select $1::jsonb', [[1]], 'postgresql')).toEqual([{ json: '[1]' }]);
    expect(encodeParameters('select any($1)', [[1]], 'mysql')).toEqual([{ json: '[1]' }]);
    expect(() => encodeParameters('select any($1)', [[undefined]], 'postgresql')).toThrow('parameter 1 is undefined');
  });

  it('is found in time that grows with the text only', () => {
    const since = performance.now();
    for (const part of ['/*', "'", '"', '(', 'any($1,', '--', '$a', '$1::int']) {
      arrayPositions(part.repeat(20_000));
    }
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});

describe('an array in a list of IN', () => {
  it.each<[string, readonly number[]]>([
    ['select * from t where id in (?)', [1]],
    ['select * from t where a = ? and id NOT  IN ( ?, ? ) and b = ?', [2, 3]],
    ['select * from t where id in /* ? */ (/* ( */ ?)', [1]],
    ['select \'?\', "(?", `in (?`, ? from t -- in (?)\n where id in(?) # (?', [2]],
    ["select 'it''s \\' in (' from t where id in (?)", [1]],
    ['insert into t (doc) values (?)', []],
    ['select * from t where f(?) in (1, g(?), ?)', [3]],
    ['select * from t where id in (select x from y where doc = ?)', []],
    ['update t set doc = ? where id = ?', []],
  ])('is seen in %s (field P18)', (sql, expected) => {
    expect([...inListPositions(sql)]).toEqual(expected);
  });

  it('is refused at MySQL and MariaDB with what to write, and as a document it is not (field P18)', () => {
    for (const engine of ['mysql', 'mariadb']) {
      expect(() => checkArrays('select 1 from t where id in (?)', [[1, 2]], engine)).toThrow(
        'write one ? for each of its 2 values',
      );
      checkArrays('insert into t (doc) values (?)', [[1, 2]], engine);
      checkArrays('select 1 from t where id in (?, ?)', [1, 2], engine);
    }
    checkArrays('select 1 where 1 in ($1)', [[1, 2]], 'postgresql');
  });

  it('is found in time that grows with the text only (field P18)', () => {
    const since = performance.now();
    for (const part of ['/*', "'", '`', '(', 'in (?,', '--', '"\\']) {
      inListPositions(part.repeat(100_000));
    }
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});
