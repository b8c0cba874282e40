// What an application's client is when it comes back from a branch that did not begin, or whose last answer is lost.
import { Client } from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import { PgBranch } from '../../src/participants/postgres/branch/branch.ts';
import { Footprint } from '../../src/participants/postgres/branch/reader.ts';
import { LentPgBranch } from '../../src/participants/postgres/lent/branch.ts';
import type { PgClient } from '../../src/participants/postgres/protocol/driver-insides.ts';
import type { PgBranchSession } from '../../src/participants/postgres/session/session-port.ts';
import { EngineError } from '../../src/participants/resource-manager.ts';
import { useEngine } from '../support/engines.ts';
import { openPostgresHarness } from './postgres-harness.ts';
import { freshXid, steps } from './resource-manager-contract.ts';

describe('a client that is lent to a branch which does not begin', () => {
  const engine = useEngine('postgresql-18');
  let client: Client;
  let fences = 0;
  beforeEach(async () => {
    await openPostgresHarness(engine.server);
    client = new Client({ connectionString: engine.server.url });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => client.end());
    fences = 0;
  });
  const lend = (): LentPgBranch =>
    new LentPgBranch({
      connection: client as unknown as PgClient,
      xid: freshXid(),
      options: steps.OPTIONS,
      tools: {
        fence: () => {
          fences += 1;
          const reason = { code: 'ENGINE_UNAVAILABLE', message: 'nobody can be asked now', retryable: true } as const;
          return Promise.reject(new EngineError(reason, { sessionLost: true }));
        },
        probe: () => Promise.reject(new Error('nothing is to be proven')),
        rollbackPrepared: () => Promise.reject(new Error('nothing is prepared')),
      },
      clock: systemClock,
    });

  it('keeps the transaction that it has open', async () => {
    await client.query('begin');
    await client.query('create temp table kept (a int)');
    const branch = lend();
    await expect(branch.begin()).rejects.toThrow('has a transaction open');
    await branch.rollback();
    await branch.released;
    expect(fences).toBe(0);
    await client.query('insert into kept values (1)');
    expect((await client.query('commit')).command).toBe('COMMIT');
  });

  it('keeps the statement that runs', async () => {
    const running = client.query('select pg_sleep(2), 1 as one');
    running.catch(() => undefined);
    const branch = lend();
    await branch.rollback();
    await branch.released;
    expect((await running).rows).toMatchObject([{ one: 1 }]);
    expect(fences).toBe(0);
  });
});

it('a session is not clean whose rollback is not answered, whatever the answers before', async () => {
  const error = { code: '23514', message: 'a check failed', hint: undefined, routine: undefined, severity: 'ERROR' };
  const answered = { kind: 'answered', results: [], error, status: 'E', isUnreplicated: false } as const;
  const begun = { ...answered, error: undefined, status: 'T' } as const;
  const outcomes = [begun, answered, { kind: 'lost', error: new Error('no answer') }] as const;
  let asked = 0;
  const session: PgBranchSession = {
    state: { role: 'none', encoding: 'UTF8', settings: undefined },
    backend: { pid: 1, startedAt: '' },
    idleTimeoutMs: undefined,
    usable: true,
    busy: false,
    status: 'E',
    reported: () => undefined,
    setUser: () => undefined,
    run: async () => outcomes[asked++] ?? answered,
    takeOver: async () => undefined,
    stop: async () => true,
    behindEnd: () => [],
    isCleanBy: () => true,
    destroy: () => undefined,
  };
  const released: unknown[] = [];
  const footprint = new Footprint(true);
  footprint.hasWritten = true;
  const host = {
    callTimeoutMs: 1_000,
    release: (end: unknown) => void released.push(end),
    abandon: async () => undefined,
    rollbackPrepared: async () => undefined,
    proveOnePhase: async () => ({ kind: 'done' }) as const,
    keepDamage: async () => undefined,
  };
  const branch = new PgBranch(host, session, freshXid(), steps.OPTIONS, footprint);
  await branch.begin([]);
  expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { sqlstate: '23514' } });
  expect(released).toEqual([{ isClean: false, isPrepared: false }]);
});
