// What an application of MySQL or MariaDB may do to the locks and reports that we rely on: no false proof, no write taken for a read.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { rowEvidence } from '../../src/xa/evidence.ts';
import { type MysqlHarness, openHand, openMysqlHarness } from './mysql-harness.ts';
import { freshKey, freshRow, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, expectPrepared, givenRow, isListed, sql } = steps;

export function mysqlTamperCases(name: string, server: () => EngineServer): void {
  describe(`locks and reports of a branch of ${name}`, () => {
    let harness: MysqlHarness;
    let manager: ResourceManager;
    const isMysql = () => harness.engine === 'mysql';
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      manager = await harness.open();
      if (isMysql()) {
        await harness.raw('set global log_bin_trust_function_creators = on');
      }
      const off = `set session session_track_transaction_info = 'OFF'`;
      const on = `set session session_track_transaction_info = 'STATE'`;
      const write = 'insert into written values (null)';
      for (const text of [
        'create table if not exists written (n int primary key auto_increment) engine=InnoDB',
        'create table touched (n int) engine=InnoDB',
        'create function frees() returns int modifies sql data begin return release_all_locks(); end',
        'create procedure frees_by_call() begin do release_all_locks(); end',
        'create trigger freeing before insert on touched for each row set @a = release_all_locks()',
        `create function writes_plainly() returns int modifies sql data begin ${write}; return 1; end`,
        `create function limits() returns int modifies sql data begin ${write}; set session sql_select_limit = 0; return 1; end`,
        ...(isMysql()
          ? [
              `create function writes_unseen() returns int modifies sql data begin ${off}; ${write}; return 1; end`,
              `create function writes_between() returns int modifies sql data begin ${off}; ${write}; ${on}; return 1; end`,
              `create function looks_then_writes() returns int modifies sql data begin
                 declare c int; select count(*) into c from touched; ${off}; ${write}; ${on}; return 1; end`,
              `create procedure writes_in_call() begin ${off}; ${write}; ${on}; end`,
              `create function hides() returns int modifies sql data begin ${write};
                 set session session_track_state_change = 0; set session session_track_schema = 0; return 1; end`,
              `create view writing_view as select writes_between() as a`,
            ]
          : [`create view writing_view as select writes_plainly() as a`]),
      ]) {
        await harness.raw(text);
      }
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });
    const count = async () => Number((await harness.raw('select count(*) n from written'))[0]?.['n']);

    it.each([
      'do release_all_locks()',
      'select release_all_locks()',
      'select frees()',
      'call frees_by_call()',
      'insert into touched values (1)',
      'set @a = release_all_locks()',
      'select get_lock("mine", 0), release_all_locks(), get_lock("mine", 0)',
      'select release_lock(LOCK)',
    ])('%s: whoever looks finds no proof that the branch will not undo (field R11)', async (text) => {
      for (const end of ['one phase', 'prepare', 'last'] as const) {
        const key = await givenRow(harness, manager);
        const row = freshRow();
        const branch = await manager.open(row, { ...OPTIONS, opening: row.opening });
        await branch.execute(harness.sql.add(key, 1n));
        await branch.execute(sql(text.replace('LOCK', `'concordat:${row.opening}'`)));
        await using other = await harness.open();
        const proof = await other.probe(row, rowEvidence(row.opening)).catch(() => 'unproven');
        const result =
          end === 'one phase'
            ? await endInOnePhase(branch)
            : end === 'prepare'
              ? await branch.prepare()
              : (await branch.executeAndPrepare(harness.sql.add(key, 1n))).vote;
        expect(result).toMatchObject(
          end === 'one phase'
            ? { kind: 'done-otherwise', proof: expect.stringContaining('released the lock') }
            : {
                kind: 'rollback',
                reason: { code: 'STATEMENT_REFUSED', message: expect.stringContaining('released the lock') },
              },
        );
        expect([end, proof === 'committed', await harness.committed(key)]).toEqual([end, false, 100n]);
        expect(await isListed(manager, row)).toBe(false);
      }
    });

    it('locks of its own are taken and released by their names (field R11)', async () => {
      const key = await givenRow(harness, manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness.sql.add(key, 1n));
      await branch.execute(sql(`select get_lock('mine', 0), release_lock('mine')`));
      expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
      expect(await harness.committed(key)).toBe(101n);
    });

    it.each([
      ['select writes_plainly()', undefined],
      ['select limits()', undefined],
      ['select * from writing_view', undefined],
      ['do writes_plainly()', undefined],
      ['set @a = writes_plainly()', undefined],
      ['select writes_unseen()', 'mysql'],
      ['select writes_between()', 'mysql'],
      ['select looks_then_writes()', 'mysql'],
      ['call writes_in_call()', 'mysql'],
      ['select hides()', 'mysql'],
      ['update touched set n = n where writes_between() = 0', 'mysql'],
    ] as const)('%s is a write, whatever it does to the reports (field R15)', async (text, only) => {
      if (only === 'mysql' && !isMysql()) {
        return;
      }
      for (const before of [[], ['select count(*) from touched'], [text]]) {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        const start = await count();
        for (const each of [...before, text]) {
          await branch.execute(sql(each));
        }
        const evidence = expectPrepared(await branch.prepare());
        expect(await count()).toBe(start);
        expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
        expect(await count()).toBe(start);
      }
    });

    it.each([
      'select 1',
      'select * from written',
      'select count(*) from written a join written b',
      'do 0',
      'set @a = 1',
      'show tables',
    ])('%s alone is read-only', async (text) => {
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(sql(text));
      expect(await branch.prepare()).toEqual({ kind: 'read-only' });
    });

    it.each([
      [`select * from account where id = ? for update`, 'default'],
      [`select * from account where id = ? lock in share mode`, 'default'],
      [`select value from account where id = ?`, 'serializable'],
      [`delete from account where id = ? and value = -1`, 'default'],
    ] as const)('%s (%s) keeps its locks to the end of the transaction (field P13)', async (text, isolation) => {
      const key = await givenRow(harness, manager);
      const xid = freshXid();
      const branch = await manager.open(xid, { ...OPTIONS, isolation });
      await branch.execute({ sql: text, parameters: [{ kind: 'text', value: key }] });
      const evidence = expectPrepared(await branch.prepare());
      await using hand = await openHand(server());
      await hand.raw('set innodb_lock_wait_timeout = 1');
      const write = () =>
        hand.raw(`update account set value = 1 where id = '${key}'`).then(
          () => 'written',
          () => 'waits',
        );
      // MariaDB gives shared locks up at the prepare, below SERIALIZABLE (MDEV-26682).
      expect(await write()).toBe(harness.engine === 'mariadb' && text.includes('share') ? 'written' : 'waits');
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await write()).toBe('written');
      const single = await manager.open(freshXid(), { ...OPTIONS, isolation });
      await single.execute({ sql: text, parameters: [{ kind: 'text', value: freshKey() }] });
      expect(await endInOnePhase(single)).toEqual({ kind: 'done' });
    });
  });
}
