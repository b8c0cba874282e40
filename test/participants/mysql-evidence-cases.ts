// Evidence rows of MySQL and MariaDB: when they are there, when they go, and how a sweep tells of very many.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import type { EvidenceRow } from '../../src/xa/evidence.ts';
import { formatXid, type Xid } from '../../src/xa/xid.ts';
import { type MysqlHarness, openMysqlHarness } from './mysql-harness.ts';
import { freshGtrid, type freshIdentity, freshXid, rowOfBranch, steps } from './resource-manager-contract.ts';

const { givenPrepared } = steps;

export function mysqlEvidenceCases(name: string, server: () => EngineServer): void {
  describe(`evidence rows of ${name}`, () => {
    let harness: MysqlHarness;
    let manager: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      manager = await harness.open();
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });

    it('are there once their branch is committed, and go without waiting for one that is prepared', async () => {
      const gtrid = freshGtrid();
      const identity = freshIdentityOf(gtrid);
      const prepared = await givenPrepared(harness, manager, freshXid(gtrid, 'prepared'));
      const others: EvidenceRow[] = [];
      for (const bqual of ['a', 'b', 'c']) {
        const branch = await givenPrepared(harness, manager, freshXid(gtrid, bqual));
        await manager.commit(branch.xid, branch.evidence);
        others.push(rowOfBranch(branch));
      }
      expect(await manager.markers(identity)).toEqual(others);
      const started = performance.now();
      await manager.forget([...others, rowOfBranch(prepared)].slice(0, 3));
      expect(performance.now() - started).toBeLessThan(2_000);
      expect(await manager.markers(identity)).toEqual([]);
      expect(await manager.commit(prepared.xid, prepared.evidence)).toEqual({ kind: 'done' });
      expect(await manager.markers(identity)).toEqual([rowOfBranch(prepared)]);
    });

    it('beyond what is told at once are told by the next sweep, and none again before all were', async () => {
      const identity = freshIdentityOf(freshGtrid());
      const rows = Array.from(
        { length: 10_001 },
        (_, n) => `('${identity}.1.${(n + 1).toString(36)}','orders','abcdefghijkl')`,
      );
      await harness.raw(`insert into concordat_branch (gtrid, bqual, opening) values ${rows.join(',')}`);
      const sweeps = [
        await manager.markers(identity),
        await manager.markers(identity),
        await manager.markers(identity),
      ];
      expect(sweeps.map((sweep) => sweep.length)).toEqual([10_000, 1, 10_000]);
      expect(new Set(sweeps.slice(0, 2).flatMap((sweep) => sweep.map(formatXid))).size).toBe(10_001);
      await harness.raw(`delete from concordat_branch where gtrid like '${identity}.%'`);
      expect(await manager.markers(identity)).toEqual([]);
    });
  });
}

function freshIdentityOf(gtrid: Xid['gtrid']): ReturnType<typeof freshIdentity> {
  return gtrid.slice(0, 10) as ReturnType<typeof freshIdentity>;
}
