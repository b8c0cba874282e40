// The attach stream: hello, epoch, ready; heartbeats, refusals, and a coordinator or a database that is away.
import { describe, expect, it } from 'vitest';
import { MemoryEngine, type MemoryTransaction } from '../../src/testing/engine/engine.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { CoordinatorError, type ErrorCode } from '../../src/xa/errors.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from './manual-clock.ts';
import { ACCOUNTS, openFixture, ref, statement } from './runtime-fixture.ts';

describe('attaching', () => {
  it('says who it is and what its engine is, and is ready when the epoch is durable in the engine', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.epoch = 7;
    fixture.faults.set('raise-epoch', [{ kind: 'delayed', beforeMs: 100, afterMs: 0 }]);
    const { runtime, session } = await fixture.attach();
    expect(session.heard('hello')).toEqual([
      {
        ...PROTOCOL,
        resource: ACCOUNTS,
        instance: runtime.instance,
        kind: 'PARTICIPANT_KIND_SIDECAR',
        engine: 'memory',
        engineVersion: '1',
        engineIdentity: fixture.engine.identity,
        address: '127.0.0.1:1',
        warnings: [],
        held: [],
        logs: [],
      },
    ]);
    expect(runtime.instance).toMatch(/^[a-z2-7]{12}$/);
    expect(session.heard('ready')[0]?.epoch).toBe('7');
    expect(fixture.engine.raiseEpoch(fixture.coordinator.identity, 1, '').epoch).toBe(7);
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

  it('does not take part where the coordinator has chosen another protocol, and tries again', async () => {
    const refusals: string[] = [];
    await using fixture = await openFixture({ onRefused: ({ message }) => void refusals.push(message) });
    fixture.coordinator.greet = (session) =>
      session.send({ welcome: { ...fixture.coordinator.welcome().welcome, protocol: 9 } });
    fixture.start();
    await eventually('refused twice', () => refusals.length >= 2);
    expect(refusals[0]).toContain('upgrade the participant');
    expect(fixture.coordinator.sessions[0]?.heard('ready')).toEqual([]);
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
    fixture.coordinator.isAlive = false;
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
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 20;
    const { runtime } = await fixture.attach();
    fixture.engine.crash();
    await eventually('the outage is seen', () => !runtime.status.engineAnswers);
    fixture.answering = new MemoryEngine('a-restored-copy');
    const session = await fixture.coordinator.attached(2);
    expect(session.heard('hello')[0]?.engineIdentity).toBe('memory:a-restored-copy');
    expect(fixture.log.named('engine-unreachable')).toHaveLength(1);
  });

  it('attaches anew when another database answers, without any outage, and works with it only if it is taken (field P4)', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 20;
    const { runtime } = await fixture.attach();
    const other = new MemoryEngine('at-the-same-address');
    const epochs = () => other.knownLogs().length;
    fixture.coordinator.refuseWith(new CoordinatorError('RESOURCE_IDENTITY', 'not that one'));
    fixture.answering = other;
    await eventually('it is told', () => fixture.log.named('other-engine').length > 1);
    expect(fixture.log.named('engine-unreachable').map(({ message }) => message)).toEqual([
      `another database answers at the address: ${fixture.engine.identity} is expected, and ${other.identity} is there`,
    ]);
    expect(runtime.status).toMatchObject({ ready: false, engineAnswers: false });
    expect(epochs()).toBe(0);
    fixture.coordinator.greet = (session) => session.send(fixture.coordinator.welcome());
    await eventually('it takes part with it', () => runtime.status.ready && runtime.status.engineAnswers);
    expect(epochs()).toBe(fixture.coordinator.epoch);
  });

  it('a call that was on its way when the address changed hands finds nothing at the other database (field P4)', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 20;
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await session.hears('vote');
    const other = new MemoryEngine('at-the-same-address');
    // It commits the transaction that has the number of ours at the first one.
    other.commit(writing(other, 'b'));
    fixture.faults.set('commit', [{ kind: 'delayed', beforeMs: 50, afterMs: 0 }]);
    session.send({ finish: { ...xid, verb: 'FINISH_VERB_COMMIT', evidence } });
    fixture.answering = other;
    await eventually('the other one is introduced', () => fixture.log.named('other-engine').length > 0);
    await eventually('it takes part with it', () => runtime.status.ready && runtime.status.engineAnswers);
    const heard = fixture.coordinator.sessions.flatMap((each) => each.heard('result'));
    expect(heard.filter(({ result }) => result !== 'FINISH_RESULT_UNKNOWN')).toEqual([]);
    expect(fixture.engine.prepared()).toHaveLength(1);
  });
});

function writing(engine: MemoryEngine, key: string): MemoryTransaction {
  const transaction = engine.begin({ tag: 'x', ended: () => undefined }, { isolation: 'default', readOnly: false });
  engine.write(transaction, key, { kind: 'int', value: 1n });
  return transaction;
}
