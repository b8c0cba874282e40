// What operators see around the transactions: the resources, and the log with its backup.
import { describe, expect, it } from 'vitest';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { COMMITTED, stuck } from './stuck.ts';
import { refusal } from './unary.ts';

describe('resources', () => {
  it('show who speaks for them, and how many decided branches wait, also while a retry is due', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', {
      hello: { warnings: ['max_prepared_transactions is low'] },
      finish: () => ({ result: 'FINISH_RESULT_NOT_YET' }),
    });
    const { gtrid } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid });
    await eventually('a retry is due', async () => (await system.info(gtrid)).branches[1]?.nextAttemptInMs !== 0);
    const { resources } = await system.api.resources({});
    expect(resources).toMatchObject([
      { name: 'accounts', engine: 'memory', engineVersion: '1', pendingBranches: 0, oldestPendingAgeMs: '0' },
      {
        name: 'orders',
        participants: [
          {
            instance: orders.instance,
            kind: 'PARTICIPANT_KIND_SIDECAR',
            warnings: ['max_prepared_transactions is low'],
          },
        ],
        pendingBranches: 1,
        quarantinedBranches: 0,
      },
    ]);
    expect(Number(resources[1]?.oldestPendingAgeMs)).toBeGreaterThan(1_000);
    orders.cut();
    await system.detached(orders);
    await system.api.resolve({ ...COMMITTED, gtrid });
    expect((await system.api.resources({})).resources[1]?.pendingBranches).toBe(0);
  });

  it('are scanned through their sidecar, with findings; one that is away or unknown says so', async () => {
    await using system = await openSystem();
    const raw = { gtrid: '', bqual: '', raw: 'somebody’s own', ours: false, ageMs: 5, blockedSessions: 0 };
    const finding = { fatal: false, check: 'slots', message: '3 of 4 are used', fix: 'raise it' };
    const orders = await system.participant('orders', { scan: () => ({ branches: [raw], findings: [finding] }) });
    expect(await system.api.scan({ resource: 'orders' })).toMatchObject({
      branches: [{ raw: 'somebody’s own', ours: false }],
      findings: [finding],
    });
    orders.script = {
      ...orders.script,
      scan: () => ({ error: { code: 'ENGINE_UNAVAILABLE', message: 'the engine is away' } }),
    };
    const refused = await refusal(system.api.scan({ resource: 'orders' }));
    expect(refused).toMatchObject({ code: 'RESOURCE_UNAVAILABLE', message: 'the engine is away' });
    orders.cut();
    await system.detached(orders);
    expect((await refusal(system.api.scan({ resource: 'orders' }))).code).toBe('RESOURCE_UNAVAILABLE');
    expect((await refusal(system.api.scan({ resource: 'nobody' }))).code).toBe('RESOURCE_UNKNOWN');
    expect((await refusal(system.api.scan({ resource: '../x' }))).code).toBe('FIELD_INVALID');
  });
});

describe('the log', () => {
  it('tells its state, and is backed up while it runs; a file that exists is not written over', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    const { identity, epoch } = system.log.recovered;
    expect(await system.api.logStatus({})).toMatchObject({
      logIdentity: identity,
      epoch: String(epoch),
      unfinishedDecisions: '1',
      protocolVersion: PROTOCOL.protocolHighest,
    });
    const { lastSequence } = await system.api.backup({ path: 'copy' });
    expect(Number(lastSequence)).toBe(system.log.status().lastSequence);
    expect(
      system.disk.backups
        .get('copy')
        ?.records.some(({ record }) => record.kind === 'decided' && record.gtrid === gtrid),
    ).toBe(true);
    expect((await refusal(system.api.backup({ path: 'copy' }))).code).toBe('FIELD_INVALID');
    // A name and no place, and nothing is told of what is elsewhere (security X11).
    for (const path of [
      '',
      '.',
      '..',
      '/tmp/x',
      '../copy',
      'a/b',
      'a\\b',
      '.hidden',
      'x.partial',
      'x.high-water',
      'x\n',
      'é',
    ]) {
      const { code, message } = await refusal(system.api.backup({ path }));
      expect([path, code, message.includes('must be a plain file name')]).toEqual([path, 'FIELD_INVALID', true]);
    }
  });
});
