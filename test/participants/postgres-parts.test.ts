// The pure parts of the PostgreSQL adapter: gids, evidence, which statements are refused, values.
import { describe, expect, it } from 'vitest';
import { formatGid, gidLiteral, parseGid, sessionTag, sessionTagPrefix } from '../../src/participants/postgres/gid.ts';
import { classifyStatement, leadingWords } from '../../src/participants/postgres/statement.ts';
import { rowCountOf } from '../../src/participants/postgres/values.ts';
import { formatBqual, formatGtrid, parseLogIdentity, parseResourceName, type Xid } from '../../src/xa/xid.ts';
import { freshRow } from './resource-manager-contract.ts';

function xidOf(resource: string, sequence: number): Xid {
  const identity = parseLogIdentity('zzzzzzzzzz');
  const name = parseResourceName(resource);
  if (identity === undefined || name === undefined) {
    throw new Error('not a name');
  }
  return { gtrid: formatGtrid({ identity, epoch: 36 ** 7 - 1, sequence }), bqual: formatBqual(name, 9999) };
}

describe('gids', () => {
  it('every Xid becomes a gid and comes back; the longest fits PostgreSQL with room (conformance L7)', () => {
    const longest = xidOf(`a${'b'.repeat(29)}`, 36 ** 10 - 1);
    for (const row of [freshRow(), freshRow(longest)]) {
      expect(parseGid(formatGid(row))).toEqual(row);
      expect(gidLiteral(row)).toBe(`'${formatGid(row)}'`);
    }
    expect(formatGid(freshRow(longest)).length).toBeLessThan(200);
  });

  it.each([
    'concordat:',
    'concordat:aaaaaaaaaa.1.1',
    'concordat:aaaaaaaaaa.1.1:',
    'concordat:aaaaaaaaaa.1.1:a',
    'concordat:aaaaaaaaaa.1.1:a:b',
    'concordat:aaaaaaaaaa.1.1:a:abcdefghijk',
    'concordat:aaaaaaaaaa.1.1:a:abcdefghijklm',
    'concordat:aaaaaaaaaa.1.1:abcdefghijkl',
    ' concordat:aaaaaaaaaa.1.1:a:abcdefghijkl',
    'concordat:aaaaaaaaaa.1.1:a:abcdefghijkl\n',
    'concordat:aaaaaaaaaa.00.1:a:abcdefghijkl',
    'concordat:aaaaaaaaa1.1.1:a:abcdefghijkl',
    'CONCORDAT:aaaaaaaaaa.1.1:a:abcdefghijkl',
  ])('%j is not ours', (gid) => {
    expect(parseGid(gid)).toBeUndefined();
  });

  it('a session name fits application_name, and tells branches and their openings apart, long ones by a digest', () => {
    const [one, two] = [xidOf(`a${'b'.repeat(29)}`, 36 ** 10 - 1), xidOf(`a${'b'.repeat(29)}`, 36 ** 10 - 2)];
    expect(sessionTagPrefix(one)).not.toBe(sessionTagPrefix(two));
    const [first, again] = [freshRow(one), freshRow(one)];
    expect(sessionTag(first)).not.toBe(sessionTag(again));
    expect(sessionTag(first)).toHaveLength(60);
    for (const row of [first, again]) {
      expect(sessionTag(row).startsWith(sessionTagPrefix(one))).toBe(true);
    }
    const short = freshRow();
    expect(sessionTag(short)).toBe(formatGid(short));
  });
});

describe('statements', () => {
  const kind = (text: string) => classifyStatement({ sql: text, parameters: [] });

  it.each([
    'select 1',
    '(select 1)',
    'rollback to savepoint a',
    'ROLLBACK WORK TO a',
    'savepoint a',
    'release a',
    `prepare plan as select 1`,
    'set local work_mem = 1',
    'set search_path = a',
    'reset search_path',
    'explain select 1',
    'committed',
    '"begin"',
    '/* begin */ select 1',
    '',
  ])('%j is accepted', (text) => {
    expect(kind(text).kind).toBe('accepted');
  });

  it.each([
    'begin',
    '\n\t BEGIN;',
    "COMMIT PREPARED 'x'",
    'end',
    "rollback prepared 'x'",
    "prepare/**/transaction 'x'",
    'set session session authorization x',
    'SET LOCAL ROLE x',
    'reset session authorization',
    'set "role" = x',
    'set local transaction read only',
    '--x\r\nset transaction read write',
    '/* unclosed /* */ begin */ commit',
    'copy a from stdin',
    'select \0',
  ])('%j is refused', (text) => {
    expect(kind(text)).toMatchObject({ kind: 'refused', reason: { code: 'STATEMENT_REFUSED' } });
  });

  it('too many parameters are refused before they reach the wire', () => {
    const parameters = Array.from({ length: 1_001 }, () => ({ kind: 'null' }) as const);
    expect(classifyStatement({ sql: 'select 1', parameters }).kind).toBe('refused');
    expect(classifyStatement({ sql: 'select 1', parameters: parameters.slice(1) }).kind).toBe('accepted');
  });

  it.each([
    ['insert into a values (1)', true, false],
    ['update a set b = 1', true, false],
    ['select 1', false, false],
    ['with x as (insert into a values (1)) select 1', false, false],
    ['set local a.b = 1', false, false],
    ['set a.b = 1', false, true],
    ['select pg_advisory_lock(1)', false, true],
    ['select pg_try_advisory_lock_shared(1)', false, true],
    ['select pg_advisory_xact_lock(1)', false, false],
    [`update a set b = set_config('x', 'y', false)`, true, true],
    ['create table a (b int)', false, true],
    ['listen a', false, true],
  ])('%j changes rows: %s, soils the session: %s', (text, changes, soils) => {
    expect(kind(text)).toEqual({ kind: 'accepted', changes, soils });
  });

  it('first words are read through comments, nested and of one line', () => {
    expect(leadingWords('/* a /* b */ c */ -- d\n Select /**/ 1', 3)).toEqual(['SELECT']);
    expect(leadingWords('-- only a comment', 2)).toEqual([]);
  });

  it('command tags end in their row count, or have none', () => {
    expect(['INSERT 0 3', 'SELECT 10', 'UPDATE 0', 'CREATE TABLE', ''].map(rowCountOf)).toEqual([3, 10, 0, 0, 0]);
  });
});
