// Calls to participants: where they go when streams break, come back or stay silent; and that a silent one costs nobody else (D11).
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { later, type ParticipantSettings, type ScriptedParticipant, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

/** Inside an application: it holds its own branches and serves nobody else's. */
function embedded(system: System, resource: string, settings: ParticipantSettings = {}): Promise<ScriptedParticipant> {
  const hello = { kind: 'PARTICIPANT_KIND_EMBEDDED', address: '', ...settings.hello } as const;
  return system.participant(resource, { ...settings, hello });
}

/** A transaction with one branch at each participant, opened by it. */
async function openedAt(system: System, ...participants: readonly ScriptedParticipant[]): Promise<string> {
  const { gtrid } = await system.api.begin({});
  for (const participant of participants) {
    participant.send({ opened: { gtrid, bqual: participant.resource } });
  }
  await eventually('all are reported', async () => (await system.info(gtrid)).branches.length === participants.length);
  return gtrid;
}

const refs = (...participants: readonly ScriptedParticipant[]) =>
  participants.map(({ resource: bqual, instance }) => ({ bqual, instance }));

describe('a prepare', () => {
  it('waits a second for the instance that holds the branch to come back, and goes to it again', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    await system.participant('orders');
    const holder = await embedded(system, 'orders', { prepare: silent });
    const gtrid = await openedAt(system, accounts, holder);
    const committed = system.api.commit({ gtrid, branches: refs(accounts, holder) });
    await holder.hears('prepare');
    holder.cut();
    await system.detached(holder);
    const held = [{ gtrid, bqual: 'orders' }];
    const back = await embedded(system, 'orders', { hello: { instance: holder.instance, held } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('prepare')).toEqual([{ gtrid, bqual: 'orders' }]);
    expect(back.told).toEqual(['commit orders']);
  });

  it('goes to the sidecar after that, whose no rolls everything back', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const reason = { code: 'BRANCH_UNKNOWN', message: 'not held here', retryable: true };
    const sidecar = await system.participant('orders', { prepare: () => ({ vote: 'VOTE_ROLLBACK', reason }) });
    const holder = await embedded(system, 'orders', { prepare: silent });
    const gtrid = await openedAt(system, accounts, holder);
    const started = performance.now();
    const committed = refusal(system.api.commit({ gtrid, branches: refs(accounts, holder) }));
    await holder.hears('prepare');
    holder.cut();
    expect(await committed).toMatchObject({ code: 'BRANCH_VOTED_NO', metadata: { cause: 'BRANCH_UNKNOWN' } });
    expect(performance.now() - started).toBeGreaterThan(900);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(sidecar.heard('prepare')).toHaveLength(1);
  });

  it('is not sent when the reattached instance brings its vote along', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { prepare: silent });
    const gtrid = await openedAt(system, accounts, orders);
    const committed = system.api.commit({ gtrid, branches: refs(accounts, orders) });
    await orders.hears('prepare');
    orders.cut();
    await system.detached(orders);
    const held = [{ gtrid, bqual: 'orders', vote: 'VOTE_PREPARED' as const, evidence: 'xid8:11' }];
    const back = await system.participant('orders', { hello: { instance: orders.instance, held } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('finish')).toEqual([
      { gtrid, bqual: 'orders', verb: 'FINISH_VERB_COMMIT', evidence: 'xid8:11', instance: '' },
    ]);
    expect(back.heard('prepare')).toEqual([]);
  });

  it('is repeated after ten seconds without a vote, and ends in a rollback before a unary caller stops waiting', async () => {
    await using system = await openSystem({ clock: new TestClock(10) });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { prepare: silent });
    accounts.beat(100);
    orders.beat(100);
    const { gtrid } = await system.api.begin({ timeoutMs: 86_400_000 });
    for (const resource of ['accounts', 'orders']) {
      await system.api.enlist({ gtrid, resource });
    }
    const refused = await refusal(system.api.commit({ gtrid }));
    expect(refused.code).toBe('TXN_TIMEOUT');
    expect(orders.heard('prepare').length).toBeGreaterThanOrEqual(3);
    await orders.hears('finish');
    expect([...accounts.told, ...orders.told]).toEqual(['rollback accounts', 'rollback orders']);
  });

  it('is not asked for when the vote came unasked', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.api.begin({});
    for (const { resource: bqual } of [accounts, orders]) {
      const participant = bqual === 'orders' ? orders : accounts;
      participant.send({ vote: { gtrid, bqual, vote: 'VOTE_PREPARED', evidence: 'xid8:1' } });
    }
    await eventually('both votes are in', async () => (await system.info(gtrid)).branches.length === 2);
    expect((await system.api.commit({ gtrid, branches: refs(accounts, orders) })).outcome).toBe('OUTCOME_COMMITTED');
    expect([...accounts.heard('prepare'), ...orders.heard('prepare')]).toEqual([]);
  });

  it('that its client has asked for is awaited, and asked for from here only where the vote stays away', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const gtrid = await openedAt(system, accounts, orders);
    const asked = refs(accounts, orders).map((branch) => ({ ...branch, asked: true }));
    const started = performance.now();
    const committed = system.api.commit({ gtrid, branches: asked });
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: 'xid8:1' } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(accounts.heard('prepare')).toEqual([]);
    expect(orders.heard('prepare')).toEqual([{ gtrid, bqual: 'orders' }]);
    expect(performance.now() - started).toBeGreaterThan(450);
  });

  it('that its client has asked for goes to an instance that comes back, and at once where the client did not know whom it asked', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const gtrid = await openedAt(system, accounts, orders);
    orders.cut();
    await system.detached(orders);
    const [known, gone] = refs(accounts, orders);
    const committed = system.api.commit({
      gtrid,
      branches: [
        { ...known, instance: '', asked: true },
        { ...gone, asked: true },
      ],
    });
    await accounts.hears('prepare');
    const held = [{ gtrid, bqual: 'orders' }];
    const back = await system.participant('orders', { hello: { instance: orders.instance, held } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('prepare')).toEqual([{ gtrid, bqual: 'orders' }]);
  });
});

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
    const found = () => sidecar.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: 'xid8:7' }] } });
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

  it.each([
    ['in words of its own', 'onePhaseEvidence'],
    ['with the vote of its last statement, which the commit overtook', 'vote'],
  ] as const)('in one phase is asked of another instance with what will prove it, told %s', async (_, kind) => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const holder = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(holder);
    void system.api.commit({ gtrid }).catch(() => undefined);
    const { bqual } = await holder.hears('finish');
    const evidence = { gtrid, bqual, evidence: 'xid8:77' };
    holder.send(kind === 'vote' ? { vote: { ...evidence, vote: 'VOTE_PREPARED' } } : { onePhaseEvidence: evidence });
    await eventually('it is heard', async () => (await system.info(gtrid)).branches?.[0]?.evidence === 'xid8:77');
    holder.cut();
    await system.detached(holder);
    const other = await system.participant('orders', { finish: silent });
    expect(await other.hears('finish')).toMatchObject({
      ...{ gtrid, verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence: 'xid8:77', instance: holder.instance },
    });
  });

  it('in one phase ends in a rollback when its instance is gone before it was told', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders');
    const gtrid = await openedAt(system, holder);
    holder.cut();
    await system.detached(holder);
    const refused = await refusal(system.api.commit({ gtrid, branches: refs(holder) }));
    expect(refused).toMatchObject({
      code: 'BRANCH_VOTED_NO',
      metadata: { cause: 'BRANCH_UNKNOWN', retryable: 'true' },
    });
    expect(sidecar.told).toEqual([]);
  });

  it('in one phase that nobody could be told of ends in a rollback, not never', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    orders.cut();
    await system.detached(orders);
    const refused = await refusal(system.api.commit({ gtrid, branches: refs(orders) }));
    expect(refused).toMatchObject({ status: 10, metadata: { outcome: 'rolled-back', retryable: 'true' } });
    expect(await system.info(gtrid)).toMatchObject({ outcome: 'OUTCOME_ROLLED_BACK' });
    const back = await system.participant('orders');
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: 'xid8:3' }] } });
    await back.hears('finish');
    expect(back.told).toEqual(['rollback orders']);
  });

  it('in one phase is told to who announced its evidence, with it, and again when it is announced again', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    void system.api.commit({ gtrid }).catch(() => undefined);
    const { bqual } = await orders.hears('finish');
    orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: 'xid8:77' } });
    await orders.hears('finish', 2);
    orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: 'xid8:77' } });
    await orders.hears('finish', 3);
    expect(orders.heard('finish').map(({ evidence }) => evidence)).toEqual(['', 'xid8:77', 'xid8:77']);
  });

  it('in one phase ends in a rollback when its instance dies before it has announced its evidence (conformance F3)', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = refusal(system.api.commit({ gtrid, branches: refs(holder) }));
    await holder.hears('finish');
    holder.cut();
    expect(await committed).toMatchObject({
      code: 'BRANCH_VOTED_NO',
      metadata: { cause: 'BRANCH_UNKNOWN', retryable: 'true' },
    });
    expect(sidecar.told).toEqual([]);
  });

  it('in one phase whose evidence is announced when its transaction is over already is rolled back, so that its locks go', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = refusal(system.api.commit({ gtrid, branches: refs(holder) }));
    await holder.hears('finish');
    holder.cut();
    expect((await committed).code).toBe('BRANCH_VOTED_NO');
    const back = await embedded(system, 'orders', { finish: silent });
    back.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: 'xid8:99' } });
    await back.hears('finish');
    expect(back.told).toEqual(['rollback orders']);
  });

  it('in one phase of a branch whose holder nobody knew is told to the holder as soon as that says so, and to nobody else', async () => {
    await using system = await openSystem();
    const holder = await system.participant('orders', { finish: silent });
    const asked = await system.participant('orders', { hello: { instance: 'two' }, finish: silent });
    const { gtrid } = await system.api.begin({});
    const unknown = refs(holder).map((branch) => ({ ...branch, instance: '' }));
    const outcome = system.api.commit({ gtrid, branches: unknown });
    await asked.hears('finish');
    holder.send({ opened: { gtrid, bqual: 'orders' } });
    await holder.hears('finish');
    asked.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_ROLLBACK' } });
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: 'marker' } });
    const { evidence, instance, verb } = await holder.hears('finish', 2);
    expect([evidence, instance]).toEqual(['marker', holder.instance]);
    holder.send({ result: { gtrid, bqual: 'orders', verb, result: 'FINISH_RESULT_DONE' } });
    expect((await outcome).outcome).toBe('OUTCOME_COMMITTED');
    expect(asked.heard('finish')).toHaveLength(1);
  });

  it('in one phase of a branch whose holder nobody knew is told to who announces its evidence', async () => {
    await using system = await openSystem();
    const holder = await system.participant('orders', { finish: silent });
    const asked = await system.participant('orders', { hello: { instance: 'two' }, finish: silent });
    const { gtrid } = await system.api.begin({});
    const unknown = refs(holder).map((branch) => ({ ...branch, instance: '' }));
    void system.api.commit({ gtrid, branches: unknown }).catch(() => undefined);
    await asked.hears('finish');
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: 'marker' } });
    expect(await holder.hears('finish')).toMatchObject({ evidence: 'marker', instance: holder.instance });
    expect(asked.heard('finish')).toHaveLength(1);
  });

  it('in one phase that was told once is never presumed, however long the participant is away', async () => {
    await using system = await openSystem({ clock: new TestClock(20) });
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    const committed = refusal(system.api.commit({ gtrid }));
    const { bqual } = await orders.hears('finish');
    orders.send({ onePhaseEvidence: { gtrid, bqual, evidence: 'xid8:77' } });
    await orders.hears('finish', 2);
    orders.cut();
    expect((await committed).code).toBe('OUTCOME_UNKNOWN');
    await later(1_000, undefined);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNSPECIFIED');
    await system.participant('orders');
    await eventually('its engine tells', async () => (await system.info(gtrid)).outcome === 'OUTCOME_COMMITTED');
  });

  it('in one phase is asked of the sidecar when its instance may have done it before it was gone', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = system.api.commit({ gtrid, branches: refs(holder) });
    await holder.hears('finish');
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: 'xid8:99' } });
    await eventually('the evidence is in', async () => (await system.info(gtrid)).branches[0]?.evidence === 'xid8:99');
    holder.cut();
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(sidecar.told).toEqual(['commit_one_phase orders']);
  });

  it('in one phase that was answered with "unknown" is asked of the sidecar, and never taken for one that nobody was told', async () => {
    await using system = await openSystem();
    const sidecar = await system.participant('orders');
    const holder = await embedded(system, 'orders', { finish: silent });
    const gtrid = await openedAt(system, holder);
    const committed = system.api.commit({ gtrid, branches: refs(holder) });
    await holder.hears('finish');
    holder.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: 'xid8:99' } });
    await holder.hears('finish', 2);
    const verb = 'FINISH_VERB_COMMIT_ONE_PHASE';
    holder.send({ result: { gtrid, bqual: 'orders', verb, result: 'FINISH_RESULT_UNKNOWN' } });
    await eventually('the answer is in', async () => (await system.info(gtrid)).branches[0]?.attempts === 1);
    holder.cut();
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(sidecar.told).toEqual(['commit_one_phase orders']);
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
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: 'xid8:3' }] } });
    await back.hears('finish');
    expect(back.heard('finish')).toMatchObject([{ gtrid, verb: 'FINISH_VERB_ROLLBACK', evidence: 'xid8:3' }]);
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
    const branches = [live, decided, orphan].map((gtrid) => ({ gtrid, bqual: 'accounts', evidence: 'xid8:7' }));
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
      prepare: () => later(50, { vote: 'VOTE_PREPARED' as const, evidence: 'xid8:1' }),
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
