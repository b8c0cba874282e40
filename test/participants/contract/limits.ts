// The contract of values, refusals and bounds: what crosses the adapter, and what it does not let through.
import { describe, expect, it } from 'vitest';
import type { BranchSession } from '../../../src/participants/resource-manager.ts';
import { RESULT_BYTES_MAX, RESULT_ROWS_MAX } from '../../../src/xa/limits.ts';
import { type ContractHarness, freshXid, until } from './harness.ts';
import { engineError, expectUnlocked, givenPrepared, givenRow, isListed, OPTIONS } from './steps.ts';

export function limitsContract(harness: () => ContractHarness): void {
  describe('values and limits', () => {
    it('typed values come back as they went in', async () => {
      await using manager = await harness().open();
      const branch = await manager.open(freshXid(), OPTIONS);
      for (const { name, statement, expected } of harness().typed) {
        const { rows } = await branch.execute(statement);
        expect(rows[0]?.[0], name).toEqual(expected);
      }
      expect(harness().typed.length).toBeGreaterThan(5);
      await branch.rollback();
    });

    it('columns are named, and an empty answer has no rows', async () => {
      await using manager = await harness().open();
      const branch = await manager.open(freshXid(), OPTIONS);
      const result = await branch.execute(harness().sql.get('nobody'));
      expect(result.rows).toEqual([]);
      expect(result.rowCount).toBe(0);
      expect(result.columns).toHaveLength(1);
      expect(result.columns[0]?.name).toMatch(/./);
      expect(result.columns[0]?.type).toMatch(/./);
      await branch.rollback();
    });

    it('transaction control and several statements in one are refused before they do anything', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      expect(harness().sql.refused.length).toBeGreaterThan(3);
      for (const sql of harness().sql.refused) {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        await branch.execute(harness().sql.add(key, 1n));
        const error = await engineError(branch.execute({ sql, parameters: [] }));
        expect(error.reason.code, sql).toBe('STATEMENT_REFUSED');
        expect((await branch.prepare()).kind, sql).toBe('rollback');
        expect(await isListed(manager, xid), sql).toBe(false);
      }
      expect(await harness().committed(key)).toBe(100n);
    });

    it('as many rows as are allowed come back; one more is refused and the adapter goes on', async () => {
      await using manager = await harness().open({ poolMax: 1 });
      const whole = await manager.open(freshXid(), OPTIONS);
      const { rows } = await whole.execute(harness().sql.rows(RESULT_ROWS_MAX));
      expect(rows).toHaveLength(RESULT_ROWS_MAX);
      await whole.rollback();
      const branch = await manager.open(freshXid(), OPTIONS);
      const error = await engineError(branch.execute(harness().sql.rows(RESULT_ROWS_MAX + 1)));
      expect(error.reason.code).toBe('LIMIT_RESULT');
      expect((await branch.prepare()).kind).toBe('rollback');
      await givenRow(harness(), manager);
    });

    it('a result of more bytes than are allowed is refused, also as the last statement', async () => {
      await using manager = await harness().open({ poolMax: 1 });
      const branch = await manager.open(freshXid(), OPTIONS);
      const error = await engineError(branch.execute(harness().sql.bytes(RESULT_BYTES_MAX + 1)));
      expect(error.reason.code).toBe('LIMIT_RESULT');
      await branch.rollback();
      const xid = freshXid();
      const key = await givenRow(harness(), manager);
      const last = await manager.open(xid, OPTIONS);
      await last.execute(harness().sql.add(key, 1n));
      const refused = await engineError(last.executeAndPrepare(harness().sql.bytes(RESULT_BYTES_MAX + 1)));
      expect(refused.reason.code).toBe('LIMIT_RESULT');
      await last.rollback();
      expect(await isListed(manager, xid)).toBe(false);
      await expectUnlocked(harness(), manager, key);
    });

    it('a full pool refuses the next branch within a second, never phase two, and takes branches again when one ends (conformance L16)', async () => {
      await using manager = await harness().open({ poolMax: 2 });
      const prepared = await givenPrepared(harness(), manager);
      const open: BranchSession[] = [];
      let refused: string | undefined;
      while (refused === undefined && open.length < 3) {
        const started = performance.now();
        try {
          const branch = await manager.open(freshXid(), OPTIONS);
          await branch.execute(harness().sql.get('nobody'));
          open.push(branch);
        } catch (error) {
          refused = (await engineError(Promise.reject(error))).reason.code;
          expect(performance.now() - started).toBeLessThan(3_000);
        }
      }
      expect(refused).toBe('LIMIT_CONNECTIONS');
      expect(await manager.commit(prepared.xid, prepared.evidence)).toEqual({ kind: 'done' });
      const waiting = manager.open(freshXid(), OPTIONS);
      await open[0]?.rollback();
      await (await waiting).rollback();
      await open[1]?.rollback();
    });

    it('the engine itself ends a branch that its session leaves idle (faults F78)', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      const branch = await manager.open(freshXid(), { ...OPTIONS, idleTimeoutMs: 1_000 });
      let lost = 0;
      branch.onLost(() => {
        lost += 1;
      });
      await branch.execute(harness().sql.add(key, 1n));
      await until('the session is lost', () => lost === 1);
      await expectUnlocked(harness(), manager, key);
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(lost).toBe(1);
    }, 12_000);
  });
}
