// Other logs at our databases: a new log is refused until they are named, and what they left prepared is an alarm.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';

const OTHER = 'abcdefghij';
const GTRID = `${OTHER}.3.1`;

/** A database that has served the other log, and holds a branch of it that has been prepared for `oldestMs`. */
function knowing(oldestMs: number, epoch = 3) {
  const branches = [{ gtrid: GTRID, bqual: 'orders' }];
  return { identity: OTHER, epoch, lifeToken: 'theother', prepared: 1, oldestMs, branches };
}

const alarmsOf = async (system: System) => (await system.api.logStatus({})).alarms;

describe('a database that knows another log', () => {
  it.each([
    ['has served it', knowing(0)],
    ['only holds branches of it', knowing(0, 0)],
  ])('and %s is not taken by a new log, loudly, with what to do (faults F40)', async (_, log) => {
    await using system = await openSystem();
    const refused = await system.dial('orders', { hello: { logs: [log] } }).hears('refused');
    expect(refused).toMatchObject({ reason: 'RESOURCE_KNOWS_OTHER_LOG' });
    expect(refused.message).toContain(`--beside-logs ${OTHER}`);
    expect((await system.api.resources({})).resources).toEqual([]);
    expect(system.records('resource-registered')).toEqual([]);
    expect(await alarmsOf(system)).toMatchObject([{ code: 'RESOURCE_KNOWS_OTHER_LOG' }]);
    expect(system.events.named('participant-refused')).toHaveLength(1);
  });

  it('is taken when the log was named, once for all starts (faults F40)', async () => {
    const disk = new MemoryDisk();
    const openLog = () => openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk });
    for (const besideLogs of [[OTHER], []]) {
      await using system = await openSystem({ besideLogs, openLog });
      await system.participant('orders', { hello: { logs: [knowing(0)] } });
      expect(await alarmsOf(system)).toEqual([]);
    }
  });

  it('is not taken when another log was named (faults F40)', async () => {
    await using system = await openSystem({ besideLogs: ['zzzzzzzzzz'] });
    const orders = system.dial('orders', { hello: { logs: [knowing(0)] } });
    expect((await orders.hears('refused')).reason).toBe('RESOURCE_KNOWS_OTHER_LOG');
  });

  it('and holds a branch of it that nobody ends is an alarm in the status and in a scan (field P11)', async () => {
    await using system = await openSystem({ besideLogs: ['any'] });
    const scanned = { gtrid: GTRID, bqual: 'orders', raw: 'x', ours: false };
    const orders = await system.participant('orders', {
      hello: { engine: 'mariadb', logs: [knowing(0)] },
      scan: () => ({ branches: [scanned, { ...scanned, gtrid: 'zzzzzzzzzz.1.1' }] }),
    });
    // A coordinator that shares the database and is alive ends it in a moment; a person who asks is shown it all the same.
    expect(await alarmsOf(system)).toEqual([]);
    const young = (await system.api.scan({ resource: 'orders' })).findings;
    expect(young).toMatchObject([{ fatal: false, check: 'other-log', message: expect.stringContaining(GTRID) }]);
    orders.send({ reconcile: { branches: [], others: [knowing(12_000)] } });
    const alarm = await eventually('it is an alarm', async () => (await alarmsOf(system))[0]);
    expect(alarm).toMatchObject({ code: 'OTHER_LOG_BRANCHES', message: expect.stringContaining(`${GTRID}:orders`) });
    expect((await system.api.scan({ resource: 'orders' })).findings).toMatchObject([{ fatal: true }]);
    expect(orders.told).toEqual([]);
  });
});
