// How participants attach: registration, the engine's identity, epochs, silence, and coming back.

import { describe, expect, it } from 'vitest';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

describe('registration', () => {
  it('is forced to the log once for each resource', async () => {
    await using system = await openSystem();
    const before = system.log.status().forcedWrites;
    const first = await system.participant('orders');
    expect(system.log.status().forcedWrites).toBe(before + 1);
    await system.participant('orders');
    first.cut();
    await system.participant('orders');
    expect(system.log.status().forcedWrites).toBe(before + 1);
    expect(system.records('resource-registered')).toEqual([
      { kind: 'resource-registered', resource: 'orders', engine: 'memory', engineIdentity: 'engine-of-orders' },
    ]);
  });

  it('survives a restart: the resource is known although nobody is attached', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    await system.restart();
    expect((await system.api.resources({})).resources).toMatchObject([{ name: 'orders', participants: [] }]);
    await system.participant('orders');
    expect(system.records('resource-registered')).toHaveLength(1);
  });

  it('holds a resource to its engine: another one under its name is refused, also after a restart', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    await system.restart();
    const other = system.dial('orders', { hello: { engineIdentity: 'another-engine' } });
    expect((await other.hears('refused')).reason).toBe('RESOURCE_IDENTITY');
    await other.ended();
    expect(other.heard('welcome')).toEqual([]);
  });

  it('gives one database one name (faults B60)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const other = system.dial('invoices', { hello: { engineIdentity: 'engine-of-orders' } });
    const { reason, message } = await other.hears('refused');
    expect(reason).toBe('RESOURCE_IDENTITY');
    expect(message).toContain('registered as resource orders');
    expect(system.records('resource-registered')).toHaveLength(1);
  });

  it('is won by one of two names for one database that come at once, and a restart does not lock out the winner', async () => {
    await using system = await openSystem();
    system.disk.flushMs = 50;
    const hello = { engineIdentity: 'one-engine' };
    const both = ['orders', 'invoices'].map((resource) => system.dial(resource, { hello }));
    const loser = await eventually('one is refused', () => both.find((one) => one.heard('refused').length > 0));
    expect(loser.heard('refused')[0]?.reason).toBe('RESOURCE_IDENTITY');
    await eventually('the other is welcomed', () => both.some((one) => one.heard('welcome').length > 0));
    expect(system.records('resource-registered')).toHaveLength(1);
    await system.restart();
    const winner = both[0] === loser ? 'invoices' : 'orders';
    await system.participant(winner, { hello });
  });

  it('is won by one of two databases under one name that come at once, and a restart knows it', async () => {
    await using system = await openSystem();
    system.disk.flushMs = 50;
    const identities = ['engine-a', 'engine-b'];
    const both = identities.map((engineIdentity) => system.dial('orders', { hello: { engineIdentity } }));
    const loser = await eventually('one is refused', () => both.find((one) => one.heard('refused').length > 0));
    await eventually('the other is welcomed', () => both.some((one) => one.heard('welcome').length > 0));
    expect(system.records('resource-registered')).toHaveLength(1);
    await system.restart();
    const engineIdentity = both[0] === loser ? 'engine-b' : 'engine-a';
    await system.participant('orders', { hello: { engineIdentity } });
  });
});

describe('a hello', () => {
  const malformed = {
    'of another protocol': { protocolLowest: 9, protocolHighest: 9 },
    'with a malformed resource': { resource: 'Orders' },
    'without an instance': { instance: '' },
    'with a malformed instance': { instance: 'A B' },
    'without an engine identity': { engineIdentity: '' },
    'with an engine identity of 10 KB': { engineIdentity: 'x'.repeat(10_000) },
    'with control characters in its engine identity': { engineIdentity: 'x\u001b[31m' },
    'of no kind': { kind: 'PARTICIPANT_KIND_UNSPECIFIED' as const },
  };
  for (const [name, hello] of Object.entries(malformed)) {
    it(`${name} is refused, and nothing is registered`, async () => {
      await using system = await openSystem();
      const participant = system.dial('orders', { hello });
      expect(['FIELD_INVALID', 'PROTOCOL']).toContain((await participant.hears('refused')).reason);
      await participant.ended();
      expect(system.records('resource-registered')).toEqual([]);
      expect((await system.api.resources({})).resources).toEqual([]);
    });
  }

  it('must come first, and once', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    orders.send({ hello: { ...PROTOCOL, resource: 'orders', instance: 'again' } });
    expect((await orders.hears('refused')).reason).toBe('PROTOCOL');
    await system.detached(orders);
  });

  it('is answered before anything else counts: what is said early is dropped', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const orders = system.dial('orders');
    orders.send({ opened: { gtrid, bqual: 'orders' } });
    await system.attached(orders);
    expect((await system.info(gtrid)).branches).toEqual([]);
  });
});

describe('epochs and identities', () => {
  it('a database that has served a newer epoch refuses this coordinator as an old copy (conformance C18)', async () => {
    await using system = await openSystem();
    const orders = system.dial('orders', { epoch: (welcomed) => welcomed + 1 });
    const refused = await orders.hears('refused');
    expect(refused).toMatchObject({ reason: 'EPOCH_STALE', code: 9 });
    await orders.ended();
    expect((await system.api.resources({})).resources).toMatchObject([{ name: 'orders', participants: [] }]);
    expect(system.events.named('participant-refused')).toHaveLength(1);
  });

  it('a database that has served another life of the same epoch refuses this coordinator as a copy (field R5)', async () => {
    await using system = await openSystem();
    const orders = system.dial('orders', { ready: { lifeToken: 'theother' } });
    expect(await orders.hears('refused')).toMatchObject({ reason: 'EPOCH_STALE' });
    expect((await system.api.resources({})).resources).toMatchObject([{ name: 'orders', participants: [] }]);
  });

  it('a participant that did not believe the epoch does not take part (security X8)', async () => {
    await using system = await openSystem();
    const orders = system.dial('orders', { epoch: () => 0 });
    expect(await orders.hears('refused')).toMatchObject({ reason: 'EPOCH_LEAP' });
    await orders.ended();
  });

  it('a participant that finds the newer epoch later is refused then (conformance H4)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { epoch } = system.log.recovered;
    orders.send({ ready: { epoch: epoch + 1 } });
    expect((await orders.hears('refused')).reason).toBe('EPOCH_STALE');
    await system.detached(orders);
  });

  it('branches of a newer epoch are quarantined and never told anything (D8)', async () => {
    await using system = await openSystem();
    const { identity, epoch } = system.log.recovered;
    const orders = await system.participant('orders');
    const gtrid = `${identity}.${epoch + 1}.0`;
    const found = { reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'xbaaaaaaaaaa' } }] } };
    orders.send(
      found,
      found,
      { opened: { gtrid, bqual: 'orders' } },
      { vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED' } },
    );
    await eventually(
      'it is quarantined',
      async () => (await system.api.resources({})).resources[0]?.quarantinedBranches === 1,
    );
    expect(system.events.named('branch-quarantined')).toHaveLength(1);
    expect((await refusal(system.api.getTransaction({ gtrid }))).code).toBe('TXN_NOT_FOUND');
    expect(orders.told).toEqual([]);
  });

  it('branches of another log are left alone, whatever state they are in (D8)', async () => {
    await using system = await openSystem();
    const { identity, epoch } = system.log.recovered;
    const orders = await system.participant('orders');
    const other = identity.startsWith('a') ? `b${identity.slice(1)}` : `a${identity.slice(1)}`;
    const gtrid = `${other}.${epoch}.0`;
    const own = `${identity}.${epoch}.zz`;
    orders.send(
      { reconcile: { branches: [{ gtrid, bqual: 'orders' }], markers: [`${gtrid}:orders`] } },
      { opened: { gtrid, bqual: 'orders' } },
      { opened: { gtrid: own, bqual: 'orders' } },
    );
    await orders.hears('finish');
    expect(orders.heard('finish').map((finish) => finish.gtrid)).toEqual([own]);
    expect((await system.api.resources({})).resources[0]?.quarantinedBranches).toBe(0);
  });

  it('a participant that speaks for another resource is refused, and what it said does not count (faults B44)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    orders.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED' } });
    expect(await orders.hears('refused')).toMatchObject({ reason: 'NOT_OWNER', code: 7 });
    await system.detached(orders);
    expect((await system.info(gtrid)).branches).toMatchObject([
      { bqual: 'accounts', state: 'BRANCH_STATE_ACTIVE' },
      { bqual: 'orders', state: 'BRANCH_STATE_ACTIVE' },
    ]);
  });

  it('a yes for a transaction that was never begun, or has ended, is told to roll back (faults B45)', async () => {
    await using system = await openSystem();
    const { identity, epoch } = system.log.recovered;
    const orders = await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    await system.api.rollback({ gtrid });
    const never = `${identity}.${epoch}.zzz`;
    for (const one of [gtrid, never]) {
      orders.send({ vote: { gtrid: one, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'xdaaaaaaaaaa' } } });
    }
    await orders.hears('finish', 2);
    expect(orders.heard('finish')).toMatchObject([
      { gtrid, bqual: 'orders', verb: 'FINISH_VERB_ROLLBACK', evidence: { row: 'xdaaaaaaaaaa' }, instance: '' },
      { gtrid: never, bqual: 'orders', verb: 'FINISH_VERB_ROLLBACK', evidence: { row: 'xdaaaaaaaaaa' }, instance: '' },
    ]);
  });
});

describe('presence', () => {
  it('a participant that is silent for three heartbeats is gone; one that beats stays', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const [quiet, beating] = [await system.participant('orders'), await system.participant('accounts')];
    beating.beat(50);
    await system.detached(quiet);
    await quiet.ended();
    expect(quiet.heard('heartbeat').length).toBeGreaterThan(1);
    expect((await system.api.resources({})).resources).toMatchObject([
      { name: 'accounts', participants: [{ instance: beating.instance }] },
      { name: 'orders', participants: [] },
    ]);
  });

  it('nobody is taken for gone because the coordinator itself stood still (faults F19)', async () => {
    const clock = new TestClock(4);
    await using system = await openSystem({ clock });
    const orders = (await system.participant('orders')).beat(1_200);
    clock.skip(60_000);
    await orders.hears('heartbeat', orders.heard('heartbeat').length + 3);
    expect(orders.status).toBeUndefined();
    expect(system.events.named('participant-detached')).toEqual([]);
  });

  it('a second stream of the same instance takes the place of the first', async () => {
    await using system = await openSystem();
    const first = await system.participant('orders', { hello: { instance: 'same' } });
    await system.participant('orders', { hello: { instance: 'same' } });
    await first.ended();
    expect((await system.api.resources({})).resources[0]?.participants).toHaveLength(1);
  });
});
