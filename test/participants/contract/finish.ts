// The contract of phase two: every verb twice, unknown Xids, finished by hand, foreign branches, a crash, two lives at once.

import { describe, expect, it } from 'vitest';
import { NO_EVIDENCE } from '../../../src/xa/evidence.ts';
import { formatXid } from '../../../src/xa/xid.ts';
import { type ContractHarness, freshGtrid, freshIdentity, freshRow, freshXid, rowOfBranch } from './harness.ts';
import { engineError, expectPrepared, expectUnlocked, givenPrepared, givenRow, isListed, OPTIONS } from './steps.ts';

export function finishContract(harness: () => ContractHarness): void {
  describe('phase two', () => {
    it('commit is done, and done again', async () => {
      await using manager = await harness().open();
      const { xid, evidence, key } = await givenPrepared(harness(), manager);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(90n);
      expect(await isListed(manager, xid)).toBe(false);
    });

    it('rollback is done, and done again', async () => {
      await using manager = await harness().open();
      const { xid, evidence, key } = await givenPrepared(harness(), manager);
      expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
      expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
      expect(await manager.rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(100n);
      await expectUnlocked(harness(), manager, key);
    });

    it('a prepared branch is listed with its Xid, its age and evidence that serves to prove its end', async () => {
      await using manager = await harness().open();
      const { xid } = await givenPrepared(harness(), manager);
      const listed = (await manager.list()).find((b) => b.xid !== undefined && formatXid(b.xid) === formatXid(xid));
      expect(listed?.ageMs).toBeGreaterThanOrEqual(0);
      expect(listed?.raw).not.toBe('');
      await harness().finishByHand(xid, 'commit');
      expect(await manager.commit(xid, listed?.evidence ?? NO_EVIDENCE)).toEqual({ kind: 'done' });
    });

    it('commit of a branch that was committed by hand is done by evidence (conformance D3 D8)', async () => {
      await using manager = await harness().open();
      const { xid, evidence, key } = await givenPrepared(harness(), manager);
      await harness().finishByHand(xid, 'commit');
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(90n);
    });

    it('commit of a branch that was rolled back by hand is done otherwise, with proof (conformance D10)', async () => {
      await using manager = await harness().open();
      const { xid, evidence } = await givenPrepared(harness(), manager);
      await harness().finishByHand(xid, 'rollback');
      const result = await manager.commit(xid, evidence);
      expect(result.kind).toBe('done-otherwise');
      expect(result).toHaveProperty('proof', expect.stringMatching(/./));
      expect((await manager.commit(xid, evidence)).kind).toBe('done-otherwise');
    });

    it('rollback of a branch that was committed by hand is done otherwise, with proof', async () => {
      await using manager = await harness().open();
      const { xid, evidence } = await givenPrepared(harness(), manager);
      await harness().finishByHand(xid, 'commit');
      expect((await manager.rollback(xid, evidence)).kind).toBe('done-otherwise');
    });

    it('commit of an unknown Xid without evidence is unproven, never done (conformance M4)', async () => {
      await using manager = await harness().open();
      expect((await manager.commit(freshXid(), NO_EVIDENCE)).kind).toBe('unproven');
    });

    it('rollback of an unknown Xid is done: the engine holds nothing', async () => {
      await using manager = await harness().open();
      expect(await manager.rollback(freshXid(), NO_EVIDENCE)).toEqual({ kind: 'done' });
    });

    it('probe tells active, prepared, committed, rolled back and unproven apart, and harms nothing', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      expect(await manager.probe(xid, NO_EVIDENCE)).toBe('active');
      const evidence = expectPrepared(await branch.prepare());
      expect(await manager.probe(xid, evidence)).toBe('prepared');
      await manager.commit(xid, evidence);
      expect(await manager.probe(xid, evidence)).toBe('committed');
      const other = await givenPrepared(harness(), manager);
      await manager.rollback(other.xid, other.evidence);
      expect(await manager.probe(other.xid, other.evidence)).toBe('rolled-back');
      expect(await manager.probe(freshXid(), NO_EVIDENCE)).toBe('unproven');
    });

    it('another life of the participant finishes what the first one prepared (faults F66)', async () => {
      const first = await harness().open();
      const committed = await givenPrepared(harness(), first);
      const rolledBack = await givenPrepared(harness(), first);
      await first[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      await using second = await harness().open();
      expect(await second.commit(committed.xid, committed.evidence)).toEqual({ kind: 'done' });
      expect(await second.rollback(rolledBack.xid, rolledBack.evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(committed.key)).toBe(90n);
      expect(await harness().committed(rolledBack.key)).toBe(100n);
    });

    it('closing the adapter rolls back what it had not prepared', async () => {
      const first = await harness().open();
      const key = await givenRow(harness(), first);
      const branch = await first.open(freshXid(), OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      await first[Symbol.asyncDispose]();
      await using second = await harness().open();
      await expectUnlocked(harness(), second, key);
      expect(await harness().committed(key)).toBe(100n);
    });

    it('two lives that commit one branch at once both learn that it is done (faults F68, conformance G8)', async () => {
      await using one = await harness().open();
      await using two = await harness().open();
      for (let round = 0; round < 10; round += 1) {
        const { xid, evidence, key } = await givenPrepared(harness(), one);
        const results = await Promise.all([one.commit(xid, evidence), two.commit(xid, evidence)]);
        for (const result of results) {
          expect(['done', 'not-yet']).toContain(result.kind);
        }
        expect(await two.commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(90n);
      }
    });

    it('branches of others, and ids that almost match our grammar, are shown and never touched (faults B49 F84, conformance H9)', async () => {
      await using manager = await harness().open();
      const { xid, evidence } = await givenPrepared(harness(), manager);
      const before = (await manager.list()).filter((branch) => branch.xid === undefined).length;
      const foreign = await harness().prepareForeign();
      const listed = await manager.list();
      const strangers = listed.filter((branch) => branch.xid === undefined);
      expect(foreign).toBeGreaterThanOrEqual(3);
      expect(strangers.length - before).toBe(foreign);
      for (const stranger of strangers) {
        expect(stranger.raw).toMatch(/^[\x20-\x7e]*$/);
      }
      expect(await manager.rollback(xid, evidence)).toEqual({ kind: 'done' });
      await manager.rollback(freshXid(), NO_EVIDENCE);
      await harness().dropForeign();
    });

    it('the epoch of a log only rises, apart for each log, and survives the adapter', async () => {
      const [identity, other] = [freshIdentity(), freshIdentity()];
      await using first = await harness().open();
      expect(await first.raiseEpoch(identity, 1, 'one')).toEqual({ epoch: 1, token: 'one' });
      expect(await first.raiseEpoch(identity, 1, 'one')).toEqual({ epoch: 1, token: 'one' });
      expect(await first.raiseEpoch(identity, 5, 'five')).toEqual({ epoch: 5, token: 'five' });
      expect(await first.raiseEpoch(other, 2, 'two')).toEqual({ epoch: 2, token: 'two' });
      await using second = await harness().open();
      expect(await second.raiseEpoch(identity, 3, 'three')).toEqual({ epoch: 5, token: 'five' });
      const known = await second.knownLogs();
      expect(known).toContainEqual({ identity, epoch: 5, token: 'five' });
      expect(known).toContainEqual({ identity: other, epoch: 2, token: 'two' });
    });

    it('of two copies of a log in one epoch only the first is recorded (field R5)', async () => {
      const identity = freshIdentity();
      await using one = await harness().open();
      await using two = await harness().open();
      const answers = await Promise.all([one.raiseEpoch(identity, 3, 'mine'), two.raiseEpoch(identity, 3, 'copy')]);
      expect(answers[0]).toEqual(answers[1]);
      expect(await two.raiseEpoch(identity, 3, 'later')).toEqual(answers[0]);
    });

    it('an epoch that leaps far above the known one is not recorded, also at first sight (security X8)', async () => {
      const [identity, other] = [freshIdentity(), freshIdentity()];
      await using manager = await harness().open();
      expect(await manager.raiseEpoch(other, 36 ** 7 - 1, 'rogue')).toEqual({ epoch: 0, token: '' });
      await manager.raiseEpoch(identity, 2, 'two');
      expect(await manager.raiseEpoch(identity, 10_003, 'rogue')).toEqual({ epoch: 2, token: 'two' });
      expect(await manager.raiseEpoch(identity, 36 ** 7 - 1, 'rogue')).toEqual({ epoch: 2, token: 'two' });
      expect(await manager.raiseEpoch(identity, 10_002, 'far')).toEqual({ epoch: 10_002, token: 'far' });
    });

    it('two lives that raise the epoch at once agree on the highest', async () => {
      const identity = freshIdentity();
      await using one = await harness().open();
      await using two = await harness().open();
      const answers = await Promise.all(
        [3, 9, 4, 7].map((epoch, i) => (i % 2 === 0 ? one : two).raiseEpoch(identity, epoch, `t${epoch}`)),
      );
      expect(answers).toContainEqual({ epoch: 9, token: 't9' });
      expect(await one.raiseEpoch(identity, 1, 't1')).toEqual({ epoch: 9, token: 't9' });
    });

    it('evidence rows are of branches that are not prepared, and go when they are forgotten', async () => {
      await using manager = await harness().open();
      const identity = freshIdentity();
      const prepared = await givenPrepared(harness(), manager, freshXid(freshGtrid(identity)));
      expect(await manager.markers(identity)).toEqual([]);
      await manager.commit(prepared.xid, prepared.evidence);
      const row = rowOfBranch(prepared);
      expect(await manager.markers(identity)).toEqual([row]);
      await manager.forget([freshRow(prepared.xid)]);
      expect(await manager.commit(prepared.xid, prepared.evidence)).toEqual({ kind: 'done' });
      await manager.forget([row]);
      await manager.forget([row]);
      expect(await manager.markers(identity)).toEqual([]);
    });

    it('the engine says who it is, the same to every life, and preflight finds nothing fatal', async () => {
      await using one = await harness().open();
      await using two = await harness().open();
      const identity = await one.identify();
      expect(identity.engine).toBe(harness().engine);
      expect(identity.version).toMatch(/\d/);
      expect(await two.identify()).toEqual(identity);
      expect((await one.preflight()).filter((finding) => finding.fatal)).toEqual([]);
      await one.createTables();
      await one.createTables();
    });

    it('fencing a branch that has no session is harmless', async () => {
      await using manager = await harness().open();
      const { xid, evidence } = await givenPrepared(harness(), manager);
      await manager.fence(freshXid(), NO_EVIDENCE);
      await manager.fence(xid, NO_EVIDENCE);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('a fence ends the session that an earlier life left open, so that it can never prepare', async (context) => {
      context.skip(!harness().can.fenceOtherLives);
      await using earlier = await harness().open();
      await using later = await harness().open();
      const key = await givenRow(harness(), earlier);
      const xid = freshXid();
      const branch = await earlier.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      await later.fence(xid, NO_EVIDENCE);
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(await isListed(later, xid)).toBe(false);
      await expectUnlocked(harness(), later, key);
    });

    it('a finished branch takes no more statements', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      const evidence = expectPrepared(await branch.prepare());
      expect((await engineError(branch.execute(harness().sql.get(key)))).reason.code).toBe('BRANCH_STATE');
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    });
  });
}
