// The contract of openings: each opening of a branch name is work of its own, and has its own end, whatever becomes of the others.
import { describe, expect, it } from 'vitest';
import type { BranchSession, ResourceManager } from '../../../src/participants/resource-manager.ts';
import { NO_EVIDENCE, type Opening, openingEvidence, rowEvidence } from '../../../src/xa/evidence.ts';
import type { Evidence } from '../../../src/xa/vocabulary.ts';
import type { Xid } from '../../../src/xa/xid.ts';
import { type ContractHarness, freshGtrid, freshIdentity, freshRow, freshXid, rowOfBranch } from './harness.ts';
import {
  endInOnePhase,
  expectPrepared,
  expectUnlocked,
  givenPrepared,
  givenRow,
  isListed,
  OPTIONS,
  type Prepared,
} from './steps.ts';

export function openingsContract(harness: () => ContractHarness): void {
  /** The first opening is prepared, and its adapter has gone. */
  async function left(xid = freshXid()): Promise<Prepared> {
    const before = await harness().open();
    const first = await givenPrepared(harness(), before, xid);
    await before[Symbol.asyncDispose]();
    return first;
  }

  /** The same branch once more: at work on a row of its own. */
  async function again(
    manager: ResourceManager,
    xid: Xid,
  ): Promise<{
    readonly branch: BranchSession;
    readonly opening: Opening;
    readonly evidence: Evidence;
    readonly key: string;
  }> {
    const key = await givenRow(harness(), manager);
    const row = freshRow(xid);
    const branch = await manager.open(xid, { ...OPTIONS, opening: row.opening });
    await branch.execute(harness().sql.add(key, 1n));
    return { branch, opening: row.opening, evidence: openingEvidence(row.opening), key };
  }

  describe('openings', () => {
    it('a commit ends the opening that its evidence names, and one that comes after it is not prepared (field R13)', async () => {
      await using manager = await harness().open();
      await using other = await harness().open();
      const first = await left();
      const second = await again(manager, first.xid);
      for (const one of [other, manager]) {
        expect(await one.commit(first.xid, first.evidence)).toEqual({ kind: 'done' });
      }
      expect(await harness().committed(first.key)).toBe(90n);
      expect((await second.branch.prepare()).kind).toBe('rollback');
      expect(await harness().committed(second.key)).toBe(100n);
      await expectUnlocked(harness(), manager, second.key);
      const third = await again(manager, first.xid);
      expect((await endInOnePhase(third.branch)).kind).toBe('done-otherwise');
      expect(await harness().committed(third.key)).toBe(100n);
      expect(await manager.commit(first.xid, first.evidence)).toEqual({ kind: 'done' });
    });

    it('while one opening is prepared another votes no, and the first is as it was (field R13)', async () => {
      await using manager = await harness().open({ lockTimeoutMs: 1_000 });
      const first = await left();
      const second = await again(manager, first.xid);
      expect((await second.branch.prepare()).kind).toBe('rollback');
      expect(await manager.probe(first.xid, first.evidence)).toBe('prepared');
      expect(await manager.rollback(first.xid, second.evidence)).toEqual({ kind: 'done' });
      expect(await manager.commit(first.xid, first.evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(first.key)).toBe(90n);
      expect(await harness().committed(second.key)).toBe(100n);
    });

    it('a second opening that is prepared after the first is committed and forgotten is not committed for it (field R2)', async () => {
      await using manager = await harness().open();
      const identity = freshIdentity();
      const first = await left(freshXid(freshGtrid(identity)));
      const { xid } = first;
      expect(await manager.commit(xid, first.evidence)).toEqual({ kind: 'done' });
      await manager.forget([rowOfBranch(first)]);
      const second = await again(manager, xid);
      const late = expectPrepared(await second.branch.prepare());
      expect((await manager.commit(xid, first.evidence)).kind).toBe('done-otherwise');
      expect(await manager.probe(xid, late)).toBe('prepared');
      expect(await manager.rollback(xid, first.evidence)).toEqual({ kind: 'done' });
      expect(await manager.probe(xid, late)).toBe('prepared');
      expect(await manager.rollback(xid, late)).toEqual({ kind: 'done' });
      expect(await manager.probe(xid, late)).toBe('rolled-back');
      expect(await harness().committed(second.key)).toBe(100n);
      expect(await manager.markers(identity)).toEqual([]);
    });

    it('the row of one opening proves nothing of another (field R2)', async () => {
      await using manager = await harness().open();
      await using other = await harness().open();
      const first = await left();
      const second = await again(manager, first.xid);
      expect(await other.commit(first.xid, first.evidence)).toEqual({ kind: 'done' });
      const evidence = rowEvidence(second.opening);
      expect(await other.rollback(first.xid, evidence)).toEqual({ kind: 'done' });
      expect(await other.commit(first.xid, evidence)).toMatchObject({ kind: 'done-otherwise' });
      expect(await other.probe(first.xid, evidence)).toBe('rolled-back');
      expect(await other.probe(first.xid, first.evidence)).toBe('committed');
      expect(await harness().committed(second.key)).toBe(100n);
    });

    it('a rollback of one opening ends its session, wherever it is, and leaves the other prepared', async () => {
      await using manager = await harness().open();
      await using other = await harness().open();
      const first = await left();
      const second = await again(manager, first.xid);
      expect(await other.probe(first.xid, first.evidence)).toBe('prepared');
      expect(await other.rollback(first.xid, second.evidence)).toEqual({ kind: 'done' });
      expect((await second.branch.prepare()).kind).toBe('rollback');
      await expectUnlocked(harness(), other, second.key);
      expect(await other.probe(first.xid, first.evidence)).toBe('prepared');
      expect(await other.commit(first.xid, first.evidence)).toEqual({ kind: 'done' });
      expect(await other.rollback(first.xid, second.evidence)).toEqual({ kind: 'done' });
      expect((await other.rollback(first.xid, first.evidence)).kind).toBe('done-otherwise');
      expect(await harness().committed(first.key)).toBe(90n);
    });

    it('a rollback without evidence is of every opening, and tells of a row that is committed', async () => {
      await using manager = await harness().open();
      await using other = await harness().open();
      const first = await left();
      const second = await again(manager, first.xid);
      expect(await other.rollback(first.xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      expect(await isListed(manager, first.xid)).toBe(false);
      expect((await second.branch.prepare()).kind).toBe('rollback');
      await expectUnlocked(harness(), other, first.key);
      await expectUnlocked(harness(), other, second.key);
      const committed = await left();
      await manager.commit(committed.xid, committed.evidence);
      expect((await manager.rollback(committed.xid, NO_EVIDENCE)).kind).toBe('done-otherwise');
    });

    it('a second opening at work does not hold up the end of the first, and is not touched by it (field R14)', async () => {
      await using manager = await harness().open();
      const first = await left();
      const second = await again(manager, first.xid);
      expect(await manager.probe(first.xid, first.evidence)).toBe('prepared');
      expect(await manager.probe(first.xid, second.evidence)).toBe('active');
      expect(await manager.rollback(first.xid, first.evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(first.key)).toBe(100n);
      const late = expectPrepared(await second.branch.prepare());
      expect((await manager.commit(first.xid, first.evidence)).kind).toBe('done-otherwise');
      expect(await manager.rollback(first.xid, late)).toEqual({ kind: 'done' });
      expect(await harness().committed(second.key)).toBe(100n);
    });

    it('evidence that only tells an opening proves its commit by its row, and nothing by its absence', async () => {
      await using manager = await harness().open();
      const branch = await givenPrepared(harness(), manager);
      const row = rowOfBranch(branch);
      const weak = openingEvidence(row.opening);
      expect(await manager.probe(branch.xid, weak)).toBe('prepared');
      expect(await manager.commit(branch.xid, weak)).toEqual({ kind: 'done' });
      expect(await manager.commit(branch.xid, weak)).toEqual({ kind: 'done' });
      expect(await manager.probe(branch.xid, weak)).toBe('committed');
      await manager.forget([row]);
      expect((await manager.commit(branch.xid, weak)).kind).toBe('unproven');
      expect(await manager.probe(branch.xid, weak)).toBe('unproven');
      expect((await manager.commit(branch.xid, branch.evidence)).kind).toBe('done-otherwise');
    });

    it('without evidence nothing is committed and nothing proven (field P1)', async () => {
      await using manager = await harness().open();
      const branch = await givenPrepared(harness(), manager);
      expect((await manager.commit(branch.xid, NO_EVIDENCE)).kind).toBe('unproven');
      expect(await manager.probe(branch.xid, branch.evidence)).toBe('prepared');
      expect(await manager.commit(branch.xid, branch.evidence)).toEqual({ kind: 'done' });
      expect((await manager.commit(branch.xid, NO_EVIDENCE)).kind).toBe('unproven');
    });
  });
}
