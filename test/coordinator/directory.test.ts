// The directory of resources: bounded, told in pages, and in news that are small and few.
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { DIRECTORY_NEWS_MS, RESOURCES_MAX } from '../../src/xa/limits.ts';
import type { ResourceName } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { TestClock } from './test-clock.ts';

/** As an attack left them in logs that bounded texts by characters only. */
function registrations(count: number): LogRecord[] {
  return Array.from({ length: count }, (_, n) => ({
    kind: 'resource-registered' as const,
    resource: `r-${String(n).padStart(5, '0')}` as ResourceName,
    engine: '😀'.repeat(190),
    engineIdentity: `${n}${'😀'.repeat(190)}`,
  }));
}

describe('a directory of 3,000 resources with long texts', () => {
  it('reaches every session and every client whole, after a restart too, and operators see all of it (security X9)', async () => {
    await using system = await openSystem();
    await system.log.append(registrations(3_000), 'forced');
    await system.restart();
    const session = await system.session();
    expect(session.welcome).toMatchObject({ epoch: '2' });
    const names = session.heard('resources').flatMap(({ entries }) => entries.map(({ name }) => name));
    names.push(...(session.welcome.resources?.entries.map(({ name }) => name) ?? []));
    expect(new Set(names).size).toBe(3_000);
    await using client = await connect(system.address);
    expect(client.resources()).toHaveLength(3_000);
    const listed: string[] = [];
    for (let more = true; more; ) {
      const page = await system.api.resources({ after: listed.at(-1) ?? '' });
      listed.push(...page.resources.map(({ name }) => name));
      more = page.more;
    }
    expect(new Set(listed).size).toBe(3_000);
    expect(listed).toHaveLength(3_000);
  });
});

describe('registrations', () => {
  it('are refused beyond a thousand, by name, and those that there are go on (security X9)', async () => {
    await using system = await openSystem();
    await system.log.append(registrations(RESOURCES_MAX - 1), 'forced');
    await system.restart();
    const orders = await system.participant('orders');
    const beyond = system.dial('one-too-many');
    const { reason, message } = await beyond.hears('refused');
    expect(reason).toBe('LIMIT_RESOURCES');
    expect(message).toContain('at most 1000 may be');
    expect(system.records('resource-registered')).toHaveLength(RESOURCES_MAX);
    orders.cut();
    await system.participant('orders');
  });

  it.each([
    ['engine', 'x'.repeat(65)],
    ['engineVersion', '😀'.repeat(17)],
    ['engineIdentity', 'é'.repeat(176)],
    ['address', 'h'.repeat(263)],
  ])('with a text that is too long are refused and leave nothing in the log: %s (security X9)', async (field, text) => {
    await using system = await openSystem();
    const greedy = system.dial('orders', { hello: { [field]: text } });
    const { reason, message } = await greedy.hears('refused');
    expect(reason).toBe('FIELD_INVALID');
    expect(message).toMatch(/at most \d+ bytes/);
    expect(system.records('resource-registered')).toEqual([]);
  });
});

describe('news of the directory', () => {
  it('tell only what changed, and what changes within 100 ms once (security X23)', async () => {
    const clock = new TestClock(0.2);
    await using system = await openSystem({ clock });
    await system.participant('accounts');
    const session = await system.session();
    const before = performance.now();
    for (let round = 0; round < 10; round += 1) {
      const orders = await system.participant('orders');
      orders.cut();
      await system.detached(orders);
    }
    const kept = await system.participant('orders');
    await eventually('the last news', () => session.heard('resources').at(-1)?.entries[0]?.instance === kept.instance);
    const news = session.heard('resources');
    const windows = (performance.now() - before) / (DIRECTORY_NEWS_MS / clock.speed);
    expect(news.length).toBeLessThanOrEqual(Math.ceil(windows) + 1);
    expect(news.flatMap(({ entries }) => entries.map(({ name }) => name)).filter((name) => name !== 'orders')).toEqual(
      [],
    );
  });

  it('of a client that connects meanwhile are not overtaken by its welcome (security X23)', async () => {
    await using system = await openSystem();
    for (let round = 0; round < 20; round += 1) {
      const orders = await system.participant('orders');
      const connecting = connect(system.address);
      orders.cut();
      await using client = await connecting;
      await eventually('it knows', () => client.resources().every(({ available }) => !available));
    }
  });
});
