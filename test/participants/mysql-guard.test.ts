// Which statements a branch of MySQL or MariaDB takes, by their text alone, and in which time.
import { describe, expect, it } from 'vitest';
import { guardStatement, hasSeveralStatements } from '../../src/participants/mysql/sql/guard.ts';

describe('statements of a branch', () => {
  it.each([
    ['insert into t values (1)', 'write'],
    ['  /* why */ UPDATE t set a = 1', 'write'],
    ['-- why\nreplace into t values (1)', 'write'],
    ['delete from t', 'write'],
    ['# why\nselect 1', 'read'],
    ['#/*\nselect 1', 'read'],
    ['--\x01 why\nselect 1', 'read'],
    ['(select 1) union (select 2)', 'read'],
    ['with a as (select 1) select * from a', 'read'],
    ['set @start = 1, @x := (select "transaction")', 'other'],
    ['set @a = (select names from t)', 'other'],
    ["set @a = 'autocommit = 1'", 'other'],
    ["set names 'utf8mb4'", 'other'],
    ['SET NAMES utf8mb4 COLLATE utf8mb4_bin;', 'other'],
    ["set sql_mode = 'ANSI_QUOTES', time_zone = '+01:00'", 'other'],
    ['set statement max_statement_time = (select 1 for update) for insert into t values (1)', 'write'],
    ['set role none', 'other'],
    ['set @a = @@global.sort_buffer_size, @b = greatest(1, @@global.sort_buffer_size)', 'other'],
    ['use other', 'other'],
    ['call p()', 'call'],
    ['rollback to savepoint a', 'other'],
    ['ROLLBACK WORK /* to */ TO a', 'other'],
    ['savepoint a', 'other'],
    ['create table t (n int)', 'other'],
    ["select 'xa commit'", 'read'],
    ["select 'a\0b'", 'read'],
  ])('%j passes', (text, kind) => {
    expect(guardStatement(text)).toMatchObject({ kind });
  });

  it.each([
    '',
    '   ',
    '-- nothing',
    ';',
    ';commit',
    '; ; commit',
    '\ufeffcommit',
    '\u00a0commit',
    "xa end X'61'",
    "xa start X'61' join",
    "xa start X'61' resume",
    '/**/xa/**/recover',
    '/*/ x */ xa recover',
    'begin',
    'Start Transaction',
    'commit',
    'rollback',
    'rollback and chain',
    'rollback /*!99999 to a */',
    'rollback -- to\nwork',
    '/*! select 1 */',
    '/*M! select 1 */',
    '/*M!100000 commit */',
    '--\ncommit',
    '--\tx\r\ncommit',
    '# a\n# b\ncommit',
    '#\0commit\nselect 1',
    'select 1 -- \0; commit',
    'set autocommit=0',
    'set @@autocommit = 1',
    'set @@session.autocommit = 1',
    'set global sort_buffer_size = 65536',
    'set @a = 1, @@ /* a */ global.sort_buffer_size = 65536',
    'set `persist` max_connections = 1',
    'set @@persist_only.max_connections = 1',
    'set session sort_buffer_size = (65536), global max_connections = 1',
    'set /*!50000 global */ max_connections = 1',
    'set statement max_statement_time = 1 for set global max_connections = 1',
    'set @@ session . `autocommit` = 1',
    'set session `autocommit` = 1',
    'set "autocommit" = 1',
    'set @a = 1, AutoCommit := 1',
    'set/**/autocommit=1',
    "set @a = '\\', autocommit = 1, @b = '",
    "set @a = '\\\\', autocommit = 1",
    "set @a = $$ ' $$, autocommit = 1, @b = ' '",
    'set /* a */ transaction read only',
    'set local transaction isolation level serializable',
    'set global transaction isolation level serializable',
    'set transaction_isolation = "SERIALIZABLE"',
    'set completion_type = 1',
    "set session_track_transaction_info = 'OFF'",
    "set @@session.session_track_transaction_info='OFF'",
    'set @@local.`session_track_state_change` = 0, @a = 1',
    'set /* x */ session /*! session_track_schema */ = 0',
    'set names latin1',
    "set @a = 1, names 'latin1'",
    'set character set latin1',
    'set charset latin1',
    'set character_set_client = latin1',
    'set session authorization root',
    'set pseudo_slave_mode = 1',
    'set statement max_statement_time = 1 for xa commit 1',
    'set statement autocommit = 1 for select 1',
    "set statement max_statement_time = (select 1 for update) for execute immediate 'xa recover'",
    "set statement sql_mode = '\\' for select 1",
    'set wait_timeout = 1',
    'set /*!50000 autocommit */ = 1',
    'prepare a from "commit"',
    'execute immediate "commit"',
    'deallocate prepare a',
    'lock tables t read',
    'lock instance for backup',
    'unlock tables',
    'if 1 then commit; end if',
    'begin not atomic commit; end',
    'x: begin not atomic commit; end',
    'savepoint /* a */ : begin not atomic commit; end',
    '`x`: begin not atomic commit; end',
    '<<x>> begin commit; end',
    'declare a int; begin commit; end',
    'kill 1',
    'shutdown',
    'binlog "x"',
    'change master to master_host = "a"',
    'grant all on *.* to a',
    'flush status',
    'create temporary table concordat_branch (n int)',
    'CREATE OR REPLACE TEMPORARY TABLE `shop` . `CONCORDAT_BRANCH` like other',
    'set statement max_statement_time = 1 for create temporary table concordat_branch (n int)',
    'truncate concordat_branch',
  ])('%j does not (conformance M13) (field P2)', (text) => {
    expect(guardStatement(text)).toMatchObject({ kind: 'refused', problem: expect.stringMatching(/^the statement /) });
  });

  it.each([
    ['select * from t for update', true],
    ['select * from t FOR /* a */ Share skip locked', true],
    ['select * from t lock in share mode', true],
    ['(select * from t for update) union select 2', true],
    ["do get_lock('a', 1)", true],
    ["select `get_lock` ('a', 1)", true],
    ['select * from t /*! for update */', true],
    ['delete from t where id = 1', true],
    ["select 'a\\' from t for update -- '", true],
    ["select 'for update'", false],
    ['select 1 -- for update', false],
    ['select `for update`, `update` from t', false],
    ['select 1', false],
  ])('%j takes locks: %s (field P13)', (text, locks) => {
    expect(guardStatement(text)).toMatchObject({ takesLocks: locks });
  });

  it.each([
    ['select 1; select 2', true],
    ['select 1;', false],
    ['select 1; -- done', false],
    ['select \';\', `;`, ";"', false],
    ["select 'it''s; \\'; fine'", false],
    ['select 1 /* ; select 2 */', false],
    ['select 1;\n\ndelete from t', true],
  ])('%j holds several: %s', (text, several) => {
    expect(hasSeveralStatements(text)).toBe(several);
  });
});

describe('a statement of 1 MiB', () => {
  const MIB = 1024 * 1024;
  const SMALL = [
    '/* ',
    '/*! ',
    '*/',
    "'",
    "\\'",
    "''",
    '"',
    '`',
    '\\',
    '-',
    '-- ',
    '#',
    ';',
    '\n',
    '(',
    ')',
    '@',
    '@@',
    '$',
    '$a',
    '\0',
  ];
  const WORDS = ['a', 'a ', 'for ', 'for update ', 'names,', 'set ', 'é', '\u{1f600}'];
  const UNITS = [...SMALL, ...WORDS, ...SMALL.flatMap((one) => ["'", ' a'].map((other) => one + other))];
  const HEADS = ['', 'select ', 'set ', 'set statement a = ', "set @a = '", 'call '];

  it('is read in less than 100 ms, whatever it repeats (security X15)', { timeout: 180_000 }, () => {
    const slow: string[] = [];
    for (const unit of UNITS) {
      const body = unit.repeat(Math.ceil(MIB / unit.length)).slice(0, MIB);
      for (const head of HEADS) {
        const text = head + body;
        const work = () => {
          // Time of the processor: the machine may be busy with something else.
          const start = process.cpuUsage();
          guardStatement(text);
          hasSeveralStatements(text);
          const { user, system } = process.cpuUsage(start);
          return (user + system) / 1_000;
        };
        if (work() > 100 && Math.min(work(), work(), work()) > 100) {
          slow.push(`${head}${unit}`);
        }
      }
    }
    expect(slow).toEqual([]);
  });
});
