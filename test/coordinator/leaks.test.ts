// What is over leaves nothing behind: no timer, no owner, no lease, no call that is made for ever.

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Calls } from '../../src/coordinator/calls/calls.ts';
import { Directory } from '../../src/coordinator/calls/directory.ts';
import { Leases } from '../../src/coordinator/driver/leases.ts';
import type { HeldTransaction } from '../../src/coordinator/driver/transaction.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { type Bqual, type Gtrid, gtridParts, type LogIdentity } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';

describe('a stopped coordinator', () => {
  it('has no timer left, whatever was going on', async () => {
    const clock = new TestClock();
    await using system = await openSystem({ clock });
    const accounts = await system.participant('accounts', { finish: silent });
    const orders = await system.participant('orders', { prepare: silent });
    const session = await system.session();
    const { gtrid: active } = await system.transaction(accounts);
    const { gtrid: onePhase } = await system.transaction(accounts);
    const { gtrid: preparing } = await system.transaction(accounts, orders);
    const { gtrid: deciding } = await system.transaction(accounts);
    session.send({ id: session.id(), begin: { gtrid: session.gtrid() } });
    const waiting = [onePhase, preparing, deciding].map((gtrid) => system.api.commit({ gtrid }).catch(() => undefined));
    await orders.hears('prepare');
    const shown = system.api.show({ gtrid: active, probe: true });
    await shown;
    await system.coordinator.stop();
    await system.log[Symbol.asyncDispose]();
    await Promise.all(waiting);
    await eventually('every stream has noticed', () => clock.pending === 0, 2_000);
  });

  it('has none even when the log answers after the stop', async () => {
    const clock = new TestClock();
    await using system = await openSystem({ clock });
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.flushMs = 300;
    const waiting = system.api.commit({ gtrid }).catch(() => undefined);
    await eventually(
      'the decision is with the log',
      async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_DECIDING',
    );
    await system.coordinator.stop();
    await system.log[Symbol.asyncDispose]();
    await waiting;
    await turn();
    expect(clock.pending).toBe(0);
    expect(system.records('decided')).toHaveLength(1);
  });

  it('has none after a drain that had nothing to wait for', async () => {
    const clock = new TestClock();
    await using system = await openSystem({ clock, drainGraceMs: 60_000 });
    await system.coordinator.drain();
    await system.log[Symbol.asyncDispose]();
    expect(clock.pending).toBe(0);
  });
});

describe('a completed transaction', () => {
  it('no longer holds the session that began it', async () => {
    await using system = await openSystem();
    const session = await system.session();
    const gtrid = session.gtrid() as Gtrid;
    session.send({ id: session.id(), begin: { gtrid } });
    await session.ask({ commit: { gtrid } });
    const transaction = system.coordinator.transactions.find(gtrid) as HeldTransaction;
    expect(transaction.state.kind).toBe('completed');
    expect(transaction.owner).toBeUndefined();
    expect(transaction.waiters).toEqual([]);
  });
});

describe('a session', () => {
  const identity = 'abcdefghij' as LogIdentity;
  const nobody = { ended: () => undefined };

  it('keeps its newest leases only, however many it asks for', () => {
    const leases = new Leases(identity, 1);
    const granted = Array.from({ length: 1_000 }, () => leases.grant(nobody));
    const owned = granted.filter(
      ({ first }) => leases.ownerOf(`abcdefghij.1.${first.toString(36)}` as Gtrid) === nobody,
    );
    expect(owned.length).toBeLessThanOrEqual(100);
    expect(owned.at(-1)).toEqual(granted.at(-1));
    expect(owned.length).toBeGreaterThan(10);
  });

  it('that was ended for its frame takes nothing more: no lease, no transaction', async () => {
    await using system = await openSystem();
    const session = await system.session();
    const full = Array.from({ length: 201 }, () => ({ id: 1, lease: {} }));
    const more = Array.from({ length: 100 }, (_, n) => ({ id: n + 2, lease: {} }));
    session.send(...full);
    for (let n = 0; n < 5; n += 1) {
      session.send(...more);
    }
    await session.ended();
    const next = await system.session();
    expect(next.welcome.lease?.first).toBe('1000');
  });
});

describe('calls', () => {
  it('to resources that nobody knows leave nothing behind', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const branches = Array.from({ length: 64 }, (_, n) => ({ bqual: `nobody-${n}` }));
    await system.api.rollback({ gtrid, branches });
    expect(system.coordinator.calls.resources).toBe(0);
  });

  it('that are started after the end are not made, and set no timer', () => {
    const clock = new TestClock();
    const calls = new Calls(new Directory(), clock, () => undefined);
    calls.close();
    const bqual = 'orders' as Bqual;
    calls.start('abcdefghij.1.0' as Gtrid, {
      kind: 'finish',
      verb: 'commit',
      bqual,
      instance: undefined,
      evidence: NO_EVIDENCE,
    });
    expect(clock.pending).toBe(0);
  });
});

it('ids are never issued twice, also when leases and unary calls alternate', () => {
  const leases = new Leases('abcdefghij' as LogIdentity, 1);
  const seen = new Set<number>();
  for (let n = 0; n < 3_000; n += 1) {
    if (n % 100 === 0) {
      const { first, count } = leases.grant({ ended: () => undefined });
      for (let at = first; at < first + count; at += 1) {
        expect(seen.has(at)).toBe(false);
        seen.add(at);
      }
    }
    const { sequence } = gtridParts(leases.next());
    expect(seen.has(sequence)).toBe(false);
    seen.add(sequence);
  }
});
