// Branches of MySQL and MariaDB (conformance M, faults F83): how they are opened, what may be done in them, and how they vote.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { branchLock } from '../../src/participants/mysql/sql/texts.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { NO_EVIDENCE, rowEvidence } from '../../src/xa/evidence.ts';
import { BQUAL_BYTES_MAX, EPOCH_MAX, formatGtrid, GTRID_BYTES_MAX, SEQUENCE_MAX } from '../../src/xa/xid.ts';
import { errno, isWaiting } from './mysql-by-hand.ts';
import { literal, type MysqlHarness, openHand, openMysqlHarness, rowLiteral } from './mysql-harness.ts';
import { freshIdentity, freshKey, freshRow, freshXid, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, engineError, expectPrepared, givenPrepared, givenRow, isListed, sql } = steps;

export function mysqlBranchCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    let harness: MysqlHarness;
    let manager: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      manager = await harness.open();
      if (harness.engine === 'mysql') {
        await harness.raw('set global log_bin_trust_function_creators = on');
      }
      await harness.raw('create table written (n int primary key auto_increment) engine=InnoDB');
      await harness.raw(
        'create function writes() returns int modifies sql data begin insert into written values (null); return 1; end',
      );
      await harness.raw('create procedure commits() begin commit; end');
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });
    const isMariadb = () => harness.engine === 'mariadb';

    it('a deadlock leaves the branch rollback-only; it votes rollback and its session serves the next branch (conformance M5, faults F83)', async () => {
      await using single = await harness.open({ poolMax: 1 });
      const [one, two] = [await givenRow(harness, manager), await givenRow(harness, manager)];
      await using hand = await openHand(server());
      await hand.raw(`start transaction; update account set value = value + 1 where id = '${two}'`);
      // The engine ends whoever wrote less.
      for (let i = 0; i < 20; i += 1) {
        await hand.raw(`insert into account values ('${freshKey()}', 1)`);
      }
      const branch = await single.open(freshXid(), OPTIONS);
      const before = (await branch.execute(sql('select connection_id()'))).rows;
      await branch.execute(harness.sql.add(one, 1n));
      const waiting = engineError(branch.execute(harness.sql.add(two, 1n)));
      await until('the branch waits', () => isWaiting(harness));
      await hand.raw(`update account set value = value + 1 where id = '${one}'`);
      expect((await waiting).reason).toMatchObject({ code: 'STATEMENT_FAILED', errno: 1213, retryable: true });
      expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { errno: 1213 } });
      const next = await single.open(freshXid(), OPTIONS);
      expect((await next.execute(sql('select connection_id()'))).rows).toEqual(before);
      await next.rollback();
      await hand.raw('rollback');
    });

    it('the longest Xid of ours is prepared, listed and committed; the engine takes 64 bytes and no more (conformance M15)', async () => {
      const gtrid = formatGtrid({ identity: freshIdentity(), epoch: EPOCH_MAX, sequence: SEQUENCE_MAX });
      const xid = freshXid(gtrid, `${'a'.repeat(30)}.9999`);
      expect(gtrid.length).toBeLessThanOrEqual(GTRID_BYTES_MAX);
      expect(xid.bqual).toHaveLength(BQUAL_BYTES_MAX);
      const { evidence, key } = await givenPrepared(harness, manager, xid);
      expect(await isListed(manager, xid)).toBe(true);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness.committed(key)).toBe(90n);
      expect(await errno(harness.raw(`xa start ${literal({ gtrid: 'g'.repeat(65), bqual: 'b' })}`))).toBe(1064);
    });

    it.each(['first', 'second'] as const)(
      'DDL as the %s statement of a branch is refused by the engine and does nothing (conformance M16)',
      async (place) => {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        if (place === 'second') {
          await branch.execute(harness.sql.put(freshKey(), 1n));
        }
        const error = await engineError(branch.execute(sql('create table created (n int)')));
        expect(error.reason).toMatchObject({ code: 'STATEMENT_FAILED', errno: 1399 });
        expect((await branch.prepare()).kind).toBe('rollback');
        expect(await harness.raw(`show tables like 'created'`)).toEqual([]);
      },
    );

    it('a procedure cannot commit the branch (conformance M16)', async () => {
      const key = await givenRow(harness, manager);
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(harness.sql.add(key, 1n));
      expect((await engineError(branch.execute(sql('call commits()')))).reason.errno).toBe(1399);
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(await harness.committed(key)).toBe(100n);
    });

    it.each([
      ['a row', 'insert into account (id, value) values (?, 1)'],
      ['a table', 'create table if not exists created (id varchar(40) default (?))'],
    ])('%s that leaves with an XA START that is refused does not stay (conformance A11)', async (what, text) => {
      const xid = freshRow();
      const key = freshKey();
      await using hand = await openHand(server());
      await hand.raw(`xa start ${rowLiteral(xid)}`);
      const branch = await manager.open(xid, { ...OPTIONS, opening: xid.opening });
      const work =
        what === 'a row'
          ? { sql: text, parameters: [{ kind: 'text', value: key } as const] }
          : sql(text.replace(' default (?)', ''));
      expect((await engineError(branch.execute(work))).reason).toMatchObject({ code: 'BRANCH_EXISTS', errno: 1440 });
      expect((await branch.prepare()).kind).toBe('rollback');
      await hand.raw(`xa end ${rowLiteral(xid)}; xa rollback ${rowLiteral(xid)}`);
      await harness.raw(`insert into account values ('${key}', 2)`);
      expect(await harness.committed(key)).toBe(2n);
      expect(await harness.raw(`show tables like 'created'`)).toEqual([]);
    });

    it('a Xid that is open here is not opened again, and the first branch does not notice (conformance A11)', async () => {
      const key = await givenRow(harness, manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness.sql.add(key, 1n));
      expect((await engineError(manager.open(xid, OPTIONS))).reason.code).toBe('BRANCH_EXISTS');
      expect(await manager.probe(xid, NO_EVIDENCE)).toBe('active');
      expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
    });

    it.each(['at work', 'prepared'] as const)(
      'a branch whose session lives, %s, is opened by no other, and its fence is exact (conformance A11, field R2)',
      async (state) => {
        await using other = await harness.open({ lockTimeoutMs: 1_000 });
        const key = await givenRow(harness, manager);
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        await branch.execute(harness.sql.add(key, 1n));
        const vote = state === 'prepared' ? await branch.prepare() : undefined;
        if (!isMariadb() && state === 'prepared') {
          // Its session is made as new behind the prepare, and until then still counts as the branch's.
          const isFree = `select is_free_lock(${branchLock(xid)}) n`;
          await until(
            'the lock of the branch is free',
            async () => Number((await harness.raw(isFree))[0]?.['n']) === 1,
          );
        }
        const again = await other.open(xid, OPTIONS);
        if (isMariadb() || state === 'at work') {
          const refused = await engineError(again.executeAndPrepare(harness.sql.put(freshKey(), 1n)));
          expect(refused.reason).toMatchObject({ code: 'BRANCH_EXISTS', message: expect.stringContaining('another') });
        } else {
          // MySQL lets go of the session that prepared it: what is left is its row, which no other opening can write.
          const { vote: no } = await again.executeAndPrepare(harness.sql.put(freshKey(), 1n));
          expect(no).toMatchObject({ kind: 'rollback', reason: { errno: 1205 } });
        }
        // Of another opening: the session of this one is left alone.
        await other.fence(xid, rowEvidence(freshRow().opening));
        expect(await other.rollback(xid, rowEvidence(freshRow().opening))).toEqual({ kind: 'done' });
        const evidence = expectPrepared(vote ?? (await branch.prepare()));
        expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness.committed(key)).toBe(101n);
      },
    );

    it.each(['first', 'second'] as const)(
      'a last statement that fails as the %s leaves nothing prepared behind it, not even for a moment',
      async (place) => {
        const key = await givenRow(harness, manager);
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        if (place === 'second') {
          await branch.execute(harness.sql.add(key, 1n));
        }
        const error = await engineError(branch.executeAndPrepare(harness.sql.put(key, 1n)));
        expect(error.reason).toMatchObject({ code: 'STATEMENT_FAILED', errno: 1062 });
        expect(await isListed(manager, xid)).toBe(false);
        expect(await branch.prepare()).toEqual({ kind: 'rollback', reason: error.reason });
      },
    );

    it('a SELECT whose function writes is prepared, not read-only', async () => {
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(sql('select writes()'));
      const count = async () => (await harness.raw('select count(*) n from written'))[0]?.['n'];
      const before = await count();
      const evidence = expectPrepared(await branch.prepare());
      expect(await isListed(manager, xid)).toBe(true);
      expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
      expect(await count()).toBe(before);
    });

    it.each([
      'select value, count(*) from account group by value order by 2',
      'select 1 union select 2 union all select 3',
      'select * from (select 1 a union select 2) t order by a',
      'show tables',
    ])('%s votes read-only, although the engine sorts it in a table of its own', async (text) => {
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(sql(text));
      expect(await branch.prepare()).toEqual({ kind: 'read-only' });
      expect(await isListed(manager, xid)).toBe(false);
    });

    it('a last statement that changes no row, or answers with the rows it wrote, prepares what came before', async () => {
      const key = await givenRow(harness, manager);
      const texts = ['update account set value = 0 where id = ?'];
      if (isMariadb()) {
        texts.push('insert into account (id, value) values (?, 7) returning value');
      }
      for (const text of texts) {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        await branch.execute(harness.sql.add(key, 1n));
        const last = { sql: text, parameters: [{ kind: 'text', value: freshKey() } as const] };
        const { result, vote } = await branch.executeAndPrepare(last);
        expect(result.rows).toEqual(text.includes('returning') ? [[{ kind: 'int', value: 7n }]] : []);
        expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
      }
      expect(await harness.committed(key)).toBe(100n + BigInt(texts.length));
    });
  });
}
