// What a session of MySQL or MariaDB carries from branch to branch, and what it costs: leaks, commands, round trips, statements.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { BranchSession, ResourceManager, SqlValue } from '../../src/participants/resource-manager.ts';
import { openCommandTap } from './command-tap.ts';
import { type MysqlHarness, openHand, openMysqlHarness } from './mysql-harness.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, engineError, expectPrepared, givenPrepared, givenRow, isListed, sql } = steps;

const QUERY = 0x03;
const PREPARE = 0x16;
const EXECUTE = 0x17;
const RESET = 0x1f;

export function mysqlSessionCases(name: string, server: () => EngineServer): void {
  describe(`sessions of ${name}`, () => {
    let harness: MysqlHarness;
    let single: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      single = await harness.open({ poolMax: 1 });
      await harness.raw(
        'create table if not exists counted (n int primary key auto_increment, v int) engine=InnoDB; ' +
          'create procedure two_answers() begin select 1 as first_answer; select 2 as second_answer; end',
      );
    });
    afterAll(async () => {
      await single?.[Symbol.asyncDispose]();
    });

    const value = async (branch: BranchSession, text: string): Promise<SqlValue | undefined> =>
      (await branch.execute(sql(text))).rows[0]?.[0];
    /** Runs a branch of these statements and commits it in one phase. */
    const work = async (...texts: readonly string[]) => {
      const branch = await single.open(freshXid(), OPTIONS);
      for (const text of texts) {
        await branch.execute(sql(text));
      }
      expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
    };
    const read = async (text: string): Promise<SqlValue | undefined> => {
      const branch = await single.open(freshXid(), OPTIONS);
      const answer = await value(branch, text);
      await branch.rollback();
      return answer;
    };

    it('fact 4: a session is reset behind its branch and never while it holds one, prepared or not', async () => {
      await using tap = await openCommandTap(server().port);
      await using manager = await harness.open({ port: tap.port, poolMax: 2 });
      const committed = await givenPrepared(harness, manager);
      await manager.commit(committed.xid, committed.evidence);
      const rolledBack = await givenPrepared(harness, manager);
      await manager.rollback(rolledBack.xid, rolledBack.evidence);
      const failed = await manager.open(freshXid(), OPTIONS);
      await engineError(failed.execute(harness.sql.failing));
      await failed.prepare();
      const reset = await manager.open(freshXid(), OPTIONS);
      await reset.execute(sql('set @a = 1'));
      await reset.prepare();
      await manager.list();
      expect(tap.commands.length).toBeGreaterThan(10);
      // 0x11 is COM_CHANGE_USER; of the others only what is known to be harmless.
      expect([...new Set(tap.commands)].sort((a, b) => a - b)).toEqual([QUERY, PREPARE, EXECUTE, RESET]);
      // MariaDB would have lost it by a reset.
      await using pinned = await openCommandTap(server().port);
      await using holder = await harness.open({ port: pinned.port, poolMax: 1 });
      const held = await givenPrepared(harness, holder);
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (harness.engine === 'mariadb') {
        expect(pinned.commands.lastIndexOf(RESET)).toBeLessThan(pinned.commands.lastIndexOf(EXECUTE));
      }
      expect(await holder.commit(held.xid, held.evidence)).toEqual({ kind: 'done' });
      expect(await harness.committed(held.key)).toBe(90n);
    });

    it('a branch costs three round trips, and two if its last statement says so', async () => {
      await using tap = await openCommandTap(server().port);
      await using manager = await harness.open({ port: tap.port, poolMax: 2 });
      const key = await givenRow(harness, manager);
      const interactive = async () => {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        await branch.execute(harness.sql.add(key, 1n));
        expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
      };
      const last = async () => {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        const { vote } = await branch.executeAndPrepare(harness.sql.add(key, 1n));
        expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
      };
      // What makes the session as new travels behind the branch, and no answer waits for it.
      const settled = () => new Promise((resolve) => setTimeout(resolve, 100));
      await interactive();
      await settled();
      tap.reset();
      await interactive();
      await settled();
      const behind = [RESET, QUERY, PREPARE];
      const count = (commands: readonly number[]) => [...commands].sort((a, b) => a - b);
      expect(tap.roundTrips).toBeLessThanOrEqual(4);
      expect(count(tap.commands)).toEqual(count([QUERY, EXECUTE, QUERY, QUERY, ...behind]));
      tap.reset();
      await last();
      await settled();
      expect(tap.roundTrips).toBeLessThanOrEqual(3);
      expect(count(tap.commands)).toEqual(count([QUERY, EXECUTE, QUERY, QUERY, ...behind]));
    });

    it('a session that changed nothing of itself serves the next branch', async () => {
      const id = await read('select connection_id()');
      await work('insert into counted (v) values (1)', 'select * from counted');
      expect(await read('select connection_id()')).toEqual(id);
    });

    it('evidence goes into its own database, wherever the branch went', async () => {
      const xid = freshXid();
      const branch = await single.open(xid, OPTIONS);
      await branch.execute(sql('insert into counted (v) values (1)'));
      await branch.execute(sql('use mysql'));
      const evidence = expectPrepared(await branch.prepare());
      expect(await single.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await single.commit(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('an isolation level holds for its branch alone', async () => {
      const key = await givenRow(harness, single);
      const readTwice = async (isolation: 'read-uncommitted' | 'read-committed' | 'repeatable-read') => {
        const branch = await single.open(freshXid(), { ...OPTIONS, isolation });
        const first = (await branch.execute(harness.sql.get(key))).rows[0]?.[0];
        await using hand = await openHand(server());
        await hand.raw(`start transaction; update account set value = value + 1 where id = '${key}'`);
        const dirty = (await branch.execute(harness.sql.get(key))).rows[0]?.[0];
        await hand.raw('commit');
        const second = (await branch.execute(harness.sql.get(key))).rows[0]?.[0];
        await branch.rollback();
        return [first, dirty, second].map((cell) => (cell?.kind === 'int' ? cell.value : undefined));
      };
      expect(await readTwice('read-uncommitted')).toEqual([100n, 101n, 101n]);
      expect(await readTwice('repeatable-read')).toEqual([101n, 101n, 101n]);
      expect(await readTwice('read-committed')).toEqual([102n, 102n, 103n]);
      expect(await readTwice('repeatable-read')).toEqual([103n, 103n, 103n]);
    });

    it('a savepoint, which MySQL cannot prepare as a statement, works; what follows it in one text does not', async () => {
      const key = await givenRow(harness, single);
      const xid = freshXid();
      const branch = await single.open(xid, OPTIONS);
      await branch.execute(harness.sql.add(key, 1n));
      await branch.execute(sql('savepoint here'));
      await branch.execute(harness.sql.add(key, 10n));
      await branch.execute(sql('rollback to savepoint here'));
      expect(await single.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
      expect(await harness.committed(key)).toBe(101n);
      const other = await single.open(freshXid(), OPTIONS);
      await other.execute(harness.sql.add(key, 1n));
      const error = await engineError(other.execute(sql(`savepoint here; update account set value = 0`)));
      expect(error.reason.errno === 1064 || error.reason.code === 'STATEMENT_REFUSED').toBe(true);
      await other.rollback();
      expect(await harness.committed(key)).toBe(101n);
    });

    it('a procedure that answers twice answers with the first, and the branch goes on', async () => {
      const branch = await single.open(freshXid(), OPTIONS);
      const { columns, rows } = await branch.execute(sql('call two_answers()'));
      expect(columns.map((column) => column.name)).toEqual(['first_answer']);
      expect(rows).toEqual([[{ kind: 'int', value: 1n }]]);
      expect(await value(branch, 'select 3')).toEqual({ kind: 'int', value: 3n });
      await branch.rollback();
    });

    it('an id that the engine made is told', async () => {
      const branch = await single.open(freshXid(), OPTIONS);
      const first = await branch.execute(sql('insert into counted (v) values (7)'));
      const second = await branch.execute(sql('insert into counted (v) values (7)'));
      expect(second.insertId).toBe(first.insertId + 1n);
      await branch.rollback();
    });

    it('a file of this machine is never sent to the server', async () => {
      const branch = await single.open(freshXid(), OPTIONS);
      const error = await engineError(
        branch.execute(sql(`load data local infile '/etc/hostname' into table counted (v)`)),
      );
      expect(error.reason.code).toBe('STATEMENT_FAILED');
      await branch.rollback();
    });

    it.each([
      ['too few', [], 'FIELD_INVALID'],
      ['too many', [1n, 2n], 'FIELD_INVALID'],
      ['too large', [2n ** 64n], 'FIELD_INVALID'],
    ] as const)('parameters that are %s are refused before the server sees them', async (_what, values, code) => {
      const branch = await single.open(freshXid(), OPTIONS);
      const parameters = values.map((int) => ({ kind: 'int', value: int }) as const);
      expect((await engineError(branch.execute({ sql: 'select ?', parameters }))).reason.code).toBe(code);
      expect((await branch.prepare()).kind).toBe('rollback');
    });

    it('a value is never part of the text', async () => {
      const key = await givenRow(harness, single);
      const xid = freshXid();
      const branch = await single.open(xid, OPTIONS);
      const evil = `'; update account set value = 0; -- \\' \\`;
      const { rows } = await branch.execute({
        sql: 'select concat(?), count(*) from account where id = ?',
        parameters: [
          { kind: 'text', value: evil },
          { kind: 'text', value: `${key}' or '1' = '1` },
        ],
      });
      expect(rows).toEqual([
        [
          { kind: 'text', value: evil },
          { kind: 'int', value: 0n },
        ],
      ]);
      await branch.rollback();
      expect(await isListed(single, xid)).toBe(false);
    });

    it('a session prepares a text once and keeps at most a hundred', async () => {
      await using manager = await harness.open({ poolMax: 1 });
      const count = async () => {
        const rows = await harness.raw(`show global status like 'Prepared_stmt_count'`);
        return Number(rows[0]?.['Value']);
      };
      const before = await count();
      const branch = await manager.open(freshXid(), OPTIONS);
      for (let i = 0; i < 150; i += 1) {
        expect(await value(branch, `select ${i}`)).toEqual({ kind: 'int', value: BigInt(i) });
        await branch.execute(sql(`select ${i}`));
      }
      expect((await count()) - before).toBeLessThanOrEqual(101);
      expect((await count()) - before).toBeGreaterThan(50);
      await branch.rollback();
    });

    it('a statement that a table change made stale answers with the new columns', async () => {
      const table = freshKey();
      await harness.raw(`create table ${table} (a int) engine=InnoDB; insert into ${table} values (1)`);
      const columns = async () => {
        const branch = await single.open(freshXid(), OPTIONS);
        const result = await branch.execute(sql(`select * from ${table}`));
        await branch.rollback();
        return result.columns.map((column) => column.name);
      };
      expect(await columns()).toEqual(['a']);
      await harness.raw(`alter table ${table} add column b int`);
      expect(await columns()).toEqual(['a', 'b']);
    });
  });
}
