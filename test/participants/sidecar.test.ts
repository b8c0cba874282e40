import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { CoordinatorError, type ErrorCode, EXIT } from '../../src/xa/errors.ts';
import { eventually } from '../support/eventually.ts';
import { startAttachCoordinator } from './attach-coordinator.ts';
import { ref } from './runtime-fixture.ts';
import { Application, freshBranch, health, startSidecar } from './sidecar-fixture.ts';

function memory(engine: MemoryEngine): () => ResourceManager {
  return () => openMemoryResourceManager({ engine, clock: systemClock });
}

describe('health', () => {
  it('is SERVING while the sidecar takes part and its database answers', async () => {
    await using coordinator = await startAttachCoordinator();
    coordinator.reconcileIntervalMs = 20;
    const greet = coordinator.greet;
    coordinator.greet = () => undefined;
    const engine = new MemoryEngine('health');
    await using started = await startSidecar(coordinator, { engine: memory(engine) });
    const { address } = started.sidecar;
    const both = async (): Promise<string[]> => [
      await health(address),
      await health(address, 'concordat.v1.ResourceService'),
    ];
    await eventually('hello', () => coordinator.sessions[0]?.heard('hello')[0]);
    expect(await both()).toEqual(['NOT_SERVING', 'NOT_SERVING']);
    coordinator.greet = greet;
    coordinator.sessions[0]?.break();
    await started.sidecar.ready;
    expect(await both()).toEqual(['SERVING', 'SERVING']);
    engine.crash();
    await eventually('the outage is seen', async () => (await health(address)) === 'NOT_SERVING');
    engine.start();
    await eventually('it is over', async () => (await health(address)) === 'SERVING');
    coordinator.die();
    await eventually('the coordinator is missed', async () => (await health(address)) === 'NOT_SERVING');
  });
});

describe('the start', () => {
  it('ends with every fatal finding and its fix when the database cannot take part', async () => {
    await using coordinator = await startAttachCoordinator();
    const findings = [
      { fatal: true, check: 'slots', message: 'There are none.', fix: 'Raise them.' },
      { fatal: false, check: 'version', message: 'It is old.', fix: 'Upgrade.' },
      { fatal: true, check: 'grants', message: 'They are missing.', fix: 'Grant them.' },
    ];
    const rm = memory(new MemoryEngine('bad'))();
    const bad = new Proxy(rm, {
      get: (target, name) => (name === 'preflight' ? async () => findings : Reflect.get(target, name).bind(target)),
    });
    await using started = await startSidecar(coordinator, { engine: () => bad });
    expect(await started.sidecar.ended).toBe(EXIT.usage);
    expect(started.sidecar.failure).toMatchObject({ code: 'PREFLIGHT_FAILED' });
    expect(started.sidecar.failure?.message).toBe(
      'slots: There are none. Raise them.\ngrants: They are missing. Grant them.',
    );
    expect(coordinator.sessions).toHaveLength(0);
    expect(started.log.named('preflight').map(({ check, fix }) => [check, fix])).toEqual([
      ['slots', 'Raise them.'],
      ['grants', 'Grant them.'],
    ]);
  });

  it('waits for a database that is away, and says so once', async () => {
    await using coordinator = await startAttachCoordinator();
    const engine = new MemoryEngine('away');
    engine.crash();
    await using started = await startSidecar(coordinator, { engine: memory(engine) });
    using application = new Application(started.sidecar.address);
    const refused = await application.refusal({ ...ref(freshBranch(coordinator)), sql: 'set a 1', statement: 1 });
    expect(refused.code).toBe('RESOURCE_UNAVAILABLE');
    await eventually('it is said', () => started.log.named('engine-unreachable').length === 1);
    engine.start();
    await started.sidecar.ready;
    expect(started.log.named('engine-unreachable')).toHaveLength(1);
  });

  it('stops at once while it still waits for its database', async () => {
    await using coordinator = await startAttachCoordinator();
    const engine = new MemoryEngine('away');
    engine.crash();
    await using started = await startSidecar(coordinator, { engine: memory(engine) });
    await eventually('it waits', () => started.log.named('engine-unreachable').length === 1);
    started.sidecar.signal();
    expect(await started.sidecar.ended).toBe(EXIT.ok);
  });

  it.each<ErrorCode>(['RESOURCE_IDENTITY', 'PROTOCOL', 'NOT_OWNER'])(
    'ends when the coordinator will never take it: %s',
    async (code) => {
      await using coordinator = await startAttachCoordinator();
      coordinator.refuseWith(new CoordinatorError(code, 'never'));
      await using started = await startSidecar(coordinator);
      expect(await started.sidecar.ended).toBe(EXIT.notAllowed);
      expect(started.sidecar.failure).toMatchObject({ code, message: 'never' });
    },
  );

  it('goes on trying when it is refused for what can be fixed, or after it took part once', async () => {
    await using coordinator = await startAttachCoordinator();
    coordinator.refuseWith(new CoordinatorError('LIMIT_SESSIONS', 'full'));
    await using started = await startSidecar(coordinator);
    await eventually('refused twice', () => coordinator.sessions.length >= 2);
    coordinator.greet = (session) => session.send(coordinator.welcome());
    const session = await coordinator.attached();
    await started.sidecar.ready;
    coordinator.refuseWith(new CoordinatorError('RESOURCE_IDENTITY', 'not any more'));
    const before = coordinator.sessions.length;
    session.break();
    await eventually('refused twice', () => coordinator.sessions.length >= before + 2);
    expect(started.sidecar.failure).toBeUndefined();
  });

  it.each([
    ['listen', '127.0.0.1'],
    ['resource', 'Accounts'],
    ['url', 'oracle://x/y'],
  ])('is refused with a malformed %s', async (field, text) => {
    await using coordinator = await startAttachCoordinator();
    await expect(startSidecar(coordinator, { [field]: text })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('is refused when the port is taken', async () => {
    await using coordinator = await startAttachCoordinator();
    await expect(startSidecar(coordinator, { listen: coordinator.address })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(coordinator.address),
    });
  });

  it('advertises another address than it listens on, if it is told to', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator, { advertise: 'db.internal:7500' });
    const session = await coordinator.attached();
    expect(session.heard('hello')[0]?.address).toBe('db.internal:7500');
    expect(started.sidecar.address).toBe('db.internal:7500');
  });

  it('warns when it listens everywhere and tells services no address that they could dial', async () => {
    await using coordinator = await startAttachCoordinator();
    await using silent = await startSidecar(coordinator, { listen: '0.0.0.0:0' });
    await using told = await startSidecar(coordinator, { listen: '0.0.0.0:0', advertise: 'db.internal:7500' });
    expect(silent.log.named('advertise-missing')).toHaveLength(1);
    expect(told.log.named('advertise-missing')).toHaveLength(0);
  });
});

describe('the end', () => {
  it('SIGTERM takes no new branch, lets an open one end, and closes everything', async () => {
    await using coordinator = await startAttachCoordinator();
    const engine = new MemoryEngine('drain');
    await using started = await startSidecar(coordinator, { engine: memory(engine), drainGraceMs: 60_000 });
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    await application.execute({ ...ref(xid), sql: 'set a 1', statement: 1 });
    started.sidecar.signal();
    expect(await health(started.sidecar.address)).toBe('NOT_SERVING');
    const refused = await application.refusal({ ...ref(freshBranch(coordinator)), sql: 'set b 1', statement: 1 });
    expect(refused.code).toBe('RESOURCE_UNAVAILABLE');
    await application.execute({ ...ref(xid), sql: 'set c 1', statement: 2, last: true });
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
    expect(await started.sidecar.ended).toBe(EXIT.ok);
    expect(session.heard('result')).toMatchObject([{ result: 'FINISH_RESULT_DONE' }]);
    expect(engine.read(undefined, 'c')).toEqual({ kind: 'int', value: 1n });
    await eventually('the stream is over', () => session.ended);
    await expect(application.refusal({ ...ref(xid), sql: 'get a', statement: 3 })).resolves.toMatchObject({
      code: 'CONNECTION_LOST',
    });
  });

  it('a second signal does not wait: what is open is rolled back', async () => {
    await using coordinator = await startAttachCoordinator();
    const engine = new MemoryEngine('twice');
    await using started = await startSidecar(coordinator, { engine: memory(engine), drainGraceMs: 60_000 });
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    await application.execute({ ...ref(xid), sql: 'set a 1', statement: 1 });
    started.sidecar.signal();
    started.sidecar.signal();
    expect(await started.sidecar.ended).toBe(EXIT.ok);
    expect(session.heard('vote')).toMatchObject([{ ...ref(xid), vote: 'VOTE_ROLLBACK' }]);
    expect(engine.read(undefined, 'a')).toBeUndefined();
  });
});
