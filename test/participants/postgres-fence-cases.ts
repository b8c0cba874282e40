// Fences at PostgreSQL: whatever was still under way for a branch has ended before its rollback is done.

import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { sessionTagPrefix } from '../../src/participants/postgres/sql/gid.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { usePostgres } from './postgres-bench.ts';
import { freshXid, openLossyProxy, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, engineError, expectUnlocked, givenRow, isListed, sql } = steps;

export function postgresFenceCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    const { branchWith, harness, manager } = usePostgres(server);

    it('a session that does not end when it is fenced keeps the answer open', async () => {
      const { xid, branch } = await branchWith();
      const { rows } = await branch.execute(sql('select pg_backend_pid()'));
      const pid = rows[0]?.[0]?.kind === 'int' ? Number(rows[0][0].value) : 0;
      process.kill(pid, 'SIGSTOP');
      try {
        expect(await manager().rollback(xid, NO_EVIDENCE)).toMatchObject({
          kind: 'unknown',
          reason: { message: expect.stringContaining(`${pid}`) },
        });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      expect(await manager().rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      expect((await branch.prepare()).kind).toBe('rollback');
    });

    it('a prepare that its dead client left waiting in a backend never happens after the fence', async () => {
      const key = await givenRow(harness(), manager());
      const holder = await manager().open(freshXid(), OPTIONS);
      await holder.execute(harness().sql.add(key, 1n));
      const proxy = await openLossyProxy(server().port);
      await using cut = await harness().open({ port: proxy.port });
      const xid = freshXid();
      const zombie = await cut.open(xid, OPTIONS);
      const lost = engineError(zombie.executeAndPrepare(harness().sql.add(key, 10n)));
      await until(
        'the zombie waits for the row',
        async () =>
          (
            await harness().raw(
              `select 1 from pg_stat_activity where starts_with(application_name, $1) and wait_event_type = 'Lock'`,
              [sessionTagPrefix(xid)],
            )
          ).length === 1,
      );
      await proxy[Symbol.asyncDispose]();
      expect((await lost).sessionLost).toBe(true);
      expect(await manager().rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      await holder.rollback();
      await expectUnlocked(harness(), manager(), key);
      expect(await isListed(manager(), xid)).toBe(false);
      expect(await harness().committed(key)).toBe(100n);
    });

    it('a rollback that overtakes execute-and-prepare leaves nothing prepared and no session', async () => {
      const key = await givenRow(harness(), manager());
      const holder = await manager().open(freshXid(), OPTIONS);
      await holder.execute(harness().sql.add(key, 1n));
      const xid = freshXid();
      const branch = await manager().open(xid, OPTIONS);
      const overtaken = engineError(branch.executeAndPrepare(harness().sql.add(key, 10n)));
      await until(
        'it waits for the row',
        async () =>
          (
            await harness().raw(
              `select 1 from pg_stat_activity where starts_with(application_name, $1) and wait_event_type = 'Lock'`,
              [sessionTagPrefix(xid)],
            )
          ).length === 1,
      );
      await branch.rollback();
      await overtaken;
      expect(
        await harness().raw('select pid from pg_stat_activity where starts_with(application_name, $1)', [
          sessionTagPrefix(xid),
        ]),
      ).toEqual([]);
      await holder.rollback();
      expect(await isListed(manager(), xid)).toBe(false);
    });

    it('a fence ends a backend that has not even read the batch of a branch that was left', async () => {
      await using single = await harness().open({ poolMax: 1 });
      const key = await givenRow(harness(), single);
      const first = await single.open(freshXid(), OPTIONS);
      const { rows } = await first.execute(sql('select pg_backend_pid()'));
      await first.rollback();
      const pid = rows[0]?.[0]?.kind === 'int' ? Number(rows[0][0].value) : 0;
      const xid = freshXid();
      const branch = await single.open(xid, OPTIONS);
      process.kill(pid, 'SIGSTOP');
      try {
        const overtaken = engineError(branch.executeAndPrepare(harness().sql.add(key, 1n)));
        const rolledBack = branch.rollback();
        await until(
          'the process is being ended',
          async () =>
            (
              await harness().raw(
                `select 1 from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%terminate_backend(a.pid%'`,
              )
            ).length >= 1,
        );
        process.kill(pid, 'SIGCONT');
        await Promise.all([overtaken, rolledBack]);
      } finally {
        await server().kill('SIGCONT');
      }
      expect(await isListed(single, xid)).toBe(false);
      expect(await harness().committed(key)).toBe(100n);
    });
  });
}
