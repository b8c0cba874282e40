// A database that was upgraded, restored or moved takes the place of the former one, at an operator's word.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import type { ScriptedParticipant } from './scripted-participant.ts';
import { refusal } from './unary.ts';

const REASON = 'upgraded to 18, INC-1234';
const NEW = { hello: { engineIdentity: 'engine-after-upgrade', engineVersion: '18' } };
const SAID = { resource: 'orders', reason: REASON, operator: 'ada@host' };

async function refused(system: Awaited<ReturnType<typeof openSystem>>): Promise<ScriptedParticipant> {
  const participant = system.dial('orders', NEW);
  expect((await participant.hears('refused')).message).toContain('concordat resource accept orders');
  return participant;
}

describe('a successor', () => {
  it('that asks and is refused is shown with both identities (field P14)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const asking = await refused(system);
    const { resources } = await system.api.resources({});
    expect(resources).toMatchObject([
      {
        name: 'orders',
        engineIdentity: 'engine-of-orders',
        refused: { instance: asking.instance, engineIdentity: 'engine-after-upgrade', engineVersion: '18' },
      },
    ]);
    expect(resources[0]?.refused?.address).toMatch(/^127\.0\.0\.1:/);
  });

  it('is accepted by name, is in the log with who and why before it takes part, and the former one is refused (field P14)', async () => {
    await using system = await openSystem();
    const former = await system.participant('orders');
    await refused(system);
    const dry = await system.api.accept({ resource: 'orders', dryRun: true });
    expect(dry).toMatchObject({
      formerIdentity: 'engine-of-orders',
      engineIdentity: 'engine-after-upgrade',
      pending: [],
    });
    expect(system.records('resource-registered')).toHaveLength(1);
    const call = { ...SAID, requestId: 'r1', engineIdentity: dry.engineIdentity };
    await system.api.accept(call);
    expect(system.records('resource-registered').at(-1)).toEqual({
      kind: 'resource-registered',
      resource: 'orders',
      engine: 'memory',
      engineIdentity: 'engine-after-upgrade',
      accepted: {
        former: 'engine-of-orders',
        operator: 'ada@host',
        reason: REASON,
        requestId: 'r1',
        wallTime: expect.any(Number),
      },
    });
    expect((await former.hears('refused')).message).toContain('accepted engine-after-upgrade');
    await system.participant('orders', NEW);
    expect((await system.api.resources({})).resources[0]).toMatchObject({
      engineIdentity: 'engine-after-upgrade',
      refused: null,
    });
    const again = system.dial('orders');
    expect((await again.hears('refused')).reason).toBe('RESOURCE_IDENTITY');
    // The answer was lost, and the call is repeated: nothing more happens, also in the next life.
    expect((await system.api.accept({ ...call, engineIdentity: '' })).effects[0]).toContain('nothing more');
    await system.restart();
    expect((await system.api.accept(call)).effects[0]).toContain('nothing more');
    await system.participant('orders', NEW);
    expect(await refusal(system.api.accept({ ...call, engineIdentity: 'other' }))).toMatchObject({
      code: 'REQUEST_ID_REUSED',
    });
  });

  it('is not accepted while a branch is pending: which, and what to do, is told (field P14)', async () => {
    await using system = await openSystem();
    const former = await system.participant('orders', { finish: () => ({ result: 'FINISH_RESULT_UNKNOWN' }) });
    const accounts = await system.participant('accounts');
    const { gtrid } = await system.transaction(former, accounts);
    expect((await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' })).outcome).toBe(
      'OUTCOME_COMMITTED',
    );
    const { gtrid: open } = await system.transaction(former);
    await refused(system);
    const dry = await system.api.accept({ resource: 'orders', dryRun: true });
    expect(dry.pendingCount).toBe(2);
    expect(dry.pending).toMatchObject([
      { gtrid, bqual: 'orders', state: 'TRANSACTION_STATE_COMMITTING', fix: expect.stringContaining('--committed') },
      { gtrid: open, bqual: 'orders', state: 'TRANSACTION_STATE_ACTIVE', fix: expect.stringContaining('--rollback') },
    ]);
    const { code, message } = await refusal(system.api.accept({ ...SAID, requestId: 'r1' }));
    expect(code).toBe('RESOURCE_PENDING');
    expect(message).toContain(gtrid);
    expect(message).toContain(open);
    expect(system.records('resource-registered')).toHaveLength(2);
    former.cut();
    await system.detached(former);
    await refused(system);
    const { explanation } = await system.api.show({ gtrid });
    expect(explanation.join(' ')).toMatch(
      /one is refused: resource orders is the engine engine-of-orders, and this participant speaks for engine-after-upgrade.*Next: bring the database of orders back/,
    );
    // It goes away, an operator settles what only it could finish, and then there is nothing in the way.
    await system.api.rollback({ gtrid: open });
    await system.api.resolve({
      ...{ gtrid, requestId: 'r2', reason: REASON, operator: 'ada@host' },
      ...{ resolution: 'RESOLUTION_BRANCH_COMMITTED', bqual: 'orders' },
    });
    await eventually('nothing is pending', async () => {
      const { pendingCount } = await system.api.accept({ resource: 'orders', dryRun: true });
      return pendingCount === 0;
    });
    await system.api.accept({ ...SAID, requestId: 'r3' });
    await system.participant('orders', NEW);
  });

  it('that nobody has seen, that is another resource, or that is not the one that was shown is not accepted', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    await system.participant('invoices');
    const accept = (more: object) => refusal(system.api.accept({ ...SAID, requestId: 'r1', ...more }));
    expect((await accept({})).code).toBe('RESOURCE_IDENTITY');
    expect((await accept({ resource: 'nowhere' })).code).toBe('RESOURCE_UNKNOWN');
    expect((await accept({ reason: 'short' })).code).toBe('FIELD_INVALID');
    const stranger = system.dial('orders', { hello: { engineIdentity: 'engine-of-invoices' } });
    await stranger.hears('refused');
    expect((await accept({})).message).toContain('registered as resource invoices');
    await refused(system);
    expect((await accept({ engineIdentity: 'engine-of-invoices' })).code).toBe('VERSION_CONFLICT');
    expect((await accept({ engineIdentity: 'engine-of-orders' })).code).toBe('FIELD_INVALID');
    const copy = system.dial('orders', { database: new Map() });
    await copy.hears('refused');
    expect((await accept({})).message).toContain('copy');
    expect(system.records('resource-registered')).toHaveLength(2);
  });
});
