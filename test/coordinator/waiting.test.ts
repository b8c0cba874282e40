// Everybody who waits hears something, once: however long a participant is away, however often it is asked.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { later, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

describe('a commit whose participant is away', () => {
  it('is answered after two seconds with the decision, and completes when the participant is back (faults F58)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(accounts, orders);
    const started = performance.now();
    const committing = system.api.commit({ gtrid });
    await orders.hears('finish');
    orders.cut();
    const answer = await committing;
    const tookMs = performance.now() - started;
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(4_000);
    expect(answer).toMatchObject({
      outcome: 'OUTCOME_COMMITTED',
      state: 'TRANSACTION_STATE_COMMITTING',
      branches: [
        { bqual: 'accounts', state: 'BRANCH_STATE_COMMITTED' },
        { bqual: 'orders', state: 'BRANCH_STATE_COMMITTING' },
      ],
    });
    const back = await system.participant('orders');
    await eventually('it completes', async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_COMPLETED');
    expect(back.told).toEqual(['commit orders']);
    expect(accounts.told).toEqual(['commit accounts']);
  });

  it('is answered at once when DECIDED suffices', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(accounts, orders);
    const started = performance.now();
    const answer = await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(answer).toMatchObject({ outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMMITTING' });
  });

  it('is answered to the first caller in time although others ask again and again', async () => {
    await using system = await openSystem({ clock: new TestClock(5) });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: silent });
    accounts.beat(200);
    orders.beat(200);
    const { gtrid } = await system.transaction(accounts, orders);
    let answered = false;
    const first = system.api.commit({ gtrid }).then(() => {
      answered = true;
    });
    await orders.hears('finish');
    const others: Promise<unknown>[] = [];
    for (let n = 0; n < 12 && !answered; n += 1) {
      others.push(system.api.commit({ gtrid }));
      await later(100, undefined);
    }
    expect(answered).toBe(true);
    await first;
    await Promise.all(others);
  });

  it('is answered again after two seconds to whoever asks later', async () => {
    await using system = await openSystem({ clock: new TestClock(10) });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: silent });
    accounts.beat(100);
    orders.beat(100);
    const { gtrid } = await system.transaction(accounts, orders);
    for (let n = 0; n < 3; n += 1) {
      expect((await system.api.commit({ gtrid })).state).toBe('TRANSACTION_STATE_COMMITTING');
      expect((await refusal(system.api.rollback({ gtrid }))).code).toBe('TXN_DECIDED');
    }
  });
});

describe('a one-phase commit without an answer', () => {
  it('is told as unknown after twenty seconds, to those who ask later as well', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const orders = await system.participant('orders', { finish: silent });
    orders.beat(50);
    const session = await system.session();
    const gtrid = session.gtrid();
    const branches = [{ bqual: 'orders', instance: orders.instance }];
    session.send({ id: session.id(), begin: { gtrid } });
    for (let n = 0; n < 2; n += 1) {
      const id = session.id();
      session.send({ id, commit: { gtrid, branches } });
      expect((await session.answer(id, 5_000)).error).toMatchObject({
        reason: 'OUTCOME_UNKNOWN',
        metadata: { gtrid, outcome: 'unknown' },
      });
    }
    orders.script = { ...orders.script, finish: () => ({ result: 'FINISH_RESULT_DONE' }) };
    const { bqual, verb } = await orders.hears('finish');
    orders.send({ result: { gtrid, bqual, verb, result: 'FINISH_RESULT_DONE' } });
    await eventually('it is committed', async () => (await system.info(gtrid)).outcome === 'OUTCOME_COMMITTED');
    expect(session.received.filter(({ commit }) => commit)).toEqual([]);
  });
});

describe('a decision that the log does not take', () => {
  it('is told as unknown after twenty seconds, to those who ask later as well, and as committed when it is durable (faults F32)', async () => {
    const clock = new TestClock(20);
    await using system = await openSystem({ clock });
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    accounts.beat(50);
    orders.beat(50);
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.flushMs = 60_000;
    const session = await system.session();
    for (let n = 0; n < 2; n += 1) {
      const { error } = await session.ask({ commit: { gtrid } });
      expect(error).toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
      expect((await system.info(gtrid)).state).toBe('TRANSACTION_STATE_DECIDING');
    }
    expect([...accounts.told, ...orders.told]).toEqual([]);
    expect((await session.ask({ commit: { gtrid } })).commit?.outcome).toBe('OUTCOME_COMMITTED');
  });
});

describe('commit and rollback at once', () => {
  it('have one winner, and both callers hear it', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    for (let round = 0; round < 20; round += 1) {
      const { gtrid } = await system.transaction(accounts, orders);
      const [commit, rollback] = await Promise.allSettled([
        system.api.commit({ gtrid }),
        system.api.rollback({ gtrid }),
      ]);
      expect([commit.status, rollback.status].toSorted()).toEqual(['fulfilled', 'rejected']);
      const { outcome } = await system.info(gtrid);
      expect(outcome).toBe(commit.status === 'fulfilled' ? 'OUTCOME_COMMITTED' : 'OUTCOME_ROLLED_BACK');
    }
  });

  it('each caller of a session is answered once', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const session = await system.session();
    const gtrid = session.gtrid();
    const branches = [accounts, orders].map(({ resource: bqual, instance }) => ({ bqual, instance }));
    const ids = [1, 2, 3, 4].map(() => session.id());
    const [a = 0, b = 0, c = 0, d = 0] = ids;
    session.send(
      { id: session.id(), begin: { gtrid } },
      { id: a, commit: { gtrid, branches } },
      { id: b, commit: { gtrid, branches, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' } },
      { id: c, rollback: { gtrid } },
      { id: d, commit: { gtrid, branches } },
    );
    await Promise.all(ids.map((id) => session.answer(id)));
    await session.ask({ getTransaction: { gtrid } });
    expect(ids.map((id) => session.answers(id))).toEqual([1, 1, 1, 1]);
  });
});
