// The attach stream: hello, epoch, ready; what a broken stream, a newer coordinator and an older one mean for the branches.
import { describe, expect, it } from 'vitest';
import { CoordinatorError, type ErrorCode } from '../../src/xa/errors.ts';
import { eventually } from '../support/eventually.ts';
import { identityOf } from './attach-coordinator.ts';
import { ManualClock } from './manual-clock.ts';
import { ACCOUNTS, committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

describe('attaching', () => {
  it('says who it is and what its engine is, and is ready when the epoch is durable in the engine', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.epoch = 7;
    fixture.faults.set('raise-epoch', [{ kind: 'delayed', beforeMs: 100, afterMs: 0 }]);
    const { runtime, session } = await fixture.attach();
    expect(session.heard('hello')).toEqual([
      {
        protocolVersion: 1,
        resource: ACCOUNTS,
        instance: runtime.instance,
        kind: 'PARTICIPANT_KIND_SIDECAR',
        engine: 'memory',
        engineVersion: '1',
        engineIdentity: fixture.engine.identity,
        address: '127.0.0.1:1',
        warnings: [],
        held: [],
      },
    ]);
    expect(runtime.instance).toMatch(/^[a-z2-7]{12}$/);
    expect(session.heard('ready')[0]?.epoch).toBe('7');
    expect(fixture.engine.raiseEpoch(fixture.coordinator.identity, 1)).toBe(7);
    await runtime.firstReady;
    expect(runtime.status).toEqual({ ready: true, engineAnswers: true, draining: false });
  });

  it('obeys nothing before it is ready', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.greet = (session) =>
      session.send(fixture.coordinator.welcome(), { prepare: ref(fixture.xid()) });
    fixture.faults.set('raise-epoch', [{ kind: 'delayed', beforeMs: 100, afterMs: 0 }]);
    const { session } = await fixture.attach();
    const xid = fixture.xid();
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote')).toMatchObject(ref(xid));
  });

  it('carries what preflight warns of', async () => {
    await using fixture = await openFixture({
      through: (rm) =>
        new Proxy(rm, {
          get: (target, name) =>
            name === 'preflight'
              ? async () => [{ fatal: false, check: 'slots', message: 'few are left.', fix: 'Raise them.' }]
              : Reflect.get(target, name).bind(target),
        }),
    });
    const { session } = await fixture.attach();
    expect(session.heard('hello')[0]?.warnings).toEqual(['slots: few are left. Raise them.']);
    expect(fixture.log.named('preflight')).toMatchObject([{ check: 'slots', fatal: false }]);
  });

  it('keeps trying while the engine is down, says so once, and attaches when it is back', async () => {
    await using fixture = await openFixture({ prepare: (_, engine) => engine.crash() });
    const runtime = fixture.start();
    await eventually('several attempts', () => fixture.calls.filter((verb) => verb === 'identify').length > 2);
    expect(fixture.coordinator.sessions).toHaveLength(0);
    expect(fixture.log.named('engine-unreachable')).toHaveLength(1);
    fixture.engine.start();
    await runtime.firstReady;
  });

  it('keeps trying while nobody listens, at growing intervals', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    fixture.coordinator.die();
    const runtime = fixture.start();
    const delays: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      const failed = await eventually('an attempt fails', () => fixture.log.named('detached')[attempt - 1]);
      delays.push(Number(failed['retryInMs']));
      clock.advance(5_000);
    }
    expect(delays[0]).toBeLessThanOrEqual(100);
    expect(delays[7]).toBeGreaterThanOrEqual(2_500);
    expect(Math.max(...delays)).toBeLessThanOrEqual(5_000);
    await fixture.coordinator.start();
    await eventually('ready', () => {
      clock.advance(1_000);
      return runtime.status.ready;
    });
  });

  it.each<ErrorCode>(['RESOURCE_IDENTITY', 'LIMIT_SESSIONS'])('tries again when it is refused: %s', async (code) => {
    const refusals: [string, boolean][] = [];
    await using fixture = await openFixture({
      onRefused: (error, { wasReady }) => void refusals.push([error.code, wasReady]),
    });
    fixture.coordinator.refuseWith(new CoordinatorError(code, 'not you'));
    fixture.start();
    await eventually('refused twice', () => refusals.length >= 2);
    expect(refusals[0]).toEqual([code, false]);
    fixture.coordinator.greet = (session) => session.send(fixture.coordinator.welcome());
    await fixture.coordinator.attached();
  });

  it('sends heartbeats, and gives a silent coordinator up after three intervals', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    fixture.coordinator.heartbeatIntervalMs = 1_000;
    fixture.coordinator.reconcileIntervalMs = 60_000;
    const { runtime, session } = await fixture.attach();
    clock.advance(1_000);
    await session.hears('heartbeat');
    session.send({ heartbeat: {} });
    session.send({ scan: { id: 1 } });
    await session.hears('scanResult');
    clock.advance(3_000);
    await session.hears('heartbeat', 4);
    expect(runtime.status.ready).toBe(true);
    clock.advance(1_000);
    expect(runtime.status.ready).toBe(false);
    clock.advance(100);
    await fixture.coordinator.attached(2);
  });

  it('attaches anew when another database answers after an outage', async () => {
    let identity: string | undefined;
    await using fixture = await openFixture({
      through: (rm) =>
        new Proxy(rm, {
          get: (target, name) =>
            name === 'identify' && identity !== undefined
              ? async () => ({ engine: 'memory', version: '1', identity })
              : Reflect.get(target, name).bind(target),
        }),
    });
    fixture.coordinator.reconcileIntervalMs = 20;
    const { runtime } = await fixture.attach();
    fixture.engine.crash();
    await eventually('the outage is seen', () => !runtime.status.engineAnswers);
    identity = 'memory:a-restored-copy';
    fixture.engine.start();
    const session = await fixture.coordinator.attached(2);
    expect(session.heard('hello')[0]?.engineIdentity).toBe(identity);
    expect(fixture.log.named('engine-unreachable')).toHaveLength(1);
  });
});

describe('a broken stream', () => {
  it('leaves the branches as they are: the next hello names them, and they go on', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [open, prepared] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(open, 1, 'set a 1'));
    await runtime.execute(statement(prepared, 1, 'set b 1', { last: true }));
    const { evidence } = await session.hears('vote');
    session.break();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('hello')[0]?.instance).toBe(runtime.instance);
    expect(again.heard('hello')[0]?.held).toEqual([
      { ...ref(open), vote: 'VOTE_UNSPECIFIED', evidence: '' },
      { ...ref(prepared), vote: 'VOTE_PREPARED', evidence },
    ]);
    await runtime.execute(statement(open, 2, 'set c 1', { last: true }));
    expect(await again.hears('vote')).toMatchObject({ ...ref(open), vote: 'VOTE_PREPARED' });
  });

  it('a vote given while nobody listens is in the next hello', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.coordinator.die();
    await eventually('detached', () => !runtime.status.ready);
    await runtime.execute(statement(xid, 2, 'set b 1', { last: true }));
    expect((await refusal(runtime.execute(statement(fixture.xid(), 1, 'set c 1')))).code).toBe('RESOURCE_UNAVAILABLE');
    await fixture.coordinator.start();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('hello')[0]?.held).toMatchObject([{ ...ref(xid), vote: 'VOTE_PREPARED' }]);
    expect(session.heard('vote')).toEqual([]);
  });

  it('a vote given between hello and ready is told after ready', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.coordinator.greet = () => undefined;
    session.break();
    const again = await eventually(
      'hello',
      () => fixture.coordinator.sessions[1]?.heard('hello')[0] && fixture.coordinator.sessions[1],
    );
    await runtime.execute(statement(xid, 2, 'set b 1', { last: true }));
    again.send(fixture.coordinator.welcome());
    expect(await again.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED' });
    expect(
      again.received.map(({ body }) => body).filter((body) => body !== 'heartbeat' && body !== 'reconcile'),
    ).toEqual(['hello', 'ready', 'vote']);
  });
});

describe('another life of the coordinator', () => {
  it.each([
    ['a newer epoch', 'abcdefghij', 2],
    ['another log', 'bcdefghijk', 1],
  ])('%s rolls back open branches at once, and leaves prepared ones to reconciliation', async (_, identity, epoch) => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [open, prepared] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(open, 1, 'set a 1'));
    await runtime.execute(statement(prepared, 1, 'set b 1', { last: true }));
    fixture.coordinator.identity = identityOf(identity);
    fixture.coordinator.epoch = epoch;
    session.break();
    await fixture.coordinator.attached(2);
    expect((await refusal(runtime.execute(statement(open, 2, 'set c 1')))).code).toBe('BRANCH_UNKNOWN');
    expect((await refusal(runtime.execute(statement(prepared, 2, 'set c 1')))).code).toBe('BRANCH_UNKNOWN');
    await runtime.execute(statement(fixture.xid(), 1, 'set a 2'));
    expect(fixture.engine.prepared().map(({ id }) => id)).toEqual([`${prepared.gtrid}:${prepared.bqual}`]);
    expect(runtime.held).toBe(1);
  });

  it('a newer epoch finds the prepared branches by reconciliation and finishes them', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    fixture.coordinator.epoch = 2;
    session.break();
    const again = await fixture.coordinator.attached(2);
    const { branches } = await again.hears('reconcile');
    expect(branches).toMatchObject([ref(xid)]);
    again.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence: branches[0]?.evidence ?? '' } });
    expect((await again.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, 'a')).toBe(1n);
  });

  it('an older epoch than the engine has served is told so, and nothing is done for it', async () => {
    await using fixture = await openFixture({
      prepare: (coordinator, engine) => void engine.raiseEpoch(coordinator.identity, 5),
    });
    fixture.coordinator.epoch = 3;
    const { runtime, session } = await fixture.attach();
    expect(session.heard('ready')[0]?.epoch).toBe('5');
    session.send({ finish: { ...ref(fixture.xid()), verb: 'FINISH_VERB_ROLLBACK' } }, { prepare: ref(fixture.xid()) });
    const refused = await refusal(runtime.execute(statement(fixture.xid(), 1, 'set a 1')));
    expect(refused.code).toBe('RESOURCE_UNAVAILABLE');
    session.end();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('ready')[0]?.epoch).toBe('5');
    expect(session.received.map(({ body }) => body).filter((body) => body !== 'heartbeat')).toEqual(['hello', 'ready']);
    expect(fixture.calls).not.toContain('rollback');
    expect(fixture.log.named('epoch-stale').length).toBeGreaterThan(0);
  });

  it('an epoch that becomes old while it is served is not served any more', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 20;
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.engine.raiseEpoch(fixture.coordinator.identity, 9);
    expect((await session.hears('ready', 2)).epoch).toBe('9');
    expect(runtime.status.ready).toBe(false);
    expect((await refusal(runtime.execute(statement(xid, 2, 'set a 2')))).code).toBe('BRANCH_UNKNOWN');
    session.send({ prepare: ref(fixture.xid()) });
    session.end();
    await fixture.coordinator.attached(2);
    expect(session.heard('vote')).toEqual([]);
  });
});
