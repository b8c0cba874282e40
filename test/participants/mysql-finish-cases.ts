// The second phase at MySQL and MariaDB (conformance M, faults F80): what makes a branch done, and what keeps its answer open.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { endText, markerText, prepareText, startTexts } from '../../src/participants/mysql/sql/texts.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { NO_EVIDENCE, rowEvidence } from '../../src/xa/evidence.ts';
import { errno, isWaiting } from './mysql-by-hand.ts';
import { type MysqlHarness, openHand, openMysqlHarness, rowLiteral } from './mysql-harness.ts';
import { freshRow, freshXid, rowOfBranch, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, engineError, expectUnlocked, givenPrepared, givenRow, isListed } = steps;

export function mysqlFinishCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    let harness: MysqlHarness;
    let manager: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      manager = await harness.open();
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });
    const isMariadb = () => harness.engine === 'mariadb';

    /** Runs `work` with branches that stay bound to their session, as they always do on MariaDB. */
    const whilePinned = async (work: () => Promise<void>) => {
      if (!isMariadb()) {
        await harness.raw('set global xa_detach_on_prepare = off');
      }
      try {
        await work();
      } finally {
        if (!isMariadb()) {
          await harness.raw('set global xa_detach_on_prepare = on');
        }
      }
    };

    it('a commit answered XAER_NOTA while the branch is listed is not success: its session is ended and it is repeated (conformance M1 D9)', async () => {
      await whilePinned(async () => {
        await using owner = await harness.open();
        const { xid, evidence, key } = await givenPrepared(harness, owner);
        expect(await errno(harness.raw(`xa commit ${rowLiteral(rowOfBranch({ xid, evidence }))}`))).toBe(1397);
        expect(await isListed(manager, xid)).toBe(true);
        expect(await harness.committed(key)).toBe(100n);
        expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness.committed(key)).toBe(90n);
        expect(await isListed(manager, xid)).toBe(false);
        expect(await owner.commit(xid, evidence)).toEqual({ kind: 'done' });
      });
    });

    it('a session that may not be ended keeps its branch, the commit is not done yet, and the reason has the fix (conformance M1, field P6)', async () => {
      await harness.raw(
        `create user if not exists 'weak'@'127.0.0.1'; grant select, insert, update, delete on concordat.* to 'weak'@'127.0.0.1'` +
          (isMariadb() ? '' : `; grant xa_recover_admin on *.* to 'weak'@'127.0.0.1'`),
      );
      await whilePinned(async () => {
        const { xid, evidence, key } = await givenPrepared(harness, manager);
        await using weak = harness.openWith({ url: server().url.replace(/\/\/[^@]*@/, '//weak@') });
        const result = await weak.commit(xid, evidence);
        const reason = {
          errno: 1095,
          message: expect.stringMatching(/another account holds .* GRANT CONNECTION ADMIN ON/),
        };
        expect(result).toMatchObject({ kind: 'not-yet', reason });
        expect(await weak.rollback(xid, evidence)).toMatchObject({ kind: 'not-yet', reason });
        expect((await engineError(weak.fence(xid, evidence))).reason).toMatchObject(reason);
        expect(await isListed(manager, xid)).toBe(true);
        expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness.committed(key)).toBe(90n);
      });
    });

    it('what another account has prepared and left hanging is finished once the server has given its session up (field P6)', async () => {
      const key = await givenRow(harness, manager);
      const row = freshRow();
      await using weak = harness.openWith({ url: server().url.replace(/\/\/[^@]*@/, '//weak@') });
      await whilePinned(async () => {
        await using hanging = await openHand(server());
        const work = `update account set value = 1 where id = '${key}'`;
        const texts = [...startTexts(row, OPTIONS), work, markerText('concordat', row), endText(row), prepareText(row)];
        await hanging.raw(['set session wait_timeout = 1', ...texts].join(';'));
        const results: string[] = [];
        await until('it is finished', async () => {
          const { kind } = await weak.commit(row, rowEvidence(row.opening));
          results.push(kind);
          return kind === 'done';
        });
        expect(results[0]).toBe('not-yet');
        expect(await harness.committed(key)).toBe(1n);
      });
    });

    it('a session that ends between XA END and XA PREPARE leaves nothing, and rollback says done (faults F80)', async () => {
      const key = await givenRow(harness, manager);
      const xid = freshRow();
      const hand = await openHand(server());
      const name = rowLiteral(xid);
      await hand.raw(`xa start ${name}; update account set value = 0 where id = '${key}'; xa end ${name}`);
      await hand[Symbol.asyncDispose]();
      await until('the engine has noticed', async () =>
        (await harness.raw(`show processlist`)).every((row) => row['Id'] !== String(hand.id)),
      );
      expect(await manager.rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      expect(await isListed(manager, xid)).toBe(false);
      await expectUnlocked(harness, manager, key);
    });

    it('a prepare that is still under way when its client dies is fenced before rollback says done', async () => {
      const key = await givenRow(harness, manager);
      await using hand = await openHand(server());
      await hand.raw(`start transaction; update account set value = value + 1 where id = '${key}'`);
      const dying = await harness.open();
      const xid = freshXid();
      const branch = await dying.open(xid, OPTIONS);
      const last = engineError(branch.executeAndPrepare(harness.sql.add(key, 1n)));
      await until('the last statement waits', () => isWaiting(harness));
      await dying[Symbol.asyncDispose]();
      await last;
      expect(await manager.rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      await hand.raw('commit');
      await expectUnlocked(harness, manager, key);
      expect(await isListed(manager, xid)).toBe(false);
      expect(await harness.committed(key)).toBe(101n);
    });

    it('while some transaction holds the evidence row, its absence proves nothing', async () => {
      const row = freshRow();
      const evidence = rowEvidence(row.opening);
      await using hand = await openHand(server());
      const values = [row.gtrid, row.bqual, row.opening].map((part) => `'${part}'`).join(', ');
      await hand.raw(`start transaction; insert into concordat_branch (gtrid, bqual, opening) values (${values})`);
      expect((await manager.commit(row, evidence)).kind).toBe('not-yet');
      await hand.raw('commit');
      expect(await manager.commit(row, evidence)).toEqual({ kind: 'done' });
    });

    it('a global read lock makes commit not yet, and the branch stays', async () => {
      await using patient = harness.openWith({ lockTimeoutMs: 1_000, poolMax: 4 });
      const { xid, evidence, key } = await givenPrepared(harness, patient);
      await using hand = await openHand(server());
      await hand.raw('flush tables with read lock');
      expect((await patient.commit(xid, evidence)).kind).toBe('not-yet');
      await hand.raw('unlock tables');
      expect(await patient.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness.committed(key)).toBe(90n);
    });

    it('a server that does not answer makes commit unknown within the limit, and it is done afterwards', async () => {
      await using hasty = harness.openWith({ callTimeoutMs: 300, poolMax: 4 });
      const { xid, evidence, key } = await givenPrepared(harness, hasty);
      await server().kill('SIGSTOP');
      try {
        expect((await hasty.commit(xid, evidence)).kind).toBe('unknown');
      } finally {
        await server().kill('SIGCONT');
      }
      await until('it is done', async () => (await hasty.commit(xid, evidence)).kind === 'done');
      expect(await harness.committed(key)).toBe(90n);
    });
  });
}
