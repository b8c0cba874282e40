// Two sidecars in one process, on memory engines, attached to a coordinator that the test plays.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { ResourceServers } from '../../src/participants/sidecar/resource-server.ts';
import type { SidecarConfig } from '../../src/participants/sidecar/sidecar.ts';
import { runSidecars, type Sidecars } from '../../src/participants/sidecar/sidecars.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { EXIT } from '../../src/xa/errors.ts';
import { formatXid, resourceOf, type Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { type AttachCoordinator, type AttachSession, startAttachCoordinator } from './attach-coordinator.ts';
import { ACCOUNTS, committed, EventList, ref, resourceName } from './runtime-fixture.ts';
import { Application, freshBranch, health, sidecarConfig } from './sidecar-fixture.ts';

const ORDERS = resourceName('orders');
const STOCK = resourceName('stock');

interface Place {
  readonly accounts: MemoryEngine;
  readonly orders: MemoryEngine;
  /** Engines that were opened and not closed. */
  open: number;
  readonly log: EventList;
}

const newPlace = (): Place => ({
  ...{ accounts: new MemoryEngine('accounts'), orders: new MemoryEngine('orders') },
  ...{ open: 0, log: new EventList() },
});

/** @param through stands between a sidecar and its engine. */
function run(
  place: Place,
  configs: readonly SidecarConfig[],
  through: (rm: ResourceManager, resource: string) => ResourceManager = (rm) => rm,
): Promise<Sidecars> {
  const ports = { clock: systemClock, random: systemRandom, logger: place.log };
  return runSidecars(configs, ports, ({ resource }) => ({
    ...ports,
    openEngine: () => {
      const engine = resource === 'accounts' ? place.accounts : place.orders;
      place.open += 1;
      const rm = replaced(openMemoryResourceManager({ engine, clock: systemClock }), Symbol.asyncDispose, async () => {
        place.open -= 1;
      });
      return through(rm, resource);
    },
  }));
}

function replaced(rm: ResourceManager, name: keyof ResourceManager, method: () => Promise<unknown>): ResourceManager {
  return new Proxy(rm, {
    get: (target, key) => (key === name ? method : Reflect.get(target, key).bind(target)),
  });
}

function pair(coordinator: AttachCoordinator, change: Partial<SidecarConfig> = {}): SidecarConfig[] {
  return [ACCOUNTS, ORDERS].map((resource) => sidecarConfig(coordinator, { resource, ...change }));
}

function addresses({ each }: Sidecars): readonly [string, string] {
  return each.map(({ address }) => address) as unknown as readonly [string, string];
}

async function ready({ each }: Sidecars): Promise<void> {
  await Promise.all(each.map((sidecar) => sidecar.ready));
}

function sessionOf(coordinator: AttachCoordinator, resource: string): Promise<AttachSession> {
  return eventually(`the stream of ${resource}`, () =>
    coordinator.sessions.find((session) => session.heard('hello')[0]?.resource === resource),
  );
}

const FATAL = [{ fatal: true, check: 'slots', message: 'There are none.', fix: 'Raise them.' }];

describe('sidecars that listen at the same address', () => {
  it('share a port, and each executes and prepares the branches of its own resource', async () => {
    await using coordinator = await startAttachCoordinator();
    const place = newPlace();
    await using sidecars = await run(place, pair(coordinator));
    await ready(sidecars);
    const [address, other] = addresses(sidecars);
    expect(other).toBe(address);
    using application = new Application(address);
    const unary = { accounts: freshBranch(coordinator), orders: freshBranch(coordinator, ORDERS) };
    for (const xid of [unary.accounts, unary.orders]) {
      await application.execute({ ...ref(xid), sql: 'set a 1', statement: 1, last: true });
    }
    const batched = { accounts: freshBranch(coordinator), orders: freshBranch(coordinator, ORDERS) };
    const call = (id: number, xid: Xid) => ({ id, execute: { ...ref(xid), sql: 'set b 1', statement: 1 } });
    application.stream.write({ calls: [call(1, batched.accounts), call(2, batched.orders)] });
    expect([await application.reply(1), await application.reply(2)]).toMatchObject([{ execute: {} }, { execute: {} }]);
    expect(application.frames).toEqual([2]);
    application.stream.write({ calls: [{ prepare: ref(batched.accounts) }, { prepare: ref(batched.orders) }] });
    for (const resource of ['accounts', 'orders'] as const) {
      const session = await sessionOf(coordinator, resource);
      await session.hears('vote', 2);
      const branches = [unary[resource], batched[resource]];
      expect(session.heard('vote')).toMatchObject(branches.map((xid) => ({ ...ref(xid), vote: 'VOTE_PREPARED' })));
      expect(place[resource].prepared()).toMatchObject(
        branches.map((xid) => ({ id: expect.stringContaining(`${formatXid(xid)}:`) })),
      );
    }
  });

  it('refuse a branch of neither, and speak for one database while the other is away', async () => {
    await using coordinator = await startAttachCoordinator();
    const place = newPlace();
    place.orders.crash();
    await using sidecars = await run(place, pair(coordinator));
    await sidecars.each[0]?.ready;
    using application = new Application(addresses(sidecars)[0]);
    const ask = (resource = ACCOUNTS) => ({ ...ref(freshBranch(coordinator, resource)), sql: 'set a 1', statement: 1 });
    const both = { code: 'NOT_OWNER', message: expect.stringContaining('accounts or orders') };
    expect(await application.refusal(ask(STOCK))).toMatchObject(both);
    expect(await application.refusal(ask(ORDERS))).toMatchObject({ code: 'RESOURCE_UNAVAILABLE' });
    await application.execute(ask());
    place.orders.start();
    await ready(sidecars);
    await application.execute(ask(ORDERS));
  });

  it('are SERVING only when both take part', async () => {
    await using coordinator = await startAttachCoordinator();
    coordinator.reconcileIntervalMs = 20;
    const greet = coordinator.greet;
    coordinator.greet = (session) => (session.heard('hello')[0]?.resource === 'accounts' ? greet(session) : undefined);
    const place = newPlace();
    await using sidecars = await run(place, pair(coordinator));
    const [address] = addresses(sidecars);
    await sidecars.each[0]?.ready;
    const orders = await sessionOf(coordinator, 'orders');
    expect(await health(address)).toBe('NOT_SERVING');
    coordinator.greet = greet;
    orders.send(coordinator.welcome());
    await ready(sidecars);
    expect(await health(address)).toBe('SERVING');
    for (const engine of [place.accounts, place.orders]) {
      engine.crash();
      await eventually('the outage is seen', async () => (await health(address)) === 'NOT_SERVING');
      engine.start();
      await eventually('it is over', async () => (await health(address)) === 'SERVING');
    }
  });

  it('are not SERVING once one has left, and whatever it says then is nothing', async () => {
    const servers = new ResourceServers({ clock: systemClock, logger: new EventList() });
    const [first, second] = [ACCOUNTS, ORDERS].map((each) => servers.join('127.0.0.1:0', each, () => undefined));
    await servers.listen();
    const address = `127.0.0.1:${first?.port}`;
    first?.setServing(true);
    second?.setServing(true);
    expect(await health(address)).toBe('SERVING');
    await first?.leave();
    expect(await health(address)).toBe('NOT_SERVING');
    first?.setServing(true);
    expect(await health(address)).toBe('NOT_SERVING');
    await second?.leave();
    await expect(health(address)).rejects.toThrow('UNAVAILABLE');
  });
});

it('sidecars that listen at different addresses have servers of their own', async () => {
  await using coordinator = await startAttachCoordinator();
  const [first, second] = pair(coordinator) as [SidecarConfig, SidecarConfig];
  await using sidecars = await run(newPlace(), [first, { ...second, listen: 'localhost:0' }]);
  await ready(sidecars);
  expect(new Set(sidecars.each.map(({ port }) => port)).size).toBe(2);
  using application = new Application(addresses(sidecars)[0]);
  const foreign = { ...ref(freshBranch(coordinator, ORDERS)), sql: 'set a 1', statement: 1 };
  expect(await application.refusal(foreign)).toMatchObject({ code: 'NOT_OWNER' });
});

describe('the end', () => {
  it.each(['accounts', 'orders'])('of all comes when the database of %s cannot take part', async (unfit) => {
    await using coordinator = await startAttachCoordinator();
    const place = newPlace();
    await using sidecars = await run(place, pair(coordinator), (rm, resource) =>
      resource === unfit ? replaced(rm, 'preflight', async () => FATAL) : rm,
    );
    expect(await sidecars.ended).toBe(EXIT.usage);
    expect(sidecars.failed?.failure).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: 'slots: There are none. Raise them.',
    });
    const codes = await Promise.all(sidecars.each.map(({ ended }) => ended));
    expect(codes).toEqual(unfit === 'accounts' ? [EXIT.usage, EXIT.ok] : [EXIT.ok, EXIT.usage]);
    await expect(health(addresses(sidecars)[0])).rejects.toThrow('UNAVAILABLE');
    expect(place.open).toBe(0);
  });

  it('SIGTERM drains all, and the server answers until the last one has left', async () => {
    await using coordinator = await startAttachCoordinator();
    const place = newPlace();
    await using sidecars = await run(place, pair(coordinator, { drainGraceMs: 60_000 }));
    await ready(sidecars);
    const [address] = addresses(sidecars);
    using application = new Application(address);
    const branches = [ACCOUNTS, ORDERS].map((resource) => freshBranch(coordinator, resource));
    for (const xid of branches) {
      await application.execute({ ...ref(xid), sql: 'set a 1', statement: 1 });
    }
    sidecars.signal();
    expect(await health(address)).toBe('NOT_SERVING');
    for (const late of [ACCOUNTS, ORDERS].map((resource) => freshBranch(coordinator, resource))) {
      const refused = await application.refusal({ ...ref(late), sql: 'set b 1', statement: 1 });
      expect(refused).toMatchObject({ code: 'RESOURCE_UNAVAILABLE' });
    }
    for (const [index, xid] of branches.entries()) {
      await application.execute({ ...ref(xid), sql: 'set c 1', statement: 2, last: true });
      const session = await sessionOf(coordinator, resourceOf(xid.bqual));
      session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
      expect(await sidecars.each[index]?.ended).toBe(EXIT.ok);
    }
    expect(await sidecars.ended).toBe(EXIT.ok);
    expect(sidecars.failed).toBeUndefined();
    expect([place.accounts, place.orders].map((engine) => committed(engine, 'c'))).toEqual([1n, 1n]);
    await expect(health(address)).rejects.toThrow('UNAVAILABLE');
  });
});

describe('nothing is started', () => {
  it('when two files name one resource', async () => {
    await using coordinator = await startAttachCoordinator();
    const place = newPlace();
    const config = sidecarConfig(coordinator);
    const refused = { code: 'CONFIG_INVALID', message: expect.stringMatching(/^accounts is configured twice/) };
    await expect(run(place, [config, config])).rejects.toMatchObject(refused);
    expect(place).toMatchObject({ open: 0, log: { events: [] } });
    expect(coordinator.sessions).toEqual([]);
  });

  it('when the second one cannot listen, and the address of the first is free again', async () => {
    await using coordinator = await startAttachCoordinator();
    const place = newPlace();
    const [accounts, orders] = pair(coordinator) as [SidecarConfig, SidecarConfig];
    await using probe = await run(place, [accounts]);
    const listen = probe.each[0]?.address ?? '';
    await probe.each[0]?.stop(0);
    place.log.events.length = 0;
    const taken = { ...orders, listen: coordinator.address };
    await expect(run(place, [{ ...accounts, listen }, taken])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(coordinator.address),
    });
    expect(place).toMatchObject({ open: 0, log: { events: [] } });
    await using again = await run(place, [{ ...accounts, listen }]);
    expect(addresses(again)[0]).toBe(listen);
  });
});
