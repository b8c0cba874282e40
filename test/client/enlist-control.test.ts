// What is sent instead of an application's own transaction control on a lent connection, and what is refused before it is sent.
import { describe, expect, test } from 'vitest';
import type { Translation } from '../../src/participants/lent/own-control.ts';
import { translateMysql } from '../../src/participants/mysql/lent/control.ts';
import { translatePostgres } from '../../src/participants/postgres/lent/control.ts';

function told(translation: Translation): string {
  switch (translation.kind) {
    case 'same':
      return 'same';
    case 'replaced':
      return translation.sql;
    case 'refused':
      return 'refused';
  }
}

const simple = (sql: string, depth = 1): string => told(translatePostgres(sql, 'simple', depth));
const mysql = (sql: string, depth = 1): string => told(translateMysql(sql, depth));

describe('PostgreSQL', () => {
  test.each([
    ['BEGIN', 'savepoint concordat_2'],
    ['start transaction', 'savepoint concordat_2'],
    ['begin work', 'savepoint concordat_2'],
    ['begin isolation level serializable', 'savepoint concordat_2;set transaction isolation level serializable'],
    ['START TRANSACTION READ ONLY', 'savepoint concordat_2;set transaction READ ONLY'],
    ['commit', 'release savepoint concordat_1'],
    ['END TRANSACTION', 'release savepoint concordat_1'],
    ['commit and no chain', 'release savepoint concordat_1'],
    ['rollback', 'rollback to savepoint concordat_1'],
    ['ABORT WORK', 'rollback to savepoint concordat_1'],
    [';commit', ';release savepoint concordat_1'],
    ['; ; \f\v commit;', '; ; \f\v release savepoint concordat_1;'],
    ['-- why\rcommit', '-- why\rrelease savepoint concordat_1'],
    ['/* a /* b */ c */commit', '/* a /* b */ c */release savepoint concordat_1'],
    ['begin;select 1;commit', 'savepoint concordat_2;select 1;release savepoint concordat_2'],
    [
      'begin;begin;rollback;commit',
      'savepoint concordat_2;savepoint concordat_3;rollback to savepoint concordat_3;release savepoint concordat_2',
    ],
    ["select 'it''s; commit'; commit", "select 'it''s; commit'; release savepoint concordat_1"],
    ["select E'\\'; commit;'; commit", "select E'\\'; commit;'; release savepoint concordat_1"],
    ['select $$;rollback$$; commit', 'select $$;rollback$$; release savepoint concordat_1'],
    ['select $a$;$b$;rollback$a$; commit', 'select $a$;$b$;rollback$a$; release savepoint concordat_1'],
    ['select ";commit"; commit', 'select ";commit"; release savepoint concordat_1'],
    [
      'create function f() returns int begin atomic select case when true then 1 end; select 2; end; commit',
      'create function f() returns int begin atomic select case when true then 1 end; select 2; end; release savepoint concordat_1',
    ],
  ])('%j becomes savepoints (field P12)', (sql, sent) => {
    expect(simple(sql)).toBe(sent);
  });

  test.each([
    'select 1',
    'rollback to savepoint mine',
    'ROLLBACK WORK TO mine',
    'savepoint mine',
    'release mine',
    'prepare s as select 1',
    'set local role visitor',
    'reset role',
    "set search_path = 'begin'",
    'select end_at from commit',
    "insert into t values ('; commit; ')",
    'create rule r as on insert to t do also (insert into u values (1); commit)',
    '\u00a0commit',
    'do $$ begin perform 1; end $$',
  ])('%j is left as it is', (sql) => {
    expect(simple(sql)).toBe('same');
  });

  test.each([
    "prepare transaction 'mine'",
    "commit prepared 'x'",
    "rollback prepared 'x'",
    'commit and chain',
    'rollback work and chain',
    'discard all',
    'reset all',
    'set session authorization visitor',
    'set local session authorization visitor',
    'reset session authorization',
    "set session_authorization to 'visitor'",
    'set "session_authorization" to visitor',
    'set U&"session_\\0061uthorization" to visitor',
    'set application_name = mine',
    'set local concordat.branch = mine',
    'select 1; /* */ discard all',
    'commit\0',
    // With standard_conforming_strings off the string ends elsewhere, and the server alone knows how it is set.
    "select '\\'; commit; --'",
    "select '\\''; commit; --'",
  ])('%j is refused before it is sent (field P12)', (sql) => {
    expect(simple(sql)).toBe('refused');
  });

  test('COMMIT and ROLLBACK without a BEGIN are refused, and the latter forbids the commit (field P12)', () => {
    expect(translatePostgres('commit', 'simple', 0)).toMatchObject({ kind: 'refused', dooms: false });
    expect(translatePostgres('rollback', 'simple', 0)).toMatchObject({ kind: 'refused', dooms: true });
    expect(translatePostgres('commit; begin', 'simple', 0)).toMatchObject({ kind: 'refused' });
  });

  test('where the server takes one statement, a mode of BEGIN and a second statement are refused', () => {
    expect(told(translatePostgres('begin', 'extended', 0))).toBe('savepoint concordat_1');
    expect(told(translatePostgres('begin read only', 'extended', 0))).toBe('refused');
    expect(told(translatePostgres('select 1; commit', 'extended', 1))).toBe('refused');
  });
});

describe('MySQL and MariaDB', () => {
  test.each([
    ['BEGIN', 'savepoint concordat_2'],
    ['begin work', 'savepoint concordat_2'],
    ['START TRANSACTION WITH CONSISTENT SNAPSHOT', 'savepoint concordat_2'],
    ['COMMIT', 'release savepoint concordat_1'],
    ['commit and no chain no release', 'release savepoint concordat_1'],
    ['rollback work', 'rollback to savepoint concordat_1'],
    ['# why\ncommit', '# why\nrelease savepoint concordat_1'],
    ['-- why\ncommit', '-- why\nrelease savepoint concordat_1'],
    ['/* why */ ;commit', '/* why */ ;release savepoint concordat_1'],
    [
      'begin;insert into t values (1);commit',
      'savepoint concordat_2;insert into t values (1);release savepoint concordat_2',
    ],
    [
      "select 'it''s; commit', \";commit\", `;commit`; commit",
      "select 'it''s; commit', \";commit\", `;commit`; release savepoint concordat_1",
    ],
  ])('%j becomes savepoints (field P12)', (sql, sent) => {
    expect(mysql(sql)).toBe(sent);
  });

  test.each([
    'select 1',
    'rollback to mine',
    'rollback work to savepoint mine',
    'savepoint mine',
    'set autocommit = 0',
    'set session transaction isolation level read committed',
    "set @x = 'commit'",
    'call work()',
    'select if(a, 1, 2), case when b then 1 end from t for update',
    "insert into t values ('it\\'s', 'begin')",
    'start replica',
  ])('%j is left as it is', (sql) => {
    expect(mysql(sql)).toBe('same');
  });

  test.each([
    "xa end 'x'",
    "select 1; XA ROLLBACK 'x'",
    "/*! xa end 'x' */",
    '/*!50000 commit */',
    '/*M!100000 commit */',
    'commit and chain',
    'rollback release',
    'begin not atomic commit; end',
    "if 1 then xa end 'x'; end if",
    "prepare s from 'commit'",
    "execute immediate concat('x', 'a end')",
    'set transaction isolation level serializable',
    'set statement max_statement_time = 1 for commit',
    'set xa_detach_on_prepare = off',
    'set @@`xa_detach_on_prepare` = off',
    // With NO_BACKSLASH_ESCAPES the string ends elsewhere, and the server alone knows how it is set.
    "select 'a\\'; commit; -- '",
  ])('%j is refused before it is sent (field P12)', (sql) => {
    expect(mysql(sql)).toBe('refused');
  });

  test('COMMIT and ROLLBACK without a BEGIN are refused, and the latter forbids the commit (field P12)', () => {
    expect(translateMysql('commit', 0)).toMatchObject({ kind: 'refused', dooms: false });
    expect(translateMysql('rollback', 0)).toMatchObject({ kind: 'refused', dooms: true });
  });
});
