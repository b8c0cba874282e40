// Calls to participants of what is decided: where they go when streams break or stay silent; and that a silent one costs nobody else (D11).
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { embedded, openedAt, refs } from './opened.ts';
import { later, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

describe('a commit', () => {
  it('goes to the sidecar when the instance inside the application is gone', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, accounts, holder);
    const committed = system.api.commit({ gtrid, branches: refs(accounts, holder) });
    await holder.hears('finish');
    holder.cut();
    expect(await committed).toMatchObject({ outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' });
    expect(sidecar.told).toEqual(['commit orders']);
  });

  it('is asked again after ten seconds without an answer, and with a backoff while the answer is "not yet"', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const accounts = await system.participant('accounts');
    let calls = 0;
    const orders = await system.participant('orders', {
      finish: () => {
        calls += 1;
        const result = calls < 4 ? 'FINISH_RESULT_NOT_YET' : 'FINISH_RESULT_DONE';
        return calls === 1 ? undefined : { result };
      },
    });
    accounts.beat(50);
    orders.beat(50);
    const { gtrid } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid });
    await eventually('it completes', async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_COMPLETED');
    expect(orders.told).toEqual(Array.from({ length: 4 }, () => 'commit orders'));
    expect(accounts.told).toEqual(['commit accounts']);
  });

  it('goes to another instance that finds the branch only when its own has not answered for three seconds', async () => {
    const clock = new TestClock();
    await using system = await openSystem({ clock });
    const accounts = await system.participant('accounts');
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, accounts, holder);
    const committed = system.api.commit({ gtrid, branches: refs(accounts, holder) });
    await holder.hears('finish');
    const found = () =>
      sidecar.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'x7aaaaaaaaaa' } }] } });
    found();
    await system.transaction(accounts, sidecar); // What the sidecar said before it has been heard.
    expect(sidecar.told).toEqual([]);
    clock.skip(3_000);
    found();
    await sidecar.hears('finish');
    expect(await committed).toMatchObject({ outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' });
    expect(sidecar.told).toEqual(['commit orders']);
  });

  it('is answered once although two instances answer it', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const first = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(accounts, first);
    const committed = system.api.commit({ gtrid });
    const { bqual, verb } = await first.hears('finish');
    const second = await system.participant('orders');
    first.send({ result: { gtrid, bqual, verb, result: 'FINISH_RESULT_DONE' } });
    second.send({ result: { gtrid, bqual, verb, result: 'FINISH_RESULT_UNKNOWN' } });
    expect(await committed).toMatchObject({ state: 'TRANSACTION_STATE_COMPLETED' });
    expect(system.records('heuristic')).toEqual([]);
    await eventually('the end is durable', () => system.records('finished').length === 1);
  });
});

describe('a rollback', () => {
  it('waits for nobody who is away: the branch is left to the sweep', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    orders.cut();
    await system.detached(orders);
    expect((await system.api.rollback({ gtrid })).state).toBe('TRANSACTION_STATE_COMPLETED');
    const back = await system.participant('orders');
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'x3aaaaaaaaaa' } }] } });
    await back.hears('finish');
    expect(back.heard('finish')).toMatchObject([
      { gtrid, verb: 'FINISH_VERB_ROLLBACK', evidence: { row: 'x3aaaaaaaaaa' } },
    ]);
  });

  it('that the engine proves to be a commit is damage: recorded, shown as mixed, alarmed', async () => {
    await using system = await openSystem();
    const reason = { code: 'BRANCH_VOTED_NO', message: 'committed by hand' };
    const orders = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    const { gtrid } = await system.transaction(orders);
    await refusal(system.api.rollback({ gtrid }));
    expect(await system.info(gtrid)).toMatchObject({ outcome: 'OUTCOME_MIXED' });
    expect(system.records('heuristic')).toMatchObject([
      { gtrid, decision: 'rollback', damage: [{ kind: 'committed' }] },
    ]);
    expect(system.events.named('branch-alarm')).toHaveLength(1);
    expect(system.events.named('heuristic-outcome')).toHaveLength(1);
  });
});

describe('reconciliation', () => {
  it('leaves live branches alone, commits decided ones and rolls back the rest (faults F88, conformance G4 G5 G6)', async () => {
    const clock = new TestClock();
    await using system = await openSystem({ clock });
    const accounts = await system.participant('accounts', { finish: silent });
    const orders = await system.participant('orders');
    const { identity, epoch } = system.log.recovered;
    const { gtrid: live } = await system.transaction(accounts, orders);
    const { gtrid: decided } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid: decided, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    await accounts.hears('finish');
    const orphan = `${identity}.${epoch}.zz`;
    const other = await system.participant('accounts', { hello: { instance: 'other' } });
    clock.skip(3_000); // Asked before in vain.
    const branches = [live, decided, orphan].map((gtrid) => ({
      gtrid,
      bqual: 'accounts',
      evidence: { row: 'x7aaaaaaaaaa' },
    }));
    other.send({ reconcile: { branches } });
    await other.hears('finish', 2);
    expect(other.heard('finish')).toMatchObject([
      { gtrid: decided, verb: 'FINISH_VERB_COMMIT' },
      { gtrid: orphan, verb: 'FINISH_VERB_ROLLBACK' },
    ]);
    expect((await system.info(live)).state).toBe('TRANSACTION_STATE_ACTIVE');
  });
});

describe('D11: one participant that never answers', () => {
  it('delays no other transaction, however many wait for it', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const stuck = await system.participant('stuck', { prepare: silent, finish: silent });
    const session = await system.session();
    for (let n = 0; n < 300; n += 1) {
      const gtrid = session.gtrid();
      session.send(
        { id: session.id(), begin: { gtrid } },
        { id: session.id(), commit: { gtrid, branches: refs(accounts, stuck) } },
      );
    }
    await stuck.hears('prepare', 300);
    const times: number[] = [];
    for (let n = 0; n < 50; n += 1) {
      const { gtrid } = await system.transaction(accounts, orders);
      const started = performance.now();
      await system.api.commit({ gtrid });
      times.push(performance.now() - started);
    }
    const [median = Number.POSITIVE_INFINITY] = times.toSorted((a, b) => a - b).slice(25);
    expect(median).toBeLessThan(50);
  });

  it('delays no other branch of its own transaction', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const stuck = await system.participant('stuck', { finish: silent });
    const { gtrid } = await system.transaction(accounts, stuck);
    const started = performance.now();
    const committed = system.api.commit({ gtrid });
    await accounts.hears('finish');
    expect(performance.now() - started).toBeLessThan(1_000);
    await committed;
  });

  it('sixteen branches of 50 ms each take about 50 ms for prepare and 50 for commit (conformance D14)', async () => {
    await using system = await openSystem();
    const slow = {
      prepare: () => later(50, { vote: 'VOTE_PREPARED' as const, evidence: { row: 'xbaaaaaaaaaa' } }),
      finish: () => later(50, { result: 'FINISH_RESULT_DONE' as const }),
    };
    const all = await Promise.all(Array.from({ length: 16 }, (_, n) => system.participant(`r${n}`, slow)));
    const { gtrid } = await system.transaction(...all);
    const started = performance.now();
    await system.api.commit({ gtrid });
    const tookMs = performance.now() - started;
    expect(tookMs).toBeGreaterThan(95);
    expect(tookMs).toBeLessThan(400);
  });
});
