// Reconciliation: what the engine lists as prepared, told to the coordinator.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { formatRow, newOpening } from '../../src/xa/evidence.ts';
import { formatXid, type Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { identityOf } from './attach-coordinator.ts';
import { ManualClock } from './manual-clock.ts';
import { type Fixture, openFixture, ref, statement } from './runtime-fixture.ts';

/** Prepares a branch behind the participant's back, as another life or an application would have. */
function leavePrepared(fixture: Fixture, xid: Xid): void {
  const { engine } = fixture;
  const session = { tag: 'elsewhere', ended: () => undefined };
  const transaction = engine.begin(session, { isolation: 'default', readOnly: false });
  engine.write(transaction, formatXid(xid), { kind: 'int', value: 1n });
  engine.prepare(transaction, formatRow({ ...xid, opening: newOpening(systemRandom) }), fixture.clock.now());
}

describe('reconciliation', () => {
  it('names every prepared branch of our log and our resource, of whatever epoch, and no other', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.epoch = 5;
    const ours = [fixture.xid({ epoch: 2 }), fixture.xid(), fixture.xid({ epoch: 9 }), fixture.xid({ n: 2 })];
    const others = [fixture.xid({ identity: identityOf('bcdefghijk') }), fixture.xid({ resource: 'orders' })];
    for (const xid of [...ours, ...others]) {
      leavePrepared(fixture, xid);
    }
    const { session } = await fixture.attach();
    const { branches } = await session.hears('reconcile');
    expect(branches.map(({ gtrid, bqual }) => ({ gtrid, bqual }))).toEqual(ours.map(ref));
    expect(branches[0]?.evidence).toHaveProperty('row');
  });

  it('takes no log and no resource for ours that only begins like it (conformance H1)', async () => {
    await using fixture = await openFixture();
    const ours = fixture.xid();
    const alike = [fixture.xid({ identity: identityOf('abcdefghii') }), fixture.xid({ resource: 'accounts-2' })];
    for (const xid of [...alike, ours]) {
      leavePrepared(fixture, xid);
    }
    const { session } = await fixture.attach();
    const { branches } = await session.hears('reconcile');
    expect(branches.map(({ gtrid, bqual }) => ({ gtrid, bqual }))).toEqual([ref(ours)]);
  });

  it('finds the three of ours among ten thousand prepared branches, in bounded time (conformance G11)', async () => {
    await using fixture = await openFixture();
    const stranger = identityOf('bcdefghijk');
    for (let n = 0; n < 9_997; n += 1) {
      leavePrepared(fixture, fixture.xid({ identity: stranger }));
    }
    const ours = [fixture.xid(), fixture.xid(), fixture.xid()];
    for (const xid of ours) {
      leavePrepared(fixture, xid);
    }
    const { session } = await fixture.attach();
    const { branches } = await session.hears('reconcile');
    expect(branches.map(({ gtrid, bqual }) => ({ gtrid, bqual }))).toEqual(ours.map(ref));
    session.send({ finish: { ...ref(ours[0] ?? fixture.xid()), verb: 'FINISH_VERB_ROLLBACK' } });
    await session.hears('result');
    expect(fixture.engine.prepared()).toHaveLength(9_999);
  });

  it('comes after ready and every interval from then on, also with nothing to tell', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    fixture.coordinator.reconcileIntervalMs = 3_000;
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    const { session } = await fixture.attach();
    expect((await session.hears('reconcile')).branches).toEqual([]);
    await eventually('the next is due', () => clock.delays().includes(3_000));
    clock.advance(2_999);
    leavePrepared(fixture, fixture.xid());
    clock.advance(1);
    expect((await session.hears('reconcile', 2)).branches).toHaveLength(1);
    expect(session.heard('reconcile')).toHaveLength(2);
  });

  it('leaves out what was prepared here less than an interval ago, and names it later', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    fixture.coordinator.reconcileIntervalMs = 1_000;
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    const { runtime, session } = await fixture.attach();
    await eventually('the next is due', () => clock.delays().includes(1_000));
    const xid = fixture.xid();
    clock.advance(500);
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    clock.advance(500);
    expect((await session.hears('reconcile', 2)).branches).toEqual([]);
    await eventually('the next is due', () => clock.delays().includes(1_000));
    clock.advance(1_000);
    expect((await session.hears('reconcile', 3)).branches).toMatchObject([ref(xid)]);
  });

  it('leaves out a branch with a finish call under way, and one that was finished while the engine listed', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 60_000;
    const [moving, finished] = [fixture.xid(), fixture.xid()];
    leavePrepared(fixture, moving);
    leavePrepared(fixture, finished);
    // The first list belongs to the introduction.
    const lists = [0, 200].map((afterMs) => ({ kind: 'delayed', beforeMs: 0, afterMs }) as const);
    fixture.faults.set('list', lists);
    fixture.faults.set('rollback', [{ kind: 'delayed', beforeMs: 400, afterMs: 0 }]);
    const { session } = await fixture.attach();
    await eventually('the engine lists', () => fixture.calls.filter((call) => call === 'list').length === 2);
    session.send({ finish: { ...ref(moving), verb: 'FINISH_VERB_ROLLBACK' } });
    session.send({ finish: { ...ref(finished), verb: 'FINISH_VERB_ROLLBACK' } });
    expect((await session.hears('result')).gtrid).toBe(finished.gtrid);
    expect((await session.hears('reconcile')).branches).toEqual([]);
    expect(fixture.engine.prepared()).toHaveLength(1);
    await session.hears('result', 2);
  });

  it('leaves out a branch whose finish call takes longer than an interval', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 20;
    const [slow, other] = [fixture.xid(), fixture.xid()];
    leavePrepared(fixture, slow);
    const { session } = await fixture.attach();
    await session.hears('reconcile');
    fixture.faults.set('rollback', [{ kind: 'delayed', beforeMs: 300, afterMs: 0 }]);
    session.send({ finish: { ...ref(slow), verb: 'FINISH_VERB_ROLLBACK' } });
    await eventually('it is under way', () => fixture.calls.includes('rollback'));
    leavePrepared(fixture, other);
    const named = (xid: Xid): number =>
      session.heard('reconcile').filter(({ branches }) => branches.some(({ gtrid }) => gtrid === xid.gtrid)).length;
    await eventually('the other one is named', () => named(other) > 0);
    const before = named(slow);
    await eventually('the other one is named again', () => named(other) > 3);
    expect(named(slow)).toBe(before);
    expect(session.heard('result')).toEqual([]);
    await session.hears('result');
  });

  it('tells long lists in several messages', async () => {
    await using fixture = await openFixture();
    const xids = Array.from({ length: 1_200 }, () => fixture.xid());
    for (const xid of xids) {
      leavePrepared(fixture, xid);
    }
    const { session } = await fixture.attach();
    await session.hears('reconcile', 3);
    const lists = session.heard('reconcile').slice(0, 3);
    expect(lists.map(({ branches }) => branches.length)).toEqual([500, 500, 200]);
    expect(lists.flatMap(({ branches }) => branches.map(({ gtrid }) => gtrid))).toEqual(xids.map(({ gtrid }) => gtrid));
  });

  it('of an embedded participant does not list the engine again', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    fixture.coordinator.reconcileIntervalMs = 10;
    leavePrepared(fixture, fixture.xid());
    const { session } = await fixture.attach();
    fixture.calls.length = 0; // It has listed the engine when it introduced itself.
    await eventually('several ticks', () => fixture.calls.filter((verb) => verb === 'raise-epoch').length > 3);
    expect(fixture.calls).not.toContain('list');
    expect(session.heard('reconcile')).toEqual([]);
  });

  it('that fails is said once for each outage, and goes on afterwards', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 10;
    const { runtime, session } = await fixture.attach();
    await session.hears('reconcile');
    fixture.engine.crash();
    const tried = fixture.calls.length;
    await eventually('several ticks', () => fixture.calls.length > tried + 5);
    expect(fixture.log.named('engine-unreachable')).toHaveLength(1);
    expect(runtime.status).toMatchObject({ ready: true, engineAnswers: false });
    fixture.engine.start();
    await eventually('the engine is back', () => runtime.status.engineAnswers);
    const told = session.heard('reconcile').length;
    await session.hears('reconcile', told + 1);
    expect(fixture.log.named('engine-back')).toHaveLength(1);
    expect(fixture.coordinator.sessions).toHaveLength(1);
  });

  it('lets go of a prepared branch that somebody else has finished', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 10;
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    await eventually('it is reported', () => session.heard('reconcile').some(({ branches }) => branches.length > 0));
    expect(runtime.held).toBe(1);
    const prepared = fixture.engine.prepared().find(({ id }) => id.startsWith(formatXid(xid)));
    fixture.engine.finish(prepared?.id ?? '', 'commit');
    await eventually('it is let go', () => runtime.held === 0);
  });
});
