// The pure parts of the PostgreSQL adapter: gids, evidence, which statements are refused, values.
import { describe, expect, it } from 'vitest';
import { rowCountOf } from '../../src/participants/postgres/protocol/values.ts';
import {
  formatGid,
  gidLiteral,
  parseGid,
  sessionTag,
  sessionTagPrefix,
} from '../../src/participants/postgres/sql/gid.ts';
import { leadingWords } from '../../src/participants/postgres/sql/lexer.ts';
import { classifyStatement } from '../../src/participants/postgres/sql/statement.ts';
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
    'rollback transaction/**/to\fa',
    'savepoint a',
    'release a',
    `prepare plan as select 1`,
    'set local work_mem = 1',
    'set search_path = a',
    'set constraints all deferred',
    'set time zone local',
    'reset search_path',
    'SET LOCAL ROLE x',
    'set /* for a while */ local\rrole none',
    'explain select 1',
    'committed',
    '"begin"',
    '/* begin */ select 1',
    '; ;select 1',
    ';',
    '',
  ])('%j is accepted', (text) => {
    expect(kind(text).kind).toBe('accepted');
  });

  it.each([
    'begin',
    '\n\t BEGIN;',
    ';commit',
    ';;--a\n;\vcommit',
    '--a\rcommit',
    '/*/*/**/*/ */;/**/END',
    "COMMIT PREPARED 'x'",
    'end',
    'rollback and chain',
    'rollback -- to\n',
    "rollback prepared 'x'",
    "prepare/**/transaction 'x'",
    'set role x',
    'set session role x',
    'reset role',
    'set session session authorization x',
    'set local session authorization x',
    'set session_authorization = x',
    'reset session authorization',
    'set "role" = x',
    'set local "role" = x',
    'set u&"r\\006fle" = x',
    'set local transaction read only',
    'set transaction_read_only = on',
    'set session characteristics as transaction read only',
    '--x\r\nset transaction read write',
    'set client_encoding = latin1',
    'set names latin1',
    'set application_name = x',
    'reset all',
    '/* unclosed /* */ begin */ commit',
    'copy a from stdin',
    '\u00a0commit',
    '\ufeffcommit',
    '\u0001commit',
    '\\commit',
    'select \0',
  ])('%j is refused (field P2)', (text) => {
    expect(kind(text)).toMatchObject({ kind: 'refused', reason: { code: 'STATEMENT_REFUSED' } });
  });

  it('too many parameters are refused before they reach the wire', () => {
    const parameters = Array.from({ length: 1_001 }, () => ({ kind: 'null' }) as const);
    expect(classifyStatement({ sql: 'select 1', parameters }).kind).toBe('refused');
    expect(classifyStatement({ sql: 'select 1', parameters: parameters.slice(1) }).kind).toBe('accepted');
  });

  it.each([
    ['insert into a values (1)', true, ['insert', 'into', 'a', 'values']],
    ['UPDATE A set "B b" = 1', true, ['update', 'a', 'set', 'b', 'B b']],
    ['select \'"\', "B b"()', false, ['select', 'b', "', ", 'B b']],
    [
      'with x as (insert into a values (1)) select 1',
      false,
      ['with', 'x', 'as', 'insert', 'into', 'a', 'values', 'select'],
    ],
    ['select u&"\\0061"()', false, undefined],
    ['select "a""b"()', false, undefined],
    ['call f()', false, undefined],
    ['do $$ $$', false, undefined],
    ['notify a', false, undefined],
    ['execute a', false, undefined],
    ['create table a (b int)', false, undefined],
  ])('%j changes rows: %s, and may have named %j', (text, changes, names) => {
    const found = kind(text);
    expect(found).toMatchObject({ kind: 'accepted', changes });
    expect(found.kind === 'accepted' ? found.names && [...found.names] : found).toEqual(names);
  });

  it('first words are read through comments, nested and of one line, and through empty statements', () => {
    expect(leadingWords('/* a /* b */ c */ -- d\n; Select /**/ 1', 3)).toEqual(['SELECT']);
    expect(leadingWords('-- only a comment', 2)).toEqual([]);
  });

  it('command tags end in their row count, or have none', () => {
    expect(['INSERT 0 3', 'SELECT 10', 'UPDATE 0', 'CREATE TABLE', ''].map(rowCountOf)).toEqual([3, 10, 0, 0, 0]);
  });
});
