// The ways to an end: drained, stopped, or given up because the log failed. Nobody who waits is left without an answer.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { later, silent } from './scripted-participant.ts';
import { openApi, refusal } from './unary.ts';

async function isReachable(address: string): Promise<boolean> {
  const api = openApi(address);
  try {
    await api.health({ service: '' });
    return true;
  } catch {
    return false;
  } finally {
    api.close();
  }
}

describe('health', () => {
  it('is SERVING after recovery, for the server and for each service', async () => {
    await using system = await openSystem();
    for (const service of [
      '',
      'concordat.v1.TransactionService',
      'concordat.v1.AdminService',
      'concordat.v1.ParticipantService',
    ]) {
      expect((await system.api.health({ service })).status).toBe('SERVING');
    }
    expect((await refusal(system.api.health({ service: 'nobody' }))).status).toBe(5);
  });
});

describe('a drain', () => {
  it('refuses every Begin, lets what is open go on, and is over when nothing is (faults F13)', async () => {
    await using system = await openSystem({ drainGraceMs: 20_000 });
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts);
    const session = await system.session();
    const drained = system.coordinator.drain();
    expect((await system.api.health({ service: '' })).status).toBe('NOT_SERVING');
    expect(system.coordinator.isServing()).toBe(false);
    expect(await refusal(system.api.begin({}))).toMatchObject({ status: 14, code: 'DRAINING' });
    expect((await session.ask({ begin: { gtrid: session.gtrid() } })).error?.reason).toBe('DRAINING');
    await system.api.enlist({ gtrid, resource: 'orders' });
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
    await drained;
    expect(await isReachable(system.address)).toBe(false);
    expect([...accounts.told, ...orders.told]).toEqual(['commit accounts', 'commit orders']);
  });

  it('tells the last caller its outcome before the connections go, by unary call and by session', async () => {
    await using system = await openSystem({ drainGraceMs: 20_000 });
    const finish = () => later(100, { result: 'FINISH_RESULT_DONE' as const });
    const accounts = await system.participant('accounts', { finish });
    const orders = await system.participant('orders', { finish });
    const branches = [accounts, orders].map(({ resource: bqual, instance }) => ({ bqual, instance }));
    const { gtrid: unary } = await system.transaction(accounts, orders);
    const session = await system.session();
    const streamed = session.gtrid();
    const id = session.id();
    session.send({ id: session.id(), begin: { gtrid: streamed } }, { id, commit: { gtrid: streamed, branches } });
    const committed = system.api.commit({ gtrid: unary });
    await accounts.hears('finish', 2);
    await system.coordinator.drain();
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect((await session.answer(id, 1_000)).commit?.outcome).toBe('OUTCOME_COMMITTED');
    expect(await session.ended()).toMatchObject({ code: 0 });
    expect(await accounts.ended()).toMatchObject({ code: 0 });
  });

  it('answers the operator who asked for it although nothing is open', async () => {
    await using system = await openSystem();
    expect(await system.api.drain({})).toEqual({ inFlight: 0 });
    await system.coordinator.stopped;
  });

  it('tells how much is in flight, and ends with the grace for what does not: that is left for recovery (conformance G14)', async () => {
    await using system = await openSystem({ drainGraceMs: 300 });
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(await system.participant('accounts'), orders);
    await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    const { gtrid: active } = await system.transaction(orders);
    expect(await system.api.drain({})).toEqual({ inFlight: 2 });
    const started = performance.now();
    await system.coordinator.drain();
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(system.events.named('left-for-recovery').map(({ txn }) => txn)).toEqual([gtrid, active]);
  });

  it('is cut short by a stop', async () => {
    await using system = await openSystem({ drainGraceMs: 60_000 });
    await system.transaction(await system.participant('orders'));
    const drained = system.coordinator.drain();
    await system.coordinator.stop();
    await drained;
    expect(await isReachable(system.address)).toBe(false);
  });
});

describe('a log that fails', () => {
  async function failing(fate: 'lost' | 'kept'): Promise<{ system: System; gtrid: string; told: () => string[] }> {
    const system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.failNextForce(fate);
    return { system, gtrid, told: () => [...accounts.told, ...orders.told] };
  }

  for (const fate of ['lost', 'kept'] as const) {
    it(`is told as UNKNOWN with the id, never as rolled back; the restart reads the truth (the record was ${fate}) (faults F26)`, async () => {
      const { system, gtrid, told } = await failing(fate);
      await using _closing = system;
      const refused = await refusal(system.api.commit({ gtrid }));
      expect(refused).toMatchObject({ status: 2, code: 'OUTCOME_UNKNOWN', metadata: { gtrid, outcome: 'unknown' } });
      expect((await system.coordinator.failed).message).toContain('the log is unusable');
      await system.coordinator.stopped;
      expect(told()).toEqual([]);
      await system.restart();
      await system.participant('accounts');
      const branches = [{ bqual: 'accounts' }, { bqual: 'orders' }];
      const { outcome } = await system.info(gtrid, branches);
      expect(outcome).toBe(fate === 'kept' ? 'OUTCOME_COMMITTED' : 'OUTCOME_ROLLED_BACK');
    });
  }

  it('answers everybody who waits, by unary call and by session, before the connections go', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts', { prepare: silent });
    const orders = await system.participant('orders', { finish: silent });
    const others = await system.participant('others');
    const branches = [accounts, orders].map(({ resource: bqual, instance }) => ({ bqual, instance }));
    const { gtrid: preparing } = await system.transaction(accounts, orders);
    const { gtrid: onePhase } = await system.transaction(orders);
    const { gtrid: deciding } = await system.transaction(orders, others);
    const session = await system.session();
    const streamed = session.gtrid();
    const id = session.id();
    session.send({ id: session.id(), begin: { gtrid: streamed } }, { id, commit: { gtrid: streamed, branches } });
    const waiting = [preparing, onePhase].map((gtrid) => refusal(system.api.commit({ gtrid })));
    await accounts.hears('prepare', 2);
    await orders.hears('finish');
    system.disk.failNextForce('lost');
    const answers = await Promise.all([...waiting, refusal(system.api.commit({ gtrid: deciding }))]);
    expect(answers.map(({ code }) => code)).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
    expect((await session.answer(id, 1_000)).error).toMatchObject({
      reason: 'OUTCOME_UNKNOWN',
      metadata: { gtrid: streamed },
    });
    await session.ended();
  });

  it('keeps what was decided before, and promises nothing more', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid: before } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid: before });
    const { gtrid } = await system.transaction(accounts, orders);
    const { gtrid: other } = await system.transaction(accounts, orders);
    system.disk.failNextForce('lost');
    const calls = [
      refusal(system.api.commit({ gtrid })).then(async () => [
        await refusal(system.api.begin({})),
        await refusal(system.api.commit({ gtrid: other })),
        await refusal(system.api.rollback({ gtrid: other })),
      ]),
    ];
    const [refusals = []] = await Promise.all(calls);
    for (const { code } of refusals) {
      expect(['LOG_FAILED', 'CONNECTION_LOST']).toContain(code);
    }
    await system.restart();
    await system.participant('accounts');
    const branches = [{ bqual: 'accounts' }, { bqual: 'orders' }];
    expect((await system.info(before, branches)).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.info(other, branches)).outcome).toBe('OUTCOME_ROLLED_BACK');
  });

  it('is not serving any more', async () => {
    const { system, gtrid } = await failing('lost');
    await using _closing = system;
    await refusal(system.api.commit({ gtrid }));
    expect(system.coordinator.isServing()).toBe(false);
    await eventually('nobody is listening', async () => !(await isReachable(system.address)));
  });

  it('that fails while a resource is registered stops the coordinator as well', async () => {
    await using system = await openSystem();
    system.disk.failNextForce('lost');
    const orders = system.dial('orders');
    await system.coordinator.failed;
    await system.coordinator.stopped;
    await orders.ended();
    expect(orders.heard('welcome')).toEqual([]);
  });
});

describe('a volume that is almost full', () => {
  it('refuses Begin with LIMIT_DISK while commits go on (faults F29)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.room = false;
    const before = system.coordinator.transactions.liveCount;
    expect(await refusal(system.api.begin({}))).toMatchObject({ status: 8, code: 'LIMIT_DISK' });
    expect(system.coordinator.transactions.liveCount).toBe(before);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
    system.disk.room = true;
    await system.api.begin({});
  });
});
