// Connections that died without a word: they cost one failure together, and not a deadline each.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/lib/clock.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { useEngine } from '../support/engines.ts';
import { openPostgresHarness, type PostgresHarness } from './postgres-harness.ts';
import { freshXid, steps } from './resource-manager-contract.ts';
import { openRewritingProxy } from './rewriting-proxy.ts';

const { OPTIONS, engineError, expectPrepared, givenPrepared, sql } = steps;
const SESSIONS = 4;

describe('connections that fall silent', () => {
  const engine = useEngine('postgresql-18');
  let harness: PostgresHarness;
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs, after: systemClock.after };
  beforeEach(async () => {
    aheadMs = 0;
    harness = await openPostgresHarness(engine.server);
  });
  const through = (port: number, callTimeoutMs: number): ResourceManager =>
    harness.openWith({
      url: engine.server.url.replace(`:${engine.server.port}/`, `:${port}/`),
      ...{ poolMax: SESSIONS, callTimeoutMs, clock },
    });
  const warm = async (manager: ResourceManager): Promise<void> => {
    const branches = await Promise.all(Array.from({ length: SESSIONS }, () => manager.open(freshXid(), OPTIONS)));
    await Promise.all(branches.map((branch) => branch.execute(sql('select 1'))));
    await Promise.all(branches.map((branch) => branch.rollback()));
  };
  const writes = async (manager: ResourceManager): Promise<void> => {
    const xid = freshXid();
    const branch = await manager.open(xid, OPTIONS);
    await branch.execute(sql('select pg_current_xact_id()'));
    expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
  };

  it('after a pause nobody fails: the first one that is asked gives up all (field P16)', async () => {
    await using proxy = await openRewritingProxy(engine.server.port);
    await using manager = through(proxy.port, 10_000);
    await manager.createTables();
    await warm(manager);
    proxy.silence();
    aheadMs = 60_000;
    const start = performance.now();
    for (let n = 0; n < SESSIONS + 1; n += 1) {
      await writes(manager);
    }
    // Two pools, of branches and of control sessions; whichever is asked first speaks for both.
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('in the middle of work one branch fails, by its deadline, and no other (field P16)', async () => {
    await using proxy = await openRewritingProxy(engine.server.port);
    await using manager = through(proxy.port, 10_000);
    await manager.createTables();
    await warm(manager);
    proxy.silence();
    const branch = await manager.open(freshXid(), OPTIONS);
    const hanging = engineError(branch.execute(sql('select 1')));
    const start = performance.now();
    await branch.rollback(); // What the runtime does at the deadline.
    await hanging;
    for (let n = 0; n < SESSIONS + 1; n += 1) {
      await writes(manager);
    }
    expect(performance.now() - start).toBeLessThan(6_000);
  });

  it('a phase-two call that is not answered gives up the idle ones, too (field P16)', async () => {
    await using proxy = await openRewritingProxy(engine.server.port);
    await using manager = through(proxy.port, 500);
    await manager.createTables();
    await warm(manager);
    const { xid, evidence } = await givenPrepared(harness, manager);
    proxy.silence();
    expect((await manager.commit(xid, evidence)).kind).toBe('unknown');
    const start = performance.now();
    expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    for (let n = 0; n < SESSIONS + 1; n += 1) {
      await writes(manager);
    }
    expect(performance.now() - start).toBeLessThan(1_900);
  });
});
