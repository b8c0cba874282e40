// A session of MySQL or MariaDB is its branch's alone: what a branch leaves is gone, and what we set is there, whatever the server is.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { BranchSession, ResourceManager, SqlValue } from '../../src/participants/resource-manager.ts';
import { type MysqlHarness, openMysqlHarness } from './mysql-harness.ts';
import { freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, expectPrepared, sql } = steps;

/** What a branch does, and what the next one finds: 1 where it is there. */
interface Leftover {
  readonly what: string;
  readonly leave: string;
  readonly find: string;
  readonly only?: 'mysql' | 'mariadb';
}

const BY_TEXT: readonly Leftover[] = [
  { what: 'a session variable', leave: 'set session sort_buffer_size = 65536', find: '@@sort_buffer_size = 65536' },
  { what: 'a variable of the user', leave: 'set @leak = 1', find: '@leak is not null' },
  { what: 'a variable of the user in a SELECT', leave: 'select @leak := 5', find: '@leak is not null' },
  { what: 'a variable of the user by INTO', leave: 'select 5 into @leak', find: '@leak is not null' },
  {
    what: 'a variable of the user in an INSERT',
    leave: 'insert into counted (v) values (@leak := 5)',
    find: '@leak is not null',
  },
  { what: 'the current database', leave: 'use mysql', find: `database() = 'mysql'` },
  { what: 'a lock of the user', leave: `select get_lock('leak', 0)`, find: `is_used_lock('leak') is not null` },
  { what: 'a generated id', leave: 'insert into counted (v) values (1)', find: 'last_insert_id() > 0' },
  { what: 'a given id', leave: 'do last_insert_id(77)', find: 'last_insert_id() > 0' },
  { what: 'a role', leave: 'set role leaked_role', find: `coalesce(current_role(), '') like '%leaked_role%'` },
  { what: 'another time zone', leave: `set time_zone = '+09:00'`, find: `@@time_zone = '+09:00'` },
  {
    what: 'another collation',
    leave: `set collation_connection = utf8mb4_bin`,
    find: `@@collation_connection = 'utf8mb4_bin'`,
  },
  { what: 'a sql_mode', leave: `set sql_mode = ''`, find: `@@sql_mode = ''` },
  { what: 'a row count', leave: 'select sql_calc_found_rows * from counted limit 1', find: 'found_rows() > 1' },
];

const BY_ROUTINE: readonly Leftover[] = [
  { what: 'a variable by a function', leave: 'select leave_things()', find: '@leak is not null' },
  { what: 'a session variable by a function', leave: 'select leave_things()', find: '@@sql_select_limit = 1' },
  { what: 'a lock by a function', leave: 'select leave_things()', find: `is_used_lock('leak') is not null` },
  { what: 'a variable by a trigger', leave: 'insert into triggering values (1)', find: '@leak is not null' },
  {
    what: 'a session variable by a trigger',
    leave: 'insert into triggering values (1)',
    find: `@@time_zone = '+03:00'`,
  },
  { what: 'a variable by a procedure', leave: 'call leaves_by_call()', find: '@leak is not null' },
  {
    what: 'a role by a procedure',
    leave: 'call leaves_by_call()',
    find: `coalesce(current_role(), '') like '%leaked_role%'`,
  },
  { what: 'a character set by a procedure', leave: 'call leaves_by_call()', find: `@@character_set_client = 'latin1'` },
  { what: 'autocommit by a view', leave: 'select * from leaving_view', find: `@@autocommit = 1 or @leak is not null` },
];

export function mysqlLeftoverCases(name: string, server: () => EngineServer): void {
  describe(`what a branch of ${name} leaves in its session`, () => {
    let harness: MysqlHarness;
    let single: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      single = await harness.open({ poolMax: 1 });
      if (harness.engine === 'mysql') {
        await harness.raw('set global log_bin_trust_function_creators = on');
      }
      for (const text of [
        'create table if not exists counted (n int primary key auto_increment, v int) engine=InnoDB',
        'create table triggering (n int) engine=InnoDB',
        'create role leaked_role',
        'grant leaked_role to current_user()',
        `create function leave_things() returns int modifies sql data begin set @leak := 5; set session sql_select_limit = 1;
         return get_lock('leak', 0); end`,
        `create trigger leaving before insert on triggering for each row begin set @leak := 6; set time_zone = '+03:00'; end`,
        `create procedure leaves_by_call() begin set @leak := 7; set role leaked_role; set names latin1;
         prepare leaked from 'select 1'; end`,
        'create view leaving_view as select leave_things() as a',
      ]) {
        await harness.raw(text);
      }
    });
    afterAll(async () => {
      await single?.[Symbol.asyncDispose]();
    });

    const value = async (branch: BranchSession, text: string): Promise<SqlValue | undefined> =>
      (await branch.execute(sql(text))).rows[0]?.[0];

    it.each([...BY_TEXT, ...BY_ROUTINE])('$what is gone before the next branch (field P7)', async ({ leave, find }) => {
      for (const end of ['commit', 'prepare', 'rollback'] as const) {
        const xid = freshXid();
        const branch = await single.open(xid, OPTIONS);
        await branch.execute(sql('insert into counted (v) values (1)'));
        await branch.execute(sql(leave));
        if (end === 'rollback') {
          await branch.rollback();
        } else if (end === 'commit') {
          expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
        } else {
          expect(await single.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
        }
        const next = await single.open(freshXid(), OPTIONS);
        expect(await value(next, `select coalesce((${find}) > 0, 0)`)).toEqual({ kind: 'int', value: 0n });
        await next.rollback();
      }
    });

    it('a temporary table and a prepared statement of the text kind are gone before the next branch (field P7)', async (context) => {
      context.skip(harness.engine === 'mysql', 'MySQL has no temporary tables in a branch, and EXECUTE is refused');
      await harness.raw('create procedure makes_table() begin create temporary table leaked_table (n int); end');
      const first = await single.open(freshXid(), OPTIONS);
      await first.execute(sql('call makes_table()'));
      expect(await value(first, 'select count(*) from leaked_table')).toEqual({ kind: 'int', value: 0n });
      await first.rollback();
      const next = await single.open(freshXid(), OPTIONS);
      await expect(next.execute(sql('select count(*) from leaked_table'))).rejects.toMatchObject({
        reason: { errno: 1146 },
      });
      await next.rollback();
    });

    it.each(['latin1_results', 'latin1_names'])(
      '%s(): no text is read in another encoding than it came in (field P9)',
      async (f) => {
        const change = f === 'latin1_names' ? 'set names latin1' : 'set session character_set_results = latin1';
        await harness.raw(`create function ${f}() returns int modifies sql data begin ${change}; return 1; end`);
        const branch = await single.open(freshXid(), OPTIONS);
        await branch.execute(sql('insert into counted (v) values (1)'));
        await branch.execute(sql(`select ${f}()`));
        const { reason } = await steps.engineError(branch.execute(sql(`select 'ä'`)));
        expect(reason).toMatchObject({
          code: 'STATEMENT_REFUSED',
          message: expect.stringContaining('character_set_results'),
        });
        expect((await branch.prepare()).kind).toBe('rollback');
        const next = await single.open(freshXid(), OPTIONS);
        expect(await value(next, `select 'ä'`)).toEqual({ kind: 'text', value: 'ä' });
        await next.rollback();
      },
    );

    it('a session is the same after all of that, unless its database or role is another (field P7)', async () => {
      const id = async (...texts: readonly string[]) => {
        const branch = await single.open(freshXid(), OPTIONS);
        for (const text of texts) {
          await branch.execute(sql(text));
        }
        const found = await value(branch, 'select connection_id()');
        await branch.rollback();
        return found;
      };
      const before = await id('set @leak = 1', `set sql_mode = ''`);
      const same = await id('use mysql');
      const next = await id();
      expect(same).toEqual(before);
      expect(next).not.toEqual(same);
    });
  });
}
