// The second phase at PostgreSQL (conformance L, faults F73 and F77): who may finish a branch, and what proves its end.

import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { formatGid } from '../../src/participants/postgres/sql/gid.ts';
import { NO_EVIDENCE, openingOf } from '../../src/xa/evidence.ts';
import { elsewhere, usePostgres } from './postgres-bench.ts';
import { freshKey, freshXid, rowOfBranch, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, expectPrepared, givenPrepared, isListed } = steps;

export function postgresFinishCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    const { harness, manager } = usePostgres(server);

    it('a branch of another database is not done, and the reason names the fix (faults F77, conformance L11)', async () => {
      const { xid, evidence } = await givenPrepared(harness(), manager());
      await harness().raw('create database other');
      await using other = harness().openWith(elsewhere(server(), 'other'));
      expect(await isListed(other, xid)).toBe(false);
      const result = await other.commit(xid, evidence);
      expect(result).toMatchObject({
        kind: 'not-yet',
        reason: { sqlstate: '0A000', message: expect.stringContaining('database in which') },
      });
      expect((await other.identify()).identity).not.toBe((await manager().identify()).identity);
      expect(await manager().commit(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('a branch of another role is not done, and the reason names the fix; SET ROLE owns what it prepares (faults F77, conformance L12)', async () => {
      await harness().raw(`create role worker nologin`);
      await harness().raw(`create role clerk login password 'clerk' in role worker`);
      await harness().raw(`create role stranger login password 'stranger'`);
      await harness().raw('grant all on account to worker');
      await harness().raw('grant usage on schema concordat to worker, stranger');
      await harness().raw('grant all on all tables in schema concordat to worker, stranger');
      const as = (user: string, role?: string) =>
        harness().openWith({
          ...elsewhere(server(), server().database, user),
          ...(role === undefined ? {} : { role }),
        });
      await using clerk = as('clerk', 'worker');
      await using stranger = as('stranger');
      const xid = freshXid();
      const branch = await clerk.open(xid, OPTIONS);
      await branch.execute(harness().sql.put(freshKey(), 1n));
      const evidence = expectPrepared(await branch.prepare());
      expect(await harness().raw('select owner from pg_prepared_xacts where gid like $1', [`%${xid.gtrid}%`])).toEqual([
        { owner: 'worker' },
      ]);
      for (const verb of ['commit', 'rollback'] as const) {
        const result = await stranger[verb](xid, evidence);
        expect(result).toMatchObject({
          kind: 'not-yet',
          reason: { sqlstate: '42501', message: expect.stringContaining('role that prepared') },
        });
      }
      expect(await clerk.commit(xid, evidence)).toEqual({ kind: 'done' });
      const open = await clerk.open(freshXid(), OPTIONS);
      await open.execute(harness().sql.get('nobody'));
      await using again = as('clerk', 'worker');
      const left = freshXid();
      const leftover = await clerk.open(left, OPTIONS);
      await leftover.execute(harness().sql.put(freshKey(), 1n));
      await again.fence(left, NO_EVIDENCE);
      expect((await leftover.prepare()).kind).toBe('rollback');
      await open.rollback();
    });

    it('evidence is a row that is committed with the branch, and proves every end (conformance L13 L14, field P1)', async () => {
      const committed = await givenPrepared(harness(), manager());
      const rolledBack = await givenPrepared(harness(), manager());
      const rows = async (gtrid: string) =>
        await harness().raw('select opening from concordat.branch where gtrid = $1', [gtrid]);
      for (const { xid, evidence } of [committed, rolledBack]) {
        expect(evidence.kind).toBe('row');
        expect((await manager().list()).find((branch) => branch.xid?.gtrid === xid.gtrid)?.evidence).toEqual(evidence);
        expect(await rows(xid.gtrid)).toEqual([]);
      }
      await harness().finishByHand(committed.xid, 'commit');
      await harness().finishByHand(rolledBack.xid, 'rollback');
      expect(await rows(committed.xid.gtrid)).toEqual([{ opening: openingOf(committed.evidence) }]);
      expect(await manager().commit(committed.xid, committed.evidence)).toEqual({ kind: 'done' });
      expect(await manager().commit(rolledBack.xid, rolledBack.evidence)).toEqual({
        kind: 'done-otherwise',
        proof: expect.stringContaining(formatGid(rowOfBranch(rolledBack))),
      });
    });

    it('commits that a crash cuts off are all done when they are repeated (faults F73)', async () => {
      const prepared = await Promise.all(Array.from({ length: 8 }, () => givenPrepared(harness(), manager())));
      const cut = Promise.all(prepared.map(({ xid, evidence }) => manager().commit(xid, evidence)));
      await harness().kill();
      for (const result of await cut) {
        expect(['done', 'unknown']).toContain(result.kind);
      }
      await harness().start();
      for (const { xid, evidence, key } of prepared) {
        expect(await manager().commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(90n);
      }
    });

    it('an engine that does not answer delays a phase-two call no longer than its limit', async () => {
      await using hasty = harness().openWith({ callTimeoutMs: 1_000 });
      await hasty.list();
      const { xid, evidence } = await givenPrepared(harness(), hasty);
      await server().kill('SIGSTOP');
      const started = performance.now();
      try {
        expect((await hasty.commit(xid, evidence)).kind).toBe('unknown');
        expect(performance.now() - started).toBeLessThan(8_000);
      } finally {
        await server().kill('SIGCONT');
      }
      await until('commit is done', async () => (await hasty.commit(xid, evidence)).kind === 'done');
    });
  });
}
