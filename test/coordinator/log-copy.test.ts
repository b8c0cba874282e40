// A copy of a log, started once or many times, beside the original or instead of it: refused for good, until a person adopts it.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { RecoveredLog } from '../../src/log/log.ts';
import type { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import { LIVES_MAX } from '../../src/xa/limits.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

const WORDS = { reason: 'the disk is lost, INC-1', operator: 'ada' };

/** A coordinator on a disk that is not the fixture's own. */
function startOn(disk: MemoryDisk): Promise<System> {
  return openSystem({
    openLog: () => openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk }),
  });
}

/** What the database of `orders` has recorded of a log. */
function served(life: RecoveredLog, prepared: readonly string[] = []) {
  const { identity, epoch, token: lifeToken } = life;
  const branches = prepared.map((gtrid) => ({ gtrid, bqual: 'orders' }));
  return { hello: { logs: [{ identity, epoch, lifeToken, prepared: branches.length, branches }] } };
}

describe('a copy of a log', () => {
  /** The original is started twice and decides something; its disk was copied before. `commit` was told, and `orders` is prepared still. */
  async function original() {
    const first = await openSystem();
    await first.participant('orders');
    await first.participant('accounts');
    const disk = first.disk.clone();
    await first.restart();
    const [accounts, orders] = [
      await first.participant('accounts'),
      await first.participant('orders', { finish: silent }),
    ];
    const { gtrid, branches } = await first.transaction(accounts, orders);
    await first.api.commit({ gtrid, branches, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    return { first, life: first.log.recovered, disk, gtrid };
  }

  it('tells nothing of earlier lives before a database has taken it for its log (field R5)', async () => {
    await using first = await openSystem();
    const participants = [await first.participant('orders'), await first.participant('accounts')];
    const disk = first.disk.clone();
    const { gtrid, branches } = await first.transaction(...participants);
    await first.api.commit({ gtrid, branches });
    await first.restart();
    await first.participant('orders');
    const { recovered: life } = first.log;
    await using copy = await startOn(disk);
    const claimed = branches.map(({ bqual = '' }) => ({ bqual }));
    expect((await refusal(copy.api.commit({ gtrid, branches: claimed }))).code).toBe('OUTCOME_UNKNOWN');
    expect((await copy.api.getTransaction({ gtrid, branches: claimed })).transaction?.outcome).toBe('OUTCOME_UNKNOWN');
    await copy.dial('orders', served(life)).hears('refused');
    expect((await refusal(copy.api.commit({ gtrid, branches: claimed }))).code).toBe('OUTCOME_UNKNOWN');
  });

  it('that was made of the files is refused at its first start and at every later one, and gives no id out (field R5)', async () => {
    const { first, life, disk, gtrid } = await original();
    await using _ = first;
    for (let start = 1; start <= 5; start += 1) {
      await using system = await startOn(disk);
      const orders = system.dial('orders', served(life, [gtrid]));
      expect(await orders.hears('refused')).toMatchObject({ reason: 'EPOCH_STALE' });
      orders.send({
        reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'abcdefghijkl' }, ageMs: 9 }] },
      });
      expect(system.log.recovered.epoch).toBe(2);
      expect(system.coordinator.isServing()).toBe(false);
      expect((await refusal(system.api.begin({}))).code).toBe('EPOCH_STALE');
      expect(
        (await refusal(system.api.commit({ gtrid, branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] }))).code,
      ).toBe('OUTCOME_UNKNOWN');
      expect((await system.session()).received).toMatchObject([{ error: { reason: 'EPOCH_STALE' } }]);
      expect((await system.api.logStatus({})).refusal).toContain('concordat log adopt');
      expect(orders.told).toEqual([]);
    }
  });

  it('that has grown into a higher epoch before it met a database is refused by the life that was served there (field R5)', async () => {
    const { first, life, disk, gtrid } = await original();
    await using _ = first;
    for (let start = 1; start <= 4; start += 1) {
      await using _grown = await startOn(disk);
    }
    await using system = await startOn(disk);
    expect(system.log.recovered.epoch).toBeGreaterThan(first.log.recovered.epoch);
    const orders = system.dial('orders', served(life, [gtrid]));
    expect(await orders.hears('refused')).toMatchObject({ reason: 'EPOCH_STALE' });
    expect(orders.told).toEqual([]);
  });

  it('that is told late, while it serves, stops deciding: who waits hears that nothing is known (field R5)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { prepare: silent });
    const { gtrid, branches } = await system.transaction(accounts, orders);
    const committing = refusal(system.api.commit({ gtrid, branches }));
    await accounts.hears('prepare');
    orders.send({ ready: { epoch: system.log.recovered.epoch, lifeToken: 'theother' } });
    expect((await committing).code).toBe('OUTCOME_UNKNOWN');
    await accounts.hears('refused');
    expect(system.coordinator.isServing()).toBe(false);
    const [record] = await eventually('it is written down', () => {
      const found = system.records('life-refused');
      return found.length > 0 && found;
    });
    expect(record).toMatchObject({ resource: 'orders', token: 'theother' });
  });

  it('that is told late takes no operator’s word any more: nothing but the adoption is written (field R5)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid, branches } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid, branches, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    await orders.hears('finish');
    await accounts.hears('finish');
    accounts.send({ ready: { epoch: system.log.recovered.epoch, lifeToken: 'theother' } });
    await accounts.hears('refused');
    const vouch = { gtrid, bqual: 'orders', resolution: 'RESOLUTION_BRANCH_COMMITTED', ...WORDS } as const;
    expect((await refusal(system.api.resolve({ ...vouch, requestId: 'r' }))).code).toBe('EPOCH_STALE');
    const forget = { ...WORDS, resource: 'accounts', requestId: 'f' };
    expect((await refusal(system.api.forgetResource(forget))).code).toBe('EPOCH_STALE');
    expect(system.records('operator-action')).toEqual([]);
    expect(system.records('resource-registered').filter(({ accepted }) => accepted !== undefined)).toEqual([]);
  });

  it('is adopted with the list before the eyes of a person, who then settles what it lacks (field R5)', async () => {
    const { first, life, disk, gtrid } = await original();
    const known = served(life, [gtrid]);
    await first[Symbol.asyncDispose]();
    const lostTo = life.epoch;
    {
      await using system = await startOn(disk);
      await system.dial('orders', known).hears('refused');
      const { effects } = await system.api.adoptLog({ ...WORDS, requestId: 'a', dryRun: true });
      expect(effects.join('\n')).toContain(`${gtrid}:orders`);
      expect(effects.join('\n')).toContain('accounts: has not said');
      expect((await refusal(system.api.adoptLog({ ...WORDS, requestId: 'a' }))).message).toContain('accounts');
      await system.dial('accounts', served(life)).hears('refused');
      await system.api.adoptLog({ ...WORDS, requestId: 'a' });
      await system.coordinator.stopped;
    }
    await using system = await startOn(disk);
    expect(system.log.recovered).toMatchObject({ epoch: lostTo + 1, lostTo });
    const orders = await system.participant('orders', known);
    const found = { gtrid, bqual: 'orders', evidence: { row: 'abcdefghijkl' }, ageMs: 9 };
    orders.send({ reconcile: { branches: [found] } });
    await eventually('it is listed', async () => {
      const { resources } = await system.api.resources({});
      return resources.find(({ name }) => name === 'orders')?.quarantined.some((one) => one.gtrid === gtrid);
    });
    expect((await system.api.show({ gtrid })).explanation.join(' ')).toContain('--commit|--rollback');
    expect(orders.told).toEqual([]);
    const resolve = { gtrid, resolution: 'RESOLUTION_COMMIT', requestId: 'r', ...WORDS } as const;
    expect((await system.api.resolve({ ...resolve, dryRun: true })).effects.join(' ')).toContain('orders');
    await system.api.resolve(resolve);
    expect(await orders.hears('finish')).toMatchObject({ gtrid, verb: 'FINISH_VERB_COMMIT', evidence: found.evidence });
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
    const accounts = await system.participant('accounts', served(life));
    accounts.send({ reconcile: { branches: [{ ...found, bqual: 'accounts' }] } });
    expect(await accounts.hears('finish')).toMatchObject({ gtrid, verb: 'FINISH_VERB_COMMIT' });
    expect((await system.api.resolve(resolve)).effects).toEqual(['nothing more: the log holds this action already']);
  });

  it('is settled the other way as well, and what is not its own to settle is left alone (field R5)', async () => {
    const { first, life, disk, gtrid } = await original();
    await first[Symbol.asyncDispose]();
    {
      await using system = await startOn(disk);
      await system.dial('orders', served(life, [gtrid])).hears('refused');
      await system.api.adoptLog({ ...WORDS, requestId: 'a', incomplete: true });
      await system.coordinator.stopped;
    }
    await using system = await startOn(disk);
    const orders = await system.participant('orders', served(life));
    const found = { bqual: 'orders', evidence: { row: 'abcdefghijkl' }, ageMs: 9 };
    const newer = `${system.log.recovered.identity}.z.1`;
    orders.send({
      reconcile: {
        branches: [
          { ...found, gtrid },
          { ...found, gtrid: newer },
        ],
      },
    });
    await eventually('both are listed', async () => {
      const { resources } = await system.api.resources({});
      return resources.find(({ quarantinedBranches }) => quarantinedBranches === 2);
    });
    const resolve = { resolution: 'RESOLUTION_ROLLBACK', requestId: 'r', ...WORDS } as const;
    expect((await refusal(system.api.resolve({ ...resolve, gtrid: newer }))).code).toBe('TXN_STATE');
    expect((await refusal(system.api.resolve({ ...resolve, gtrid: `${life.identity}.1.zz` }))).code).toBe(
      'TXN_NOT_FOUND',
    );
    await system.api.resolve({ ...resolve, gtrid });
    expect(await orders.hears('finish')).toMatchObject({ gtrid, verb: 'FINISH_VERB_ROLLBACK' });
    await eventually('one is left', async () => {
      const { resources } = await system.api.resources({});
      return resources.find(({ quarantinedBranches }) => quarantinedBranches === 1);
    });
    expect((await refusal(system.api.adoptLog({ ...WORDS, requestId: 'b' }))).code).toBe('TXN_STATE');
  });

  it('that was started a thousand times is refused by a database that was away, which says nothing about the others (field R5)', async () => {
    const first = await openSystem();
    const life = first.log.recovered;
    const { disk } = first;
    await first[Symbol.asyncDispose]();
    for (let start = 0; start < LIVES_MAX + 1; start += 1) {
      await (await openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk }))[
        Symbol.asyncDispose
      ]();
    }
    {
      await using system = await startOn(disk);
      const accounts = await system.participant('accounts');
      const away = system.dial('orders', served(life));
      expect(await away.hears('refused')).toMatchObject({
        reason: 'EPOCH_LEAP',
        message: expect.stringContaining("token = ''"),
      });
      expect(system.coordinator.isServing()).toBe(true);
      expect((await system.api.logStatus({})).refusal).toBe('');
      const { gtrid, branches } = await system.transaction(accounts);
      await system.api.commit({ gtrid, branches });
    }
    await using system = await startOn(disk);
    await system.participant('orders', served({ ...life, token: '' }));
  });
});
