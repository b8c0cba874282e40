// The contract when something breaks: conflicts, lost sessions, lost messages, a killed server.

import { describe, expect, it } from 'vitest';
import { NO_EVIDENCE } from '../../../src/xa/evidence.ts';
import { type ContractHarness, freshXid, until } from './harness.ts';
import { openLossyProxy } from './lossy-proxy.ts';
import { endInOnePhase, engineError, expectUnlocked, givenPrepared, givenRow, isListed, OPTIONS } from './steps.ts';

/** A memory engine has no wire to cut; its own fault hooks are tested beside it. */
function wireOf(harness: ContractHarness): NonNullable<ContractHarness['wire']> {
  if (harness.wire === undefined) {
    throw new Error('unreachable: the test is skipped');
  }
  return harness.wire;
}

export function failureContract(harness: () => ContractHarness): void {
  describe('failures', () => {
    it('one of two branches in a deadlock votes rollback, retryable, and the other goes on', async () => {
      await using manager = await harness().open();
      const [one, two] = [await givenRow(harness(), manager), await givenRow(harness(), manager)];
      const branches = [
        { xid: freshXid(), first: one, second: two },
        { xid: freshXid(), first: two, second: one },
      ];
      const sessions = await Promise.all(branches.map(({ xid }) => manager.open(xid, OPTIONS)));
      await Promise.all(sessions.map((session, i) => session.execute(harness().sql.add(branches[i]?.first ?? '', 1n))));
      const settled = await Promise.allSettled(
        sessions.map(async (session, i) => {
          try {
            return await session.execute(harness().sql.add(branches[i]?.second ?? '', 1n));
          } catch (error) {
            // The loser's locks must go, or an engine that only rolls back a statement keeps the winner waiting.
            await session.rollback();
            throw error;
          }
        }),
      );
      const lost = settled.filter((result) => result.status === 'rejected');
      expect(lost).toHaveLength(1);
      expect((await engineError(Promise.reject(lost[0]?.reason))).reason).toMatchObject({
        code: 'STATEMENT_FAILED',
        retryable: true,
      });
      for (const [i, session] of sessions.entries()) {
        const vote = await session.prepare();
        expect(vote.kind).toBe(settled[i]?.status === 'rejected' ? 'rollback' : 'prepared');
        if (vote.kind === 'prepared') {
          expect(await manager.commit(branches[i]?.xid ?? freshXid(), vote.evidence)).toEqual({ kind: 'done' });
        }
      }
      expect([await harness().committed(one), await harness().committed(two)]).toEqual([101n, 101n]);
    }, 15_000);

    it('a session that is ended from outside is reported once and its branch votes rollback (conformance A2)', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      const lost: string[] = [];
      branch.onLost((reason) => void lost.push(reason.code));
      await branch.execute(harness().sql.add(key, 1n));
      await harness().endSessions();
      await until('the loss is reported', () => lost.length > 0);
      expect((await engineError(branch.execute(harness().sql.get(key)))).sessionLost).toBe(true);
      expect((await branch.prepare()).kind).toBe('rollback');
      await branch.rollback();
      expect(lost).toEqual(['ENGINE_UNAVAILABLE']);
      expect(await isListed(manager, xid)).toBe(false);
      await expectUnlocked(harness(), manager, key);
    });

    it('sessions that are ended while the adapter is idle do not disturb it', async () => {
      await using manager = await harness().open();
      const { xid, evidence } = await givenPrepared(harness(), manager);
      await harness().endSessions();
      await until('commit is done', async () => (await manager.commit(xid, evidence)).kind === 'done');
      await until('a branch can be opened', () =>
        givenRow(harness(), manager).then(
          () => true,
          () => false,
        ),
      );
    });

    it('waiting sessions of a prepared branch are counted', async (context) => {
      context.skip(!harness().can.tellBlocked);
      await using manager = await harness().open();
      const { xid, evidence, key } = await givenPrepared(harness(), manager);
      expect(await manager.blockedSessions(xid)).toBe(0);
      const waiter = await manager.open(freshXid(), OPTIONS);
      const waiting = waiter.execute(harness().sql.add(key, 1n));
      await until('the waiter is seen', async () => (await manager.blockedSessions(xid)) === 1);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      await waiting;
      expect(await manager.blockedSessions(xid)).toBe(0);
      await waiter.rollback();
    });

    it.for(['request', 'answer'] as const)(
      'a lost %s of prepare is a rollback vote, and a rollback leaves nothing',
      async (what, context) => {
        context.skip(harness().wire === undefined);
        const wire = wireOf(harness());
        await using direct = await harness().open();
        await using proxy = await openLossyProxy(wire.port);
        await using manager = await harness().open({ port: proxy.port });
        const key = await givenRow(harness(), manager);
        for (const verb of ['prepare', 'executeAndPrepare'] as const) {
          const xid = freshXid();
          const branch = await manager.open(xid, OPTIONS);
          await branch.execute(harness().sql.add(key, 1n));
          proxy.loseNext(wire.prepare, what);
          if (verb === 'prepare') {
            expect((await branch.prepare()).kind).toBe('rollback');
          } else {
            const vote = await branch.executeAndPrepare(harness().sql.add(key, 1n)).then(
              (answer) => answer.vote.kind,
              () => 'rollback',
            );
            expect(vote).toBe('rollback');
          }
          expect(proxy.lost).toBeGreaterThan(0);
          expect(await direct.rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
          expect(await isListed(direct, xid)).toBe(false);
          await expectUnlocked(harness(), direct, key);
        }
        expect(await harness().committed(key)).toBe(100n);
      },
    );

    it.for(['request', 'answer'] as const)(
      'a lost %s of commit is never taken for an end, and repeating it is done (faults F65, conformance D15)',
      async (what, context) => {
        context.skip(harness().wire === undefined);
        const wire = wireOf(harness());
        await using proxy = await openLossyProxy(wire.port);
        await using manager = await harness().open({ port: proxy.port });
        const { xid, evidence, key } = await givenPrepared(harness(), manager);
        proxy.loseNext(wire.commit, what);
        const first = await manager.commit(xid, evidence);
        expect(proxy.lost).toBe(1);
        expect(['unknown', 'done', 'not-yet']).toContain(first.kind);
        await until('commit is done', async () => (await manager.commit(xid, evidence)).kind === 'done');
        expect(await harness().committed(key)).toBe(90n);
      },
    );

    it.for(['request', 'answer'] as const)(
      'a lost %s of a one-phase commit is told from evidence or as unknown',
      async (what, context) => {
        context.skip(harness().wire === undefined);
        const wire = wireOf(harness());
        await using proxy = await openLossyProxy(wire.port);
        await using manager = await harness().open({ port: proxy.port });
        const key = await givenRow(harness(), manager);
        const branch = await manager.open(freshXid(), OPTIONS);
        await branch.execute(harness().sql.add(key, 1n));
        proxy.loseNext(wire.onePhase, what);
        const result = await endInOnePhase(branch);
        expect(proxy.lost).toBe(1);
        expect(['unknown', what === 'answer' ? 'done' : 'done-otherwise']).toContain(result.kind);
        await until('the row is free', () =>
          expectUnlocked(harness(), manager, key).then(
            () => true,
            () => false,
          ),
        );
        expect(await harness().committed(key)).toBe(what === 'answer' ? 101n : 100n);
      },
    );

    it('kill -9 of the server after prepare: the branch is still there and commits, the unprepared one is gone (faults F72 F81, conformance L10 M12)', async () => {
      await using manager = await harness().open();
      const committed = await givenPrepared(harness(), manager);
      const rolledBack = await givenPrepared(harness(), manager);
      const key = await givenRow(harness(), manager);
      const active = await manager.open(freshXid(), OPTIONS);
      await active.execute(harness().sql.add(key, 1n));
      await harness().kill();
      expect((await active.prepare()).kind).toBe('rollback');
      expect((await manager.commit(committed.xid, committed.evidence)).kind).toBe('unknown');
      expect((await manager.rollback(rolledBack.xid, rolledBack.evidence)).kind).toBe('unknown');
      expect(
        (await engineError(manager.open(freshXid(), OPTIONS).then((b) => b.execute(harness().sql.get(key))))).reason
          .code,
      ).toBe('ENGINE_UNAVAILABLE');
      await engineError(manager.list());
      await harness().start();
      expect(await isListed(manager, committed.xid)).toBe(true);
      expect(await manager.commit(committed.xid, committed.evidence)).toEqual({ kind: 'done' });
      expect(await manager.rollback(rolledBack.xid, rolledBack.evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(committed.key)).toBe(90n);
      expect(await harness().committed(rolledBack.key)).toBe(100n);
      expect(await harness().committed(key)).toBe(100n);
      await expectUnlocked(harness(), manager, key);
    }, 30_000);

    it('the end of a branch is still proven after the server was killed', async () => {
      await using manager = await harness().open();
      const committed = await givenPrepared(harness(), manager);
      const rolledBack = await givenPrepared(harness(), manager);
      await manager.commit(committed.xid, committed.evidence);
      await harness().finishByHand(rolledBack.xid, 'rollback');
      const identity = (await manager.identify()).identity;
      await harness().kill();
      await harness().start();
      expect(await manager.commit(committed.xid, committed.evidence)).toEqual({ kind: 'done' });
      // MariaDB acknowledges a rollback before it is durable: the branch may be prepared again, and then it simply commits.
      expect(['done-otherwise', 'done']).toContain((await manager.commit(rolledBack.xid, rolledBack.evidence)).kind);
      expect((await manager.identify()).identity).toBe(identity);
    }, 30_000);

    it('a vote that was prepared is never lost by a crash that follows at once', async () => {
      await using manager = await harness().open();
      const prepared = await Promise.all(Array.from({ length: 4 }, () => givenPrepared(harness(), manager)));
      await harness().kill();
      await harness().start();
      for (const { xid, evidence, key } of prepared) {
        expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(90n);
      }
    }, 30_000);
  });
}
