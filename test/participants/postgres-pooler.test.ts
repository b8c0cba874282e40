// PgBouncer between the participant and its server: in session mode all of it works, in transaction mode it is refused.
import { describe, expect, it } from 'vitest';
import { EngineUnavailableError } from '../../src/dev/engines/index.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openPostgresResourceManager } from '../../src/participants/postgres/resource-manager.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { useEngine } from '../support/engines.ts';
import { type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts';
import { openPostgresHarness } from './postgres-harness.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, engineError, endInOnePhase, expectPrepared, sql } = steps;

describe.each(['postgresql-18', 'postgresql-15'] as const)('PgBouncer in front of %s', (key) => {
  const engine = useEngine(key);
  const open = (url: string): ResourceManager =>
    openPostgresResourceManager({ url, clock: systemClock, instance: 'pooled', poolMax: 4 });
  const pooled = async (mode: 'session' | 'transaction', skip: (why: string) => void): Promise<Pgbouncer> => {
    try {
      return await startPgbouncer(engine.server, mode);
    } catch (error) {
      if (error instanceof EngineUnavailableError && process.env['CI'] !== 'true') {
        skip(error.message);
      }
      throw error;
    }
  };

  it('in session mode is warned of, and branches live and end through it (field P19)', async ({ skip }) => {
    await using pooler = await pooled('session', skip);
    const harness = await openPostgresHarness(engine.server);
    await using manager = open(pooler.url);
    const findings = await manager.preflight();
    expect(findings.filter(({ fatal }) => fatal)).toEqual([]);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'pooler', fix: expect.stringContaining('at least 12') }),
    );
    await manager.createTables();
    await using direct = open(engine.server.url);
    expect((await manager.identify()).identity).toBe((await direct.identify()).identity);
    for (let n = 0; n < 3; n += 1) {
      const [xid, put] = [freshXid(), harness.sql.put(freshKey(), 7n)];
      const branch = await manager.open(xid, OPTIONS);
      const { rows } = await branch.execute(
        sql(
          `select current_setting('datestyle'), current_setting('lock_timeout'), current_setting('client_connection_check_interval')`,
        ),
      );
      expect(rows[0]?.map((cell) => cell.kind === 'text' && cell.value)).toEqual(['ISO, MDY', '10s', '1s']);
      await branch.execute(
        sql(`select set_config('datestyle', 'German', false), set_config('lock_timeout', '7', false)`),
      );
      const evidence = expectPrepared(
        n === 0 ? (await branch.executeAndPrepare(put)).vote : await branch.execute(put).then(() => branch.prepare()),
      );
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    }
    const single = await manager.open(freshXid(), OPTIONS);
    await single.execute(harness.sql.put(freshKey(), 8n));
    expect(await endInOnePhase(single)).toEqual({ kind: 'done' });
    const overtaken = await manager.open(freshXid(), OPTIONS);
    const sleeping = engineError(overtaken.execute(harness.sql.slow));
    await overtaken.rollback();
    await sleeping;
    expect((await manager.list()).length).toBe(0);
  });

  it('in transaction mode is refused, with the setting to change (field P19)', async ({ skip }) => {
    await using pooler = await pooled('transaction', skip);
    await using manager = open(pooler.url);
    expect(await manager.preflight()).toContainEqual({
      fatal: true,
      check: 'pooler',
      message: expect.stringContaining('by transaction'),
      fix: expect.stringContaining('pool_mode = session'),
    });
  });
});
