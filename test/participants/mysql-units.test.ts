// The parts of the MySQL adapter that need no server: which statements pass, how packets are read, what addresses mean.
import { describe, expect, it } from 'vitest';
import { readRecoverRow } from '../../src/participants/mysql/finish/listing.ts';
import { engineKind, isAtLeast, versionNumbers } from '../../src/participants/mysql/protocol/engine.ts';
import { Exchange } from '../../src/participants/mysql/protocol/exchange.ts';
import { Cursor, readError, readOk } from '../../src/participants/mysql/protocol/packets.ts';
import { readDate, readTime } from '../../src/participants/mysql/protocol/temporal.ts';
import { TYPE } from '../../src/participants/mysql/protocol/types.ts';
import { connectionOptions, parseMysqlUrl } from '../../src/participants/mysql/session/options.ts';
import { branchLock, startTexts, xidLiteral } from '../../src/participants/mysql/sql/texts.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import { NO_EVIDENCE, type Opening, rowEvidence } from '../../src/xa/evidence.ts';
import { FORMAT_ID, parseXid, type Xid } from '../../src/xa/xid.ts';

const COLUMN = { name: 'c', type: TYPE.DATETIME, charset: 63, unsigned: false, decimals: 6, json: false };

function xidOf(text: string): Xid {
  const xid = parseXid(text);
  if (xid === undefined) {
    throw new Error(`not a Xid: ${text}`);
  }
  return xid;
}

describe('texts about a branch', () => {
  const xid = xidOf('abcdefghij.1.2:accounts.3');
  const row = { ...xid, opening: 'abcdefghijkl' as Opening };

  it('an Xid goes as hex, and its lock has a name of its own within 64 characters', () => {
    expect(xidLiteral(row)).toBe(
      `X'6162636465666768696a2e312e32',X'6163636f756e74732e333a6162636465666768696a6b6c',${FORMAT_ID}`,
    );
    expect(branchLock(xid)).toBe("'concordat:abcdefghij.1.2:accounts.3'");
    expect(branchLock(row)).toBe("'concordat:abcdefghijkl'");
    const [longest, another] = ['1', '2'].map((n) =>
      branchLock(xidOf(`abcdefghij.zzzzzzz.zzzzzzzzzz:abcdefghijklmnopqrstuvwxyz-123.999${n}`)),
    );
    expect(longest).toMatch(/^'concordat:#[0-9a-f]{40}'$/);
    expect(another).not.toBe(longest);
  });

  it('the characteristics come directly before XA START', () => {
    expect(startTexts(row, { isolation: 'default', readOnly: false }).join(';')).toMatch(/^SELECT [^;]*;XA START /);
    expect(startTexts(row, { isolation: 'serializable', readOnly: true }).join(';')).toMatch(
      /;SET TRANSACTION ISOLATION LEVEL SERIALIZABLE,READ ONLY;XA START /,
    );
  });
});

describe('XA RECOVER (faults B51)', () => {
  const row = (formatId: number, gtrid: Buffer, bqual: Buffer, kind: 'mysql' | 'mariadb') => {
    const data = Buffer.concat([gtrid, bqual]);
    const shown = kind === 'mysql' ? Buffer.from(`0x${data.toString('hex')}`) : data;
    return [Buffer.from(`${formatId}`), Buffer.from(`${gtrid.length}`), Buffer.from(`${bqual.length}`), shown];
  };

  it.each(['mysql', 'mariadb'] as const)('%s: ours are found, and everything else is shown and never ours', (kind) => {
    const ours = readRecoverRow(
      kind,
      row(FORMAT_ID, Buffer.from('aaaaaaaaaa.1.z'), Buffer.from('accounts:abcdefghijkl'), kind),
    );
    expect(ours).toMatchObject({
      xid: xidOf('aaaaaaaaaa.1.z:accounts'),
      evidence: rowEvidence('abcdefghijkl' as Opening),
    });
    const strangers: [number, Buffer, Buffer][] = [
      [1, Buffer.from('aaaaaaaaaa.1.z'), Buffer.from('accounts:abcdefghijkl')],
      [FORMAT_ID, Buffer.from('aaaaaaaaaa.1.z'), Buffer.from('accounts')],
      [FORMAT_ID, Buffer.from('aaaaaaaaaa.1.z\0'), Buffer.from('accounts:abcdefghijkl')],
      [FORMAT_ID, Buffer.from([0, 0xff, 0xc3, 0x28, 0x27]), Buffer.alloc(0)],
      // The same bytes as ours, cut elsewhere.
      [FORMAT_ID, Buffer.from('aaaaaaaaaa.1'), Buffer.from('.zaccounts:abcdefghijkl')],
      [FORMAT_ID, Buffer.from('aaaaaaaaaa.1.z:accounts'), Buffer.from('abcdefghijkl')],
    ];
    for (const [formatId, gtrid, bqual] of strangers) {
      const stranger = readRecoverRow(kind, row(formatId, gtrid, bqual, kind));
      expect(stranger).toMatchObject({ xid: undefined, evidence: NO_EVIDENCE });
      expect(stranger.raw).toBe(`X'${gtrid.toString('hex')}',X'${bqual.toString('hex')}',${formatId}`);
    }
  });
});

describe('packets', () => {
  const limits = { rows: 2, bytes: 100 };
  const ok = (status: number) => Buffer.from([0, 1, 0, status & 0xff, status >> 8, 0, 0]);
  const request = (answer: 'cells' | 'none') => ({ frame: Buffer.alloc(0), answer });

  it('answers are kept apart: several results of one text, an error, requests without an answer', () => {
    const exchange = new Exchange(
      [request('none'), request('cells'), request('none'), request('cells'), request('cells')],
      {
        extended: false,
        limits,
      },
    );
    expect(exchange.take(ok(8))).toBe('more');
    expect(exchange.atBoundary).toBe(false);
    expect(exchange.take(ok(0))).toBe('more');
    expect(exchange.atBoundary).toBe(true);
    expect(exchange.take(Buffer.from([0xff, 0x75, 0x05, ...Buffer.from('#XAE04Unknown XID')]))).toBe('more');
    expect(exchange.take(ok(0))).toBe('complete');
    expect(exchange.answers.map((answer) => answer.map((result) => result.kind))).toEqual([
      [],
      ['ok', 'ok'],
      [],
      ['error'],
      ['ok'],
    ]);
    expect(exchange.answers[3]?.[0]).toMatchObject({
      error: { errno: 1397, sqlstate: 'XAE04', message: 'Unknown XID' },
    });
  });

  it('an error before the handshake has no SQLSTATE', () => {
    expect(readError(Buffer.from([0xff, 0x10, 0x04, ...Buffer.from('Too many connections')]))).toEqual({
      errno: 1040,
      sqlstate: 'HY000',
      message: 'Too many connections',
    });
  });

  it('a transaction’s state is found among other changes of the session', () => {
    const changes = (...bytes: number[]) => Buffer.from([0, 0, 0, 0, 0x40, 0, 0, 0, bytes.length, ...bytes]);
    expect(readOk(changes(5, 2, 1, 0x54)).transactionState).toBe('T');
    expect(readOk(changes(2, 2, 1, 0x31, 5, 2, 1, 0x54)).transactionState).toBe('T');
    expect(readOk(changes(2, 2, 1, 0x31)).transactionState).toBeUndefined();
    expect(readOk(ok(0)).transactionState).toBeUndefined();
  });

  it('a length that runs past its packet is an error, not a value', () => {
    expect(() => new Cursor(Buffer.from([5, 1, 2])).chunk()).toThrow(RangeError);
  });

  it('an affected count and an id of 64 bits are read whole', () => {
    const bytes = Buffer.from([0, 0xfc, 0x10, 0x27, 0xfe, ...Array.from({ length: 8 }, () => 0xff), 2, 0, 0, 0]);
    expect(readOk(bytes)).toMatchObject({ affectedRows: 10_000, insertId: 2n ** 64n - 1n, status: 2 });
  });

  it.each([
    [[0], '0000-00-00 00:00:00.000000'],
    [[4, 0xea, 7, 11, 20], '2026-11-20 00:00:00.000000'],
    [[7, 0xea, 7, 11, 20, 9, 8, 7], '2026-11-20 09:08:07.000000'],
    [[11, 0xea, 7, 11, 20, 9, 8, 7, 1, 0, 0, 0], '2026-11-20 09:08:07.000001'],
  ])('a date of %j reads %s', (bytes, text) => {
    expect(readDate(new Cursor(Buffer.from(bytes)), COLUMN)).toBe(text);
  });

  it('a date has no clock, a time may have days, and a free fraction shows what there is', () => {
    expect(readDate(new Cursor(Buffer.from([4, 0xea, 7, 1, 2])), { ...COLUMN, type: TYPE.DATE })).toBe('2026-01-02');
    const time = Buffer.from([8, 1, 34, 0, 0, 0, 22, 59, 58]);
    expect(readTime(new Cursor(time), { ...COLUMN, type: TYPE.TIME, decimals: 0 })).toBe('-838:59:58');
    expect(readTime(new Cursor(Buffer.from([0])), { ...COLUMN, decimals: 31 })).toBe('00:00:00');
    const fraction = Buffer.from([12, 0, 0, 0, 0, 0, 1, 2, 3, 0x40, 0xe2, 1, 0]);
    expect(readTime(new Cursor(fraction), { ...COLUMN, decimals: 31 })).toBe('01:02:03.123456');
    expect(readTime(new Cursor(fraction), { ...COLUMN, decimals: 2 })).toBe('01:02:03.12');
  });
});

describe('engines and addresses', () => {
  it('MariaDB says so in its version, also behind the old prefix', () => {
    expect(engineKind('10.11.18-MariaDB-0+deb12u1')).toBe('mariadb');
    expect(engineKind('5.5.5-10.5.9-MariaDB')).toBe('mariadb');
    expect(engineKind('8.0.36-0ubuntu0.22.04.1')).toBe('mysql');
    expect(versionNumbers('5.5.5-10.5.9-MariaDB')).toEqual([10, 5, 9]);
    expect(versionNumbers('9.7.4-2')).toEqual([9, 7, 4]);
  });

  it.each([
    ['8.0.29', false],
    ['8.0.30', true],
    ['8.4.0', true],
    ['5.7.44-log', false],
    ['9.0', true],
  ])('%s is new enough for MySQL: %s (conformance M17)', (version, enough) => {
    expect(isAtLeast(version, [8, 0, 30])).toBe(enough);
  });

  it('a URL names user, password, place and database, with what is quoted in it', () => {
    expect(parseMysqlUrl('mariadb://us%40er:p%3Aw@db.example:3307/shop')).toEqual({
      host: 'db.example',
      port: 3307,
      user: 'us@er',
      password: 'p:w',
      database: 'shop',
      tls: 'off',
    });
    expect(parseMysqlUrl('mysql://[::1]/shop?socket=/run/s&ssl-mode=VERIFY_IDENTITY')).toMatchObject({
      host: '::1',
      port: 3306,
      user: 'root',
      socketPath: '/run/s',
      tls: 'verify',
    });
  });

  it.each([
    'nonsense',
    'postgresql://user:secret@h/db',
    'mysql://user:secret@h',
    'mysql://user:secret@h/db?ssl=true',
    'mysql://user:secret@h/db?ssl-mode=SOMETIMES',
    'mysql://user:secret@h/db?ssl-mode=REQUIRED&ssl-mode=DISABLED',
    'mysql://user:secret@h/db?ssl-ca=/a.pem',
    'mysql://user:secret@h/db?ssl-mode=REQUIRED&ssl-ca=/a.pem',
    'mysql://user:secret@h/db?sslmode=require',
    'mysql://user:secret@h/db#x',
  ])('%s is refused without repeating the password', (url) => {
    expect(() => parseMysqlUrl(url)).toThrow(CoordinatorError);
    expect(() => parseMysqlUrl(url)).not.toThrow(/secret/);
  });

  it.each([
    ['mysql://u:secret%ss@h/db', 'password'],
    ['mysql://u%:secret@h/db', 'user'],
    ['mysql://u:secret@h/d%zz', 'database'],
    ['mysql://u:secret%E0%A4%A@h/db', 'password'],
    ['mysql://u:secret%ff@h/db', 'password'],
  ])('%s: a % that is no escape is named, and the password is not (field P19)', (url, what) => {
    const refused = (() => {
      try {
        return parseMysqlUrl(url);
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(`% in its ${what}`) });
    expect(String(refused)).not.toMatch(/secret/);
  });

  it('encryption is asked for as the address says', () => {
    const settings = { instance: 'one', connectTimeoutMs: 1 };
    const of = (url: string) => connectionOptions(parseMysqlUrl(url), settings);
    expect(of('mysql://h/db').ssl).toBeUndefined();
    expect(of('mysql://h/db?ssl-mode=REQUIRED').ssl).toEqual({ rejectUnauthorized: false });
    expect(of('mysql://h/db?ssl-mode=VERIFY_IDENTITY').ssl).toEqual({ rejectUnauthorized: true, verifyIdentity: true });
    expect(() => of('mysql://h/db?ssl-mode=VERIFY_IDENTITY&ssl-ca=/nowhere')).toThrow(CoordinatorError);
  });
});
