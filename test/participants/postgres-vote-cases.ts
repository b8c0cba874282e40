// PostgreSQL's votes (conformance L, faults F69 and F70): what its answers to PREPARE TRANSACTION mean.

import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { judgePrepare } from '../../src/participants/postgres/branch/judge.ts';
import { openSession } from '../../src/participants/postgres/session/connect.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { usePostgres } from './postgres-bench.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, expectPrepared, givenRow, isListed, sql } = steps;

export function postgresVoteCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    const { branchWith, harness, manager } = usePostgres(server, [
      'create table parent (id int primary key)',
      'create table child (id int references parent deferrable initially deferred)',
    ]);

    it('in a failed block PREPARE TRANSACTION succeeds with the tag ROLLBACK, and that is a rollback vote (faults F69 B53, conformance L1)', async () => {
      const session = await openSession({
        client: { connectionString: server().url },
        applicationName: 'concordat test',
        role: undefined,
        lockTimeoutMs: 1_000,
        idleTimeoutMs: 10_000,
        connectTimeoutMs: 5_000,
        clock: systemClock,
      });
      const failed = await session.run({ kind: 'steps', steps: [{ text: 'begin' }, { text: 'select 1 / 0' }] });
      expect(failed).toMatchObject({ kind: 'answered', status: 'E' });
      const outcome = await session.run({ kind: 'simple', text: `prepare transaction 'concordat:l1'` });
      expect(outcome).toMatchObject({
        kind: 'answered',
        error: undefined,
        status: 'I',
        results: [{ tag: 'ROLLBACK' }],
      });
      expect(judgePrepare(outcome, NO_EVIDENCE).kind).toBe('rollback');
      const outside = await session.run({ kind: 'simple', text: `prepare transaction 'concordat:l1'` });
      expect(judgePrepare(outside, NO_EVIDENCE).kind).toBe('rollback');
      await session.close();
    });

    it('a deferred constraint that fails at PREPARE is a rollback vote, also when it came with the last statement (conformance L3)', async () => {
      const { xid, branch } = await branchWith('insert into child values (404)');
      expect(await branch.prepare()).toMatchObject({
        kind: 'rollback',
        reason: { sqlstate: '23503', retryable: false },
      });
      expect(await isListed(manager(), xid)).toBe(false);
      const last = await manager().open(freshXid(), OPTIONS);
      const { result, vote } = await last.executeAndPrepare(sql('insert into child values (404)'));
      expect(result.rowCount).toBe(1);
      expect(vote).toMatchObject({ kind: 'rollback', reason: { sqlstate: '23503' } });
    });

    it('a deferred constraint that fails in one phase proves a rollback', async () => {
      const { branch } = await branchWith('insert into child values (404)');
      const result = await endInOnePhase(branch);
      expect(result).toEqual({ kind: 'done-otherwise', proof: expect.stringContaining('23503') });
    });

    it.each([
      ['a temporary table', 'create temporary table scratch (a int)'],
      ['LISTEN', 'listen somewhere'],
      ['an exported snapshot', 'select pg_export_snapshot()'],
    ])('%s cannot be prepared: a rollback vote with the reason (conformance L4)', async (_, statement) => {
      const { xid, branch } = await branchWith(statement);
      expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { sqlstate: '0A000' } });
      expect(await isListed(manager(), xid)).toBe(false);
    });

    it('a branch that wrote nothing gets no transaction number and no slot (conformance L8)', async () => {
      const next = async () => (await harness().raw('select pg_snapshot_xmax(pg_current_snapshot()) as x'))[0]?.['x'];
      const before = await next();
      const branch = await manager().open(freshXid(), { ...OPTIONS, isolation: 'serializable' });
      await branch.execute(harness().sql.add('nobody', 1n));
      await branch.execute(harness().sql.get('nobody'));
      expect(await branch.prepare()).toEqual({ kind: 'read-only' });
      expect(await next()).toBe(before);
    });

    it('a SELECT that writes through a function is prepared, not taken for a reader', async () => {
      await harness().raw(`create or replace function sneak(k text) returns int language sql as
        $$ insert into account values (k, 1); select 1 $$`);
      for (const verb of ['execute', 'executeAndPrepare'] as const) {
        const [key, xid] = [freshKey(), freshXid()];
        const branch = await manager().open(xid, OPTIONS);
        const statement = { sql: 'select sneak($1)', parameters: [{ kind: 'text', value: key } as const] };
        const vote =
          verb === 'execute'
            ? await branch.execute(statement).then(() => branch.prepare())
            : (await branch.executeAndPrepare(statement)).vote;
        expect(await manager().commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(1n);
      }
    });

    it('a serialization failure at PREPARE is a rollback vote that may be retried (faults F70)', async () => {
      const [one, two] = [await givenRow(harness(), manager()), await givenRow(harness(), manager())];
      const serializable = { ...OPTIONS, isolation: 'serializable' } as const;
      const branches = [await manager().open(freshXid(), serializable), await manager().open(freshXid(), serializable)];
      for (const branch of branches) {
        await branch.execute(harness().sql.get(one));
        await branch.execute(harness().sql.get(two));
      }
      await branches[0]?.execute(harness().sql.add(one, 1n));
      await branches[1]?.execute(harness().sql.add(two, 1n));
      const votes = [await branches[0]?.prepare(), await branches[1]?.prepare()];
      expect(votes.map((vote) => vote?.kind).sort()).toEqual(['prepared', 'rollback']);
      expect(votes.find((vote) => vote?.kind === 'rollback')).toMatchObject({
        reason: { sqlstate: '40001', retryable: true },
      });
      for (const branch of await manager().list()) {
        await (branch.xid === undefined ? undefined : manager().rollback(branch.xid, branch.evidence));
      }
    });
  });
}
