// The contract of work inside a branch: statements, votes, one phase, and how a branch ends before it is prepared.
import { describe, expect, it } from 'vitest';
import { type ContractHarness, freshGtrid, freshKey, freshXid } from './harness.ts';
import { endInOnePhase, engineError, expectPrepared, expectUnlocked, givenRow, isListed, OPTIONS } from './steps.ts';

export function workContract(harness: () => ContractHarness): void {
  describe('work and votes', () => {
    it('what a branch did is invisible until it is committed, and then there', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      const { rowCount } = await branch.execute(harness().sql.add(key, -30n));
      expect(rowCount).toBe(1);
      const { rows } = await branch.execute(harness().sql.get(key));
      expect(rows).toEqual([[{ kind: 'int', value: 70n }]]);
      expect(await harness().committed(key)).toBe(100n);
      const evidence = expectPrepared(await branch.prepare());
      expect(await harness().committed(key)).toBe(100n);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(70n);
    });

    it('a vote asked for twice is the same vote', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      const vote = await branch.prepare();
      expect(await branch.prepare()).toEqual(vote);
      expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
    });

    it('the last statement executes, answers and prepares in one call', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      const { result, vote } = await branch.executeAndPrepare(harness().sql.add(key, 5n));
      expect(result.rowCount).toBe(1);
      const evidence = expectPrepared(vote);
      expect(await isListed(manager, xid)).toBe(true);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(105n);
    });

    it('a last statement after earlier ones prepares all of them', async () => {
      await using manager = await harness().open();
      const [one, two] = [await givenRow(harness(), manager), await givenRow(harness(), manager)];
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(one, 1n));
      const { vote } = await branch.executeAndPrepare(harness().sql.add(two, 2n));
      expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
      expect([await harness().committed(one), await harness().committed(two)]).toEqual([101n, 102n]);
    });

    it('a last statement that reads after one that wrote prepares what was written', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      const { result, vote } = await branch.executeAndPrepare(harness().sql.get(key));
      expect(result.rows).toEqual([[{ kind: 'int', value: 101n }]]);
      expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(101n);
    });

    it.each(['prepare', 'executeAndPrepare'] as const)(
      'a branch that only read votes read-only and leaves nothing: %s (faults F86)',
      async (verb) => {
        await using manager = await harness().open({ poolMax: 1 });
        const key = await givenRow(harness(), manager);
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        if (verb === 'prepare') {
          await branch.execute(harness().sql.get(key));
          expect(await branch.prepare()).toEqual({ kind: 'read-only' });
        } else {
          const { result, vote } = await branch.executeAndPrepare(harness().sql.get(key));
          expect(result.rows).toEqual([[{ kind: 'int', value: 100n }]]);
          expect(vote).toEqual({ kind: 'read-only' });
        }
        expect(await isListed(manager, xid)).toBe(false);
        await expectUnlocked(harness(), manager, key);
      },
    );

    it('a branch without a statement votes read-only', async () => {
      await using manager = await harness().open();
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      expect(await branch.prepare()).toEqual({ kind: 'read-only' });
      expect(await isListed(manager, xid)).toBe(false);
    });

    it('a failed statement makes the vote rollback, whatever comes after it', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      const error = await engineError(branch.execute(harness().sql.failing));
      expect(error.reason.code).toBe('STATEMENT_FAILED');
      expect(error.reason.retryable).toBe(false);
      expect(error.sessionLost).toBe(false);
      await engineError(branch.execute(harness().sql.add(key, 1n)));
      expect(await branch.prepare()).toEqual({ kind: 'rollback', reason: error.reason });
      expect(await isListed(manager, xid)).toBe(false);
      expect(await harness().committed(key)).toBe(100n);
      await expectUnlocked(harness(), manager, key);
    });

    it('a failed last statement rejects and prepares nothing', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      const error = await engineError(branch.executeAndPrepare(harness().sql.failing));
      expect(error.reason.code).toBe('STATEMENT_FAILED');
      expect(await branch.prepare()).toEqual({ kind: 'rollback', reason: error.reason });
      expect(await isListed(manager, xid)).toBe(false);
      await expectUnlocked(harness(), manager, key);
    });

    it('a rollback before prepare undoes the work, frees the locks, and may be repeated', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      await branch.rollback();
      await branch.rollback();
      expect(await harness().committed(key)).toBe(100n);
      await expectUnlocked(harness(), manager, key);
    });

    it('a rollback overtakes a statement that is still running', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      const running = engineError(branch.execute(harness().sql.slow));
      await branch.rollback();
      await running;
      await expectUnlocked(harness(), manager, key);
      expect(await harness().committed(key)).toBe(100n);
    }, 10_000);

    it('two branches of one global transaction end apart', async () => {
      await using manager = await harness().open();
      const [one, two] = [await givenRow(harness(), manager), await givenRow(harness(), manager)];
      const gtrid = freshGtrid();
      const [first, second] = [freshXid(gtrid, 'accounts'), freshXid(gtrid, 'accounts.2')];
      const a = await manager.open(first, OPTIONS);
      const b = await manager.open(second, OPTIONS);
      await a.execute(harness().sql.add(one, 1n));
      await b.execute(harness().sql.add(two, 1n));
      const [va, vb] = [expectPrepared(await a.prepare()), expectPrepared(await b.prepare())];
      expect(await manager.commit(first, va)).toEqual({ kind: 'done' });
      expect(await isListed(manager, second)).toBe(true);
      expect(await manager.rollback(second, vb)).toEqual({ kind: 'done' });
      expect([await harness().committed(one), await harness().committed(two)]).toEqual([101n, 100n]);
    });

    it('one phase commits nothing until what will prove it is known, and answers the same again', async () => {
      await using manager = await harness().open();
      const key = freshKey();
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(harness().sql.put(key, 7n));
      const asked = await branch.askOnePhase();
      expect(asked).toEqual({ kind: 'has-written', evidence: { kind: 'row', opening: expect.any(String) } });
      expect(await branch.askOnePhase()).toEqual(asked);
      expect(await harness().committed(key)).toBeUndefined();
      expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
      expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(7n);
    });

    it('one phase of a failed branch proves that it was rolled back', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      await engineError(branch.execute(harness().sql.failing));
      expect((await endInOnePhase(branch)).kind).toBe('done-otherwise');
      expect(await harness().committed(key)).toBe(100n);
    });

    it('one phase without a statement is done', async () => {
      await using manager = await harness().open();
      const branch = await manager.open(freshXid(), OPTIONS);
      expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
    });

    it.each(['read-uncommitted', 'read-committed', 'repeatable-read', 'serializable'] as const)(
      'a branch works at isolation %s',
      async (isolation) => {
        await using manager = await harness().open();
        const key = await givenRow(harness(), manager);
        const xid = freshXid();
        const branch = await manager.open(xid, { ...OPTIONS, isolation });
        await branch.execute(harness().sql.add(key, 1n));
        expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(101n);
      },
    );

    it('a read-only branch refuses to write', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const branch = await manager.open(freshXid(), { ...OPTIONS, readOnly: true });
      await engineError(branch.execute(harness().sql.add(key, 1n)));
      expect((await branch.prepare()).kind).toBe('rollback');
    });
  });
}
