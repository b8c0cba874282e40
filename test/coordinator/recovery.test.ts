// What a restart knows: decided transactions are finished, everything else is rolled back, and every answer stays what it was.
import { describe, expect, it } from 'vitest';
import { assert } from '../../src/lib/assert.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log, RecoveredLog } from '../../src/log/log.ts';
import { MemoryDisk } from '../../src/log/memory/memory-disk.ts';
import { openMemoryLog } from '../../src/log/memory/memory-log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { type ScriptedParticipant, silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

const BOTH = [{ bqual: 'accounts' }, { bqual: 'orders' }];

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

function completed(system: System, gtrid: string): Promise<boolean> {
  return eventually(
    `${gtrid} completes`,
    async () => (await system.info(gtrid, BOTH)).state === 'TRANSACTION_STATE_COMPLETED',
  );
}

describe('after a restart', () => {
  it('every branch of a decision is told when its participant attaches, also one that had been finished (conformance C2 C3, faults F08)', async () => {
    await using system = await openSystem();
    const gtrid = await decided(system);
    await system.restart();
    expect(await system.info(gtrid)).toMatchObject({
      state: 'TRANSACTION_STATE_COMMITTING',
      outcome: 'OUTCOME_COMMITTED',
      branches: [{ evidence: 'xid8:7' }, { evidence: 'xid8:7' }],
    });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders');
    await completed(system, gtrid);
    for (const one of [accounts, orders]) {
      expect(one.heard('finish')).toEqual([
        { gtrid, bqual: one.resource, verb: 'FINISH_VERB_COMMIT', evidence: 'xid8:7', instance: '' },
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
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: 'xid8:7' }] } });
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

  it('a commit in one phase is told from the engine’s evidence, or as unknown, never presumed', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    await system.restart();
    const branches = [{ bqual: 'orders' }];
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNKNOWN');
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_UNKNOWN');
    expect((await refusal(system.api.commit({ gtrid, branches }))).code).toBe('OUTCOME_UNKNOWN');
    const back = await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_UNPROVEN' }) });
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_UNKNOWN');
    back.script = { ...back.script, probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) };
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('probe')).toHaveLength(2);
    expect((await refusal(system.api.rollback({ gtrid }))).code).toBe('TXN_DECIDED');
  });

  it('a branch that is found and rolled back says nothing of the one that was committed in one phase', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    await system.restart();
    await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) });
    const accounts = await system.participant('accounts');
    accounts.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: 'xid8:9' }] } });
    await accounts.hears('finish');
    expect(accounts.told).toEqual(['rollback accounts']);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNKNOWN');
    expect((await system.api.commit({ gtrid, branches: [{ bqual: 'orders' }] })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('a commit in one phase of a prepared branch is no damage when only its answer was lost', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    const committing = system.api.commit({ gtrid }).catch(() => undefined);
    await orders.hears('finish');
    await system.restart();
    await committing;
    // It was prepared by its last statement, committed as it was told, and the participant has not heard of that.
    const reason = { code: 'BRANCH_VOTED_NO', message: 'xid8:7 is recorded as committed' };
    const held = [{ gtrid, bqual: 'orders', vote: 'VOTE_PREPARED' as const, evidence: 'xid8:7' }];
    const back = await system.participant('orders', {
      hello: { instance: orders.instance, held },
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    await back.hears('finish');
    const branches = [{ bqual: 'orders' }];
    await eventually('it is known', async () => (await system.info(gtrid, branches)).outcome === 'OUTCOME_COMMITTED');
    expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.api.list({})).transactions).toEqual([]);
    expect(system.records('heuristic')).toEqual([]);
  });

  it('a branch that somebody committed by hand is damage when another one was rolled back', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const reason = { code: 'BRANCH_VOTED_NO', message: 'committed by hand' };
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(accounts, orders);
    await system.restart();
    const found = (bqual: string) => ({ reconcile: { branches: [{ gtrid, bqual, evidence: 'xid8:7' }] } });
    const one = await system.participant('accounts');
    one.send(found('accounts'));
    await one.hears('finish');
    const other = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    other.send(found('orders'));
    await eventually('the damage is listed', async () => {
      const [first] = (await system.api.list({})).transactions;
      return first?.outcome === 'OUTCOME_MIXED';
    });
  });

  it('what the engine of one branch proves is not told to whoever knows of another branch (D5)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const { gtrid } = await system.transaction(accounts, await system.participant('orders'));
    await system.restart();
    // Somebody committed it by hand; it looks like a commit in one phase whose answer was lost.
    const reason = { code: 'BRANCH_VOTED_NO', message: 'xid8:7 is recorded as committed' };
    const back = await system.participant('accounts', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: 'xid8:7' }] } });
    const outcome = async (...bquals: readonly string[]): Promise<unknown> =>
      (
        await system.info(
          gtrid,
          bquals.map((bqual) => ({ bqual })),
        )
      ).outcome;
    await eventually('it is known', async () => (await outcome('accounts')) === 'OUTCOME_COMMITTED');
    expect(await outcome('accounts', 'orders')).toBe('OUTCOME_ROLLED_BACK');
    expect(await outcome('accounts')).toBe('OUTCOME_COMMITTED');
  });

  it('a single branch that its engine proves rolled back is told as such', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    await system.restart();
    await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_ROLLED_BACK' }) });
    expect((await refusal(system.api.commit({ gtrid, branches: [{ bqual: 'orders' }] }))).code).toBe('TXN_ROLLED_BACK');
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

describe('a log that was restored from a backup', () => {
  /** Two branches are prepared, a backup is made, one branch hears of the decision; then the log is lost and the backup takes its place. */
  async function restored(
    commitBefore: boolean,
    evidence = 'xid8:7',
  ): Promise<{ readonly gtrid: string; readonly copy: System; readonly again: () => Promise<System> }> {
    const system = await openSystem();
    const accounts = await system.participant('accounts', { prepare: () => ({ vote: 'VOTE_PREPARED', evidence }) });
    const orders = await system.participant('orders', {
      prepare: () => ({ vote: 'VOTE_PREPARED', evidence }),
      finish: silent,
    });
    const { gtrid, branches } = await system.transaction(accounts, orders);
    const commit = (): Promise<unknown> =>
      system.api.commit({ gtrid, branches, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    if (commitBefore) {
      await commit();
      await system.api.backup({ path: 'copy' });
    } else {
      await system.api.backup({ path: 'copy' });
      await commit();
    }
    await accounts.hears('finish');
    await system[Symbol.asyncDispose]();
    const disk = system.disk.backups.get('copy');
    assert(disk !== undefined, 'the backup is there');
    const openLog = (): Promise<Log> =>
      openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', disk, outcomesRetainedMax: 2 });
    const again = (): Promise<System> => openSystem({ openLog });
    return { gtrid, copy: await again(), again };
  }

  /** The sidecar of `orders` tells of the branch that is prepared there. */
  async function quarantined(system: System, gtrid: string): Promise<ScriptedParticipant> {
    const orders = await system.participant('orders', {
      hello: { held: [{ gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: 'xid8:7' }] },
    });
    orders.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: 'xid8:7', ageMs: 60_000 }] } });
    const shown = await eventually('the branch is shown', async () => {
      const { resources } = await system.api.resources({});
      return resources.find(({ quarantinedBranches }) => quarantinedBranches === 1);
    });
    expect(shown.name).toBe('orders');
    return orders;
  }

  it('does not presume anything of a branch whose decision may be missing: it is kept, and shown', async () => {
    const { gtrid, copy } = await restored(false);
    await using system = copy;
    const orders = await quarantined(system, gtrid);
    expect(orders.told).toEqual([]);
    expect((await refusal(system.info(gtrid, [{ bqual: 'accounts' }, { bqual: 'orders' }]))).code).toBe(
      'OUTCOME_EXPIRED',
    );
  });

  it('still knows it when outcomes that are newer than the backup have left the log, and it was started again', async () => {
    const { gtrid, copy, again } = await restored(false);
    {
      await using system = copy;
      const accounts = await system.participant('accounts');
      const orders = await system.participant('orders');
      const { gtrid: first } = await system.transaction(accounts, orders);
      await system.api.commit({ gtrid: first });
      for (let count = 0; count < 5; count += 1) {
        const { gtrid: newer } = await system.transaction(accounts, orders);
        await system.api.commit({ gtrid: newer });
      }
      await eventually('the first has left', () => system.log.outcome(first as Gtrid).kind === 'expired');
    }
    await using system = await again();
    const orders = await quarantined(system, gtrid);
    expect(orders.told).toEqual([]);
  });

  it('finishes the decisions that it has, and takes no evidence row for missing: it may have been deleted since', async () => {
    const { gtrid, copy } = await restored(true, 'marker');
    await using system = copy;
    const orders = await system.participant('orders');
    expect(await orders.hears('finish')).toMatchObject({ gtrid, verb: 'FINISH_VERB_COMMIT', evidence: '' });
  });
});

describe('heuristic outcomes', () => {
  const reason = { code: 'BRANCH_VOTED_NO', message: 'rolled back by hand' };
  const act = { reason: 'the data was mended', operator: 'anna' };

  /** A commit of which `orders` proves a rollback. */
  async function mixed(system: System): Promise<string> {
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    const { gtrid } = await system.transaction(accounts, orders);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_MIXED');
    return gtrid;
  }

  it('stay over restarts until they are forgotten; what was damaged is not told again', async () => {
    await using system = await openSystem();
    const gtrid = await mixed(system);
    for (let round = 0; round < 2; round += 1) {
      await system.restart();
      expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
      expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_MIXED');
    }
    const orders = await system.participant('orders');
    const accounts = await system.participant('accounts');
    await completed(system, gtrid);
    expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
    await system.api.forget({ gtrid, ...act });
    expect((await system.api.list({})).transactions).toEqual([]);
    expect(accounts.told).toEqual(['commit accounts']);
    expect(orders.told).toEqual([]);
  });

  it('once forgotten do not come back with a restart, and what was told of them stays true (I9)', async () => {
    await using system = await openSystem();
    const gtrid = await mixed(system);
    await system.api.forget({ gtrid, ...act });
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_MIXED');
    await system.restart();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    expect((await system.api.list({})).transactions).toEqual([]);
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_MIXED');
    expect([...accounts.told, ...orders.told]).toEqual([]);
  });

  it('of a rollback stay too, and stay true when they are forgotten', async () => {
    await using system = await openSystem();
    const finish = () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE' as const, reason });
    const orders = await system.participant('orders', { finish });
    const { gtrid } = await system.transaction(await system.participant('accounts'), orders);
    await refusal(system.api.rollback({ gtrid }));
    await system.restart();
    expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
    await system.api.forget({ gtrid, ...act });
    await system.restart();
    expect((await system.api.list({})).transactions).toEqual([]);
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_MIXED');
  });
});

function bound(target: Log, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' ? value.bind(target) : value;
}
