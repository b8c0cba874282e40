// Sessions of PostgreSQL: what they carry from branch to branch, how long they wait, who waits behind them, and what they read.
import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { sessionTagPrefix } from '../../src/participants/postgres/sql/gid.ts';
import { elsewhere, usePostgres } from './postgres-bench.ts';
import { freshXid, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, engineError, expectPrepared, givenPrepared, givenRow, isListed, sql } = steps;

export function postgresSessionCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    const { branchWith, harness, manager } = usePostgres(server);

    it('a procedure cannot commit inside a branch', async () => {
      await harness().raw('create or replace procedure finish() language plpgsql as $$ begin commit; end $$');
      const { xid, branch } = await branchWith();
      expect((await engineError(branch.execute(sql('call finish()')))).reason.sqlstate).toBe('2D000');
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(await isListed(manager(), xid)).toBe(false);
    });

    it('a session carries its branch in its name while it works, and not any more when it is prepared', async () => {
      const { xid, branch } = await branchWith();
      const named = async () =>
        Number(
          (
            await harness().raw('select count(*) as n from pg_stat_activity where starts_with(application_name, $1)', [
              sessionTagPrefix(xid),
            ])
          )[0]?.['n'],
        );
      expect(await named()).toBe(1);
      const evidence = expectPrepared(await branch.prepare());
      expect(await named()).toBe(0);
      expect(await manager().commit(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('waiting for a lock ends with 55P03, retryable, at the limit of the adapter', async () => {
      await using hasty = harness().openWith({ lockTimeoutMs: 100 });
      const { xid, evidence, key } = await givenPrepared(harness(), hasty);
      const branch = await hasty.open(freshXid(), OPTIONS);
      const { reason } = await engineError(branch.execute(harness().sql.add(key, 1n)));
      expect(reason).toMatchObject({ code: 'STATEMENT_FAILED', sqlstate: '55P03', retryable: true });
      await branch.rollback();
      expect(await hasty.rollback(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('sessions that wait behind a waiter of a prepared branch are counted, those of other locks are not', async () => {
      const { xid, evidence, key } = await givenPrepared(harness(), manager());
      const other = await givenRow(harness(), manager());
      const waiters = await Promise.all([1, 2, 3].map(() => manager().open(freshXid(), OPTIONS)));
      const holder = await manager().open(freshXid(), OPTIONS);
      await holder.execute(harness().sql.add(other, 1n));
      const waiting = [
        waiters[0]?.execute(harness().sql.add(key, 1n)),
        waiters[1]?.execute(harness().sql.add(key, 1n)),
        waiters[2]?.execute(harness().sql.add(other, 1n)),
      ];
      await until('two wait', async () => (await manager().blockedSessions(xid)) === 2);
      expect(await manager().commit(xid, evidence)).toEqual({ kind: 'done' });
      // Which of the two is first in the queue is the engine's affair: each makes room as soon as it is served.
      await Promise.all([
        holder.rollback(),
        ...waiting.map(async (served, i) => {
          await served;
          await waiters[i]?.rollback();
        }),
      ]);
    });

    it('values of an unusual role default are read all the same, and unknown types come as text', async () => {
      await harness().raw(`create role odd superuser login password 'odd'`);
      await harness().raw(`alter role odd set bytea_output = 'escape'`);
      await harness().raw(`alter role odd set datestyle = 'German'`);
      await harness().raw(`create type mood as enum ('happy', 'sad')`);
      await using odd = harness().openWith(elsewhere(server(), server().database, 'odd'));
      const branch = await odd.open(freshXid(), OPTIONS);
      const { rows, columns } = await branch.execute(
        sql(`select '\\x00ff41'::bytea, '2026-11-20'::date, 'sad'::mood, '{1,2}'::int[], null::mood`),
      );
      expect(rows[0]).toEqual([
        { kind: 'bytes', value: Uint8Array.of(0, 255, 65) },
        { kind: 'timestamp', value: '2026-11-20' },
        { kind: 'text', value: 'sad' },
        { kind: 'text', value: '{1,2}' },
        { kind: 'null' },
      ]);
      expect(columns.map((column) => column.type).slice(0, 2)).toEqual(['bytea', 'date']);
      expect(columns[2]?.type).toMatch(/^oid:\d+$/);
      await branch.execute(sql(`set local bytea_output = 'escape'`));
      const escaped = await branch.execute(sql(`select '\\x00ff415c'::bytea`));
      expect(escaped.rows[0]?.[0]).toEqual({ kind: 'bytes', value: Uint8Array.of(0, 255, 65, 92) });
      await branch.rollback();
    });
  });
}
