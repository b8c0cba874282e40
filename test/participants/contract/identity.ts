// The contract about who the engine is: nothing is done at another one, and tokens show that two lives are at the same one.

import { describe, expect, it } from 'vitest';
import { NO_EVIDENCE } from '../../../src/xa/evidence.ts';
import { type ContractHarness, freshIdentity, freshXid } from './harness.ts';
import { engineError, givenPrepared, givenRow, isListed, OPTIONS } from './steps.ts';

export function identityContract(harness: () => ContractHarness): void {
  describe('identity', () => {
    it('where another engine is expected nothing is begun, finished or proven, and the branch stays (field P4)', async () => {
      await using manager = await harness().open();
      const { xid, evidence, key } = await givenPrepared(harness(), manager);
      const { identity } = await manager.identify();
      manager.expectIdentity(identity);
      await manager.list();
      manager.expectIdentity(`${identity}x`);
      const other = { kind: 'unknown', reason: { code: 'RESOURCE_IDENTITY', retryable: true } };
      expect(await manager.commit(xid, evidence)).toMatchObject(other);
      expect(await manager.rollback(xid, evidence)).toMatchObject(other);
      expect(await manager.rollback(xid, NO_EVIDENCE)).toMatchObject(other);
      const refused: (() => Promise<unknown>)[] = [
        () => manager.probe(xid, evidence),
        () => manager.open(freshXid(), OPTIONS),
        () => manager.raiseEpoch(freshIdentity(), 1, 'one'),
        () => manager.knownLogs(),
        () => manager.list(),
        () => manager.showToken('i', 't'),
        () => manager.readToken('i'),
        () => manager.createTables(),
      ];
      for (const call of refused) {
        const error = await engineError(call());
        expect([call.toString(), error.reason.code]).toEqual([call.toString(), 'RESOURCE_IDENTITY']);
        expect(error.reason.message).toContain('another database answers at the address');
      }
      expect((await manager.identify()).identity).toBe(identity);
      manager.expectIdentity(identity);
      expect(await isListed(manager, xid)).toBe(true);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(90n);
    });

    it('a session of an open branch that another engine may own ends with its branch (field P4)', async () => {
      await using manager = await harness().open();
      const key = await givenRow(harness(), manager);
      manager.expectIdentity((await manager.identify()).identity);
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(harness().sql.add(key, 1n));
      manager.expectIdentity('another');
      await engineError(branch.execute(harness().sql.add(key, 1n)));
      expect((await branch.prepare()).kind).toBe('rollback');
      await branch.rollback();
    });

    it('what one life shows another reads, and nothing else (field P5)', async () => {
      await using one = await harness().open();
      await using two = await harness().open();
      await one.showToken('first', 'abcdefgh');
      await one.showToken('second', 'ijklmnop');
      await one.showToken('first', 'qrstuvwx');
      expect([await two.readToken('first'), await two.readToken('second'), await two.readToken('third')]).toEqual([
        'qrstuvwx',
        'ijklmnop',
        undefined,
      ]);
    });
  });
}
