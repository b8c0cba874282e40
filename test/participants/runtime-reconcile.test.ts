// Reconciliation, markers, forgetting, scans and probes: what the engine holds, told to the coordinator.
import { describe, expect, it } from 'vitest';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { formatXid, type LogIdentity, type Xid } from '../../src/xa/xid.ts';
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
  engine.prepare(transaction, formatXid(xid), fixture.clock.now());
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
    expect(branches[0]?.evidence).toMatch(/^memory:/);
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
    fixture.faults.set('list', [{ kind: 'delayed', beforeMs: 0, afterMs: 200 }]);
    fixture.faults.set('rollback', [{ kind: 'delayed', beforeMs: 400, afterMs: 0 }]);
    const { session } = await fixture.attach();
    await eventually('the engine lists', () => fixture.calls.includes('list'));
    session.send({ finish: { ...ref(moving), verb: 'FINISH_VERB_ROLLBACK' } });
    session.send({ finish: { ...ref(finished), verb: 'FINISH_VERB_ROLLBACK' } });
    expect((await session.hears('result')).gtrid).toBe(finished.gtrid);
    expect((await session.hears('reconcile')).branches).toEqual([]);
    expect(fixture.engine.prepared()).toHaveLength(1);
    await session.hears('result', 2);
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

  it('of an embedded participant never lists the engine', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    fixture.coordinator.reconcileIntervalMs = 10;
    leavePrepared(fixture, fixture.xid());
    const { session } = await fixture.attach();
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
    fixture.engine.finish(formatXid(xid), 'commit');
    await eventually('it is let go', () => runtime.held === 0);
  });
});

describe('evidence rows', () => {
  interface Rows {
    found: Xid[];
    readonly forgotten: Xid[][];
    failing: boolean;
  }

  function withRows(rows: Rows): (rm: ResourceManager) => ResourceManager {
    return (rm) =>
      new Proxy(rm, {
        get(target, name) {
          if (name === 'markers') {
            return async (identity: LogIdentity) => rows.found.filter(({ gtrid }) => gtrid.startsWith(identity));
          }
          if (name === 'forget') {
            return async (xids: Xid[]) => {
              rows.forgotten.push(xids);
              if (rows.failing) {
                throw new Error('no');
              }
            };
          }
          return Reflect.get(target, name).bind(target);
        },
      });
  }

  it('are told after ready and once a minute, without those of held branches and other resources', async () => {
    const clock = new ManualClock();
    const rows: Rows = { found: [], forgotten: [], failing: false };
    await using fixture = await openFixture({ clock, through: withRows(rows) });
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    fixture.coordinator.reconcileIntervalMs = 30_000;
    rows.found = Array.from({ length: 501 }, () => fixture.xid());
    const { runtime, session } = await fixture.attach();
    const markers = (): string[] => session.heard('reconcile').flatMap((reconcile) => reconcile.markers);
    await eventually('all are told', () => markers().length === 501);
    expect(session.heard('reconcile').map((reconcile) => reconcile.markers.length)).toEqual([0, 500, 1]);
    const held = fixture.xid();
    await runtime.execute(statement(held, 1, 'set a 1', { timeoutMs: 3_600_000 }));
    const ended = fixture.xid();
    rows.found = [held, ended, fixture.xid({ resource: 'orders' })];
    clock.advance(30_000);
    await session.hears('reconcile', 4);
    await eventually('the next is due', () => clock.delays().includes(30_000));
    session.send({ heartbeat: {} });
    clock.advance(30_000);
    await eventually('they are told again', () => markers().length > 501);
    expect(markers().slice(501)).toEqual([formatXid(ended)]);
  });

  it('are deleted in batches when the coordinator says so, and a failure stops nothing', async () => {
    const clock = new ManualClock();
    const rows: Rows = { found: [], forgotten: [], failing: true };
    await using fixture = await openFixture({ clock, through: withRows(rows) });
    const { session } = await fixture.attach();
    const xids = Array.from({ length: 700 }, () => fixture.xid());
    const stranger = fixture.xid({ identity: identityOf('bcdefghijk') });
    session.send({ forget: { branches: [ref(stranger), ...xids.slice(0, 300).map(ref)] } });
    session.send({ forget: { branches: xids.slice(300).map(ref) } });
    await eventually('the full batch goes at once', () => rows.forgotten.length === 1);
    expect(rows.forgotten[0]).toEqual(xids.slice(0, 500));
    await eventually('the failure is said', () => fixture.log.named('forget-failed').length === 1);
    rows.failing = false;
    clock.advance(1_000);
    await eventually('the rest goes a second later', () => rows.forgotten.length === 2);
    expect(rows.forgotten[1]).toEqual(xids.slice(500));
  });
});

describe('what operators ask', () => {
  it('a scan shows every branch with its age and whom it blocks, and what preflight finds now', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [ours, waiting] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(ours, 1, 'set a 1', { last: true }));
    const stranger = fixture.xid({ identity: identityOf('bcdefghijk') });
    leavePrepared(fixture, stranger);
    const blocked = runtime.execute(statement(waiting, 1, 'set a 2')).catch(() => undefined);
    await eventually('it waits', () => fixture.calls.filter((verb) => verb === 'execute').length === 2);
    session.send({ scan: { id: 7 } });
    const result = await session.hears('scanResult');
    expect(result).toMatchObject({ id: 7, findings: [], error: null });
    expect(result.branches.map(({ gtrid, ours, blockedSessions }) => [gtrid, ours, blockedSessions])).toEqual([
      [ours.gtrid, true, 1],
      [stranger.gtrid, false, 0],
    ]);
    session.send({ finish: { ...ref(ours), verb: 'FINISH_VERB_ROLLBACK' } });
    await blocked;
  });

  it('a scan of an engine that is down says why', async () => {
    await using fixture = await openFixture();
    const { session } = await fixture.attach();
    fixture.engine.crash();
    session.send({ scan: { id: 8 } }, { probe: { id: 9, ...ref(fixture.xid()), evidence: '' } });
    expect(await session.hears('scanResult')).toMatchObject({ id: 8, error: { code: 'ENGINE_UNAVAILABLE' } });
    expect(await session.hears('probeResult')).toMatchObject({
      id: 9,
      proof: 'BRANCH_PROOF_UNSPECIFIED',
      error: { code: 'ENGINE_UNAVAILABLE' },
    });
  });

  it('a probe of a branch at work says so without touching its session', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send({ probe: { id: 3, ...ref(xid), evidence: '' } });
    expect(await session.hears('probeResult')).toMatchObject({ id: 3, proof: 'BRANCH_PROOF_ACTIVE' });
    expect(fixture.calls).not.toContain('probe');
    await runtime.execute(statement(xid, 2, 'set a 2'));
  });

  it('a probe of any other branch says what the engine shows', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await session.hears('vote');
    session.send({ probe: { id: 4, ...ref(xid), evidence: '' } });
    expect(await session.hears('probeResult')).toMatchObject({ proof: 'BRANCH_PROOF_PREPARED', evidence });
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
    await session.hears('result');
    session.send(
      { probe: { id: 5, ...ref(xid), evidence } },
      { probe: { id: 6, ...ref(fixture.xid()), evidence: '' } },
    );
    expect((await session.hears('probeResult', 2)).proof).toBe('BRANCH_PROOF_COMMITTED');
    expect((await session.hears('probeResult', 3)).proof).toBe('BRANCH_PROOF_UNPROVEN');
  });
});
