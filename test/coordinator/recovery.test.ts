// What a restart knows: decided transactions are finished, everything else is rolled back, and every answer stays what it was.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log, RecoveredLog } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { BOTH, completed } from './restarted.ts';
import { silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

/** A transaction whose decision is durable, and of which only `accounts` may have been finished. */
async function decided(system: System, orders: 'silent' | 'yes' = 'silent'): Promise<string> {
  const accounts = await system.participant('accounts');
  const other = await system.participant('orders', orders === 'silent' ? { finish: silent } : {});
  const { gtrid } = await system.transaction(accounts, other);
  const requestId = 'commit-once';
  await system.api.commit({ requestId, gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
  await accounts.hears('finish');
  return gtrid;
}

describe('after a restart', () => {
  it('every branch of a decision is told when its participant attaches, also one that had been finished (conformance C2 C3, faults F08)', async () => {
    await using system = await openSystem();
    const gtrid = await decided(system);
    await system.restart();
    expect(await system.info(gtrid)).toMatchObject({
      state: 'TRANSACTION_STATE_COMMITTING',
      outcome: 'OUTCOME_COMMITTED',
      branches: [{ evidence: { row: 'x7aaaaaaaaaa' } }, { evidence: { row: 'x7aaaaaaaaaa' } }],
    });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders');
    await completed(system, gtrid);
    for (const one of [accounts, orders]) {
      expect(one.heard('finish')).toMatchObject([
        { gtrid, bqual: one.resource, verb: 'FINISH_VERB_COMMIT', evidence: { row: 'x7aaaaaaaaaa' }, instance: '' },
      ]);
    }
    await eventually('its end is durable', () => system.records('finished').length === 1);
  });

  it('a transaction without a decision is rolled back: every prepared branch that turns up (faults F05, conformance C1)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.flushMs = 60_000;
    const committing = system.api.commit({ gtrid }).catch(() => undefined);
    await eventually(
      'the decision is with the log',
      async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_DECIDING',
    );
    system.disk.flushMs = 0;
    await system.restart('lost');
    await committing;
    const back = await system.participant('accounts');
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: { row: 'x7aaaaaaaaaa' } }] } });
    await back.hears('finish');
    expect(back.told).toEqual(['rollback accounts']);
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_ROLLED_BACK');
    expect(await refusal(system.api.commit({ gtrid, branches: BOTH }))).toMatchObject({
      status: 10,
      code: 'TXN_ROLLED_BACK',
    });
  });

  it('a decision that was being written counts if it reached the disk (faults F06)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.flushMs = 500;
    const committing = system.api.commit({ gtrid }).catch(() => undefined);
    await eventually(
      'the decision is with the log',
      async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_DECIDING',
    );
    system.disk.flushMs = 0;
    await eventually('it is being written', async () => {
      system.disk.crash('kept');
      return true;
    });
    await system.restart();
    await committing;
    const known = await system.info(gtrid, BOTH);
    const durable = system.records('decided').length === 1;
    expect(known.outcome).toBe(durable ? 'OUTCOME_COMMITTED' : 'OUTCOME_ROLLED_BACK');
  });

  it('a held branch of the former life is rolled back (faults F03)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.restart();
    const back = await system.participant('orders', {
      hello: { instance: orders.instance, held: [{ gtrid, bqual: 'orders' }] },
    });
    await back.hears('finish');
    expect(back.told).toEqual(['rollback orders']);
  });

  it('a repeated commit hears the same, with its request id and without (faults B15, conformance N2)', async () => {
    await using system = await openSystem();
    const gtrid = await decided(system, 'yes');
    await completed(system, gtrid);
    await eventually('its end is durable', () => system.records('finished').length === 1);
    await system.restart();
    for (const requestId of ['commit-once', '']) {
      const again = await system.api.commit({ requestId, gtrid, branches: BOTH });
      expect(again).toMatchObject({ gtrid, outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' });
    }
    expect((await refusal(system.api.rollback({ gtrid }))).code).toBe('TXN_DECIDED');
  });

  it('a resource that does not come back keeps its own decision only, for ever; when it comes it is told (conformance G1 G2, faults F90)', async () => {
    await using system = await openSystem();
    const gtrid = await decided(system);
    await system.restart();
    const accounts = await system.participant('accounts');
    await accounts.hears('finish');
    await system.restart();
    await system.restart();
    expect(await system.info(gtrid)).toMatchObject({ state: 'TRANSACTION_STATE_COMMITTING' });
    expect((await system.api.list({})).transactions).toHaveLength(1);
    await system.participant('accounts');
    await system.participant('orders');
    await completed(system, gtrid);
  });

  it('leaves no record behind that would be told again', async () => {
    await using system = await openSystem();
    const gtrid = await decided(system, 'yes');
    await completed(system, gtrid);
    await eventually('its end is durable', () => system.records('finished').length === 1);
    await system.restart();
    const accounts = await system.participant('accounts');
    await system.participant('orders');
    expect((await system.api.list({})).transactions).toEqual([]);
    expect(accounts.told).toEqual([]);
  });

  it('a record that cannot be understood is left alone with its branches, and the rest recovers (faults F91 B77, conformance G16)', async () => {
    const disk = new MemoryDisk();
    const poison: LogRecord[] = [];
    const openLog = async (): Promise<Log> => {
      const log = await openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk });
      const recovered: RecoveredLog = { ...log.recovered, unfinished: [...poison, ...log.recovered.unfinished] };
      return new Proxy(log, { get: (target, key) => (key === 'recovered' ? recovered : bound(target, key)) });
    };
    await using system = await openSystem({ openLog });
    const gtrid = await decided(system);
    const { identity } = system.log.recovered;
    const broken = `${identity}.1.zz` as Gtrid;
    poison.push({ kind: 'decided', gtrid: broken, branches: null as never, requestId: '' });
    disk.crash();
    await system.restart();
    expect(system.events.named('record-quarantined')).toMatchObject([{ txn: broken }]);
    const accounts = await system.participant('accounts');
    accounts.send({ reconcile: { branches: [{ gtrid: broken, bqual: 'accounts' }] } });
    await system.participant('orders');
    await completed(system, gtrid);
    expect(accounts.heard('finish').map((finish) => finish.gtrid)).toEqual([gtrid]);
    expect((await system.info(broken, BOTH)).outcome).toBe('OUTCOME_UNKNOWN');
  });
});

function bound(target: Log, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' ? value.bind(target) : value;
}
