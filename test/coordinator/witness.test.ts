// Participants of one resource show each other that they see one database: a copy is refused, at its attaching and later.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { TestClock } from './test-clock.ts';

const instancesOf = async (system: Awaited<ReturnType<typeof openSystem>>): Promise<string[]> => {
  const [orders] = (await system.api.resources({})).resources;
  return (orders?.participants ?? []).map(({ instance }) => instance);
};

describe('a second participant of a resource', () => {
  it('takes part when one that is attached reads what it wrote', async () => {
    await using system = await openSystem();
    const first = await system.participant('orders');
    const second = await system.participant('orders');
    expect(first.heard('readToken')).toMatchObject([{ instance: second.instance }]);
    expect(await instancesOf(system)).toEqual([first.instance, second.instance]);
  });

  it.each([
    ['never saw the other', new Map<string, string>()],
    ['was copied, rows and all', new Map([['i1', 'token1']])],
  ])('at a copy that %s is refused, before it takes part, with both addresses (field P5)', async (_, copy) => {
    await using system = await openSystem();
    const first = await system.participant('orders');
    const second = system.dial('orders', { database: copy });
    const { reason, message } = await second.hears('refused');
    expect(reason).toBe('RESOURCE_IDENTITY');
    expect(message).toContain('is at a copy of the database of orders');
    expect(message).toContain(second.instance);
    expect(message).toContain(first.instance);
    expect(message).toContain('127.0.0.1:');
    expect(second.heard('admitted')).toEqual([]);
    expect(await instancesOf(system)).toEqual([first.instance]);
  });

  it('that shows nothing is refused beside another one (field P5)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const second = system.dial('orders', { database: undefined });
    expect((await second.hears('refused')).reason).toBe('RESOURCE_IDENTITY');
  });

  it('of two that come at once at two databases one takes part (field P5)', async () => {
    await using system = await openSystem();
    await (await system.participant('orders')).end();
    await eventually('it has left', async () => (await instancesOf(system)).length === 0);
    const both = [1, 2].map(() => system.dial('orders', { database: new Map() }));
    const refused = await eventually('one is refused', () => both.find((one) => one.heard('refused').length > 0));
    const other = both.find((one) => one !== refused);
    await other?.hears('admitted');
    expect(await instancesOf(system)).toEqual([other?.instance]);
  });

  it('takes the place of one whose database does not answer it, which hears why', async () => {
    await using system = await openSystem();
    const first = await system.participant('orders');
    first.database = undefined;
    const second = system.dial('orders');
    const { id } = await first.hears('readToken');
    first.send({ tokenResult: { id, error: { code: 'ENGINE_UNAVAILABLE', message: 'it is down' } } });
    await second.hears('admitted');
    expect((await first.hears('refused')).message).toContain('it is down');
    expect(await instancesOf(system)).toEqual([second.instance]);
  });

  it('waits for one that does not answer, and takes part when that one has left', async () => {
    await using system = await openSystem();
    const first = await system.participant('orders');
    first.database = undefined;
    const second = system.dial('orders');
    await first.hears('readToken');
    expect(second.heard('admitted')).toEqual([]);
    first.cut();
    await second.hears('admitted');
  });

  it('is refused, and may come again, while one that is attached does not answer', async () => {
    await using system = await openSystem({ clock: new TestClock(8) });
    const first = (await system.participant('orders')).beat(100);
    first.database = undefined;
    const second = system.dial('orders').beat(100);
    expect((await second.hears('refused')).reason).toBe('RESOURCE_UNAVAILABLE');
    expect(await instancesOf(system)).toEqual([first.instance]);
  });

  it('is refused later, when the database is split in two while both are attached (field P5)', async () => {
    await using system = await openSystem({ clock: new TestClock(8) });
    const first = (await system.participant('orders')).beat(100);
    const second = (await system.participant('orders')).beat(100);
    const embedded = { kind: 'PARTICIPANT_KIND_EMBEDDED', address: '' } as const;
    const third = (await system.participant('orders', { hello: embedded })).beat(100);
    await second.hears('readToken');
    second.database = new Map(first.database);
    expect((await second.hears('refused')).reason).toBe('RESOURCE_IDENTITY');
    expect(await instancesOf(system)).toEqual([first.instance, third.instance]);
    expect(third.heard('refused')).toEqual([]);
  });
});
