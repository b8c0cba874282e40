// Whose word of an end counts, and what people hear of words that contradict each other.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { openedAt, refs } from './opened.ts';
import { completed } from './restarted.ts';
import { later, type ScriptedParticipant, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

const reason = { code: 'BRANCH_VOTED_NO', message: 'rolled back by hand' };
const act = { reason: 'the data was fixed', operator: 'anna' };

/** Decided, and `accounts` has not answered to its commit. */
async function decided(system: System): Promise<{ gtrid: string; accounts: ScriptedParticipant }> {
  const accounts = await system.participant('accounts', { finish: silent });
  const orders = await system.participant('orders');
  const gtrid = await openedAt(system, accounts, orders);
  await system.api.commit({
    ...{ gtrid, branches: refs(accounts, orders), acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' },
  });
  await accounts.hears('finish');
  return { gtrid, accounts };
}

function answer(
  participant: ScriptedParticipant,
  gtrid: string,
  result: 'DONE' | 'DONE_OTHERWISE',
  verb = 'COMMIT',
): void {
  participant.send({
    result: {
      ...{ gtrid, bqual: participant.resource, reason },
      verb: `FINISH_VERB_${verb}` as 'FINISH_VERB_COMMIT',
      result: `FINISH_RESULT_${result}`,
    },
  });
}

function alarms(system: System): unknown[] {
  return [...system.events.named('unasked-result'), ...system.events.named('branch-alarm')].map(
    (fields) => fields['message'],
  );
}

describe('an answer of a participant that was not asked', () => {
  for (const result of ['DONE', 'DONE_OTHERWISE'] as const) {
    it(`does not count, and people hear of it: ${result} (security X7)`, async () => {
      await using system = await openSystem();
      const { gtrid, accounts } = await decided(system);
      const thief = await system.participant('accounts', { finish: silent });
      answer(thief, gtrid, result);
      await eventually('people hear of it', () => system.events.named('unasked-result').length === 1);
      expect(system.events.named('unasked-result')[0]).toMatchObject({ txn: gtrid, instance: thief.instance });
      expect(await system.info(gtrid)).toMatchObject({
        state: 'TRANSACTION_STATE_COMMITTING',
        outcome: 'OUTCOME_COMMITTED',
      });
      expect(system.records('heuristic')).toEqual([]);
      // The one that was asked is still believed.
      answer(accounts, gtrid, 'DONE');
      await completed(system, gtrid);
      expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
    });
  }

  it('does not end a commit in one phase (security X7)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const thief = await system.participant('orders', { finish: silent });
    const gtrid = await openedAt(system, orders);
    const commit = system.api.commit({ gtrid, branches: refs(orders) });
    await orders.hears('finish');
    answer(thief, gtrid, 'DONE_OTHERWISE', 'COMMIT_ONE_PHASE');
    answer(thief, gtrid, 'DONE', 'COMMIT_ONE_PHASE');
    await eventually('people hear of it', () => system.events.named('unasked-result').length === 2);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNSPECIFIED');
    answer(orders, gtrid, 'DONE', 'COMMIT_ONE_PHASE');
    expect((await commit).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('does not make damage of a rollback (security X7)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const thief = await system.participant('orders', { finish: silent });
    const gtrid = await openedAt(system, orders);
    await system.api.rollback({ gtrid });
    answer(thief, gtrid, 'DONE_OTHERWISE', 'ROLLBACK');
    answer(thief, gtrid, 'DONE', 'COMMIT');
    await eventually('people hear of it', () => system.events.named('unasked-result').length === 2);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_ROLLED_BACK');
    expect(system.records('heuristic')).toEqual([]);
  });

  it('counts from each of two that were asked one after the other (security X7)', async () => {
    await using system = await openSystem({ clock: new TestClock(10) });
    const { gtrid, accounts } = await decided(system);
    const second = (await system.participant('accounts', { finish: silent })).beat(50);
    accounts.beat(50);
    await later(400, undefined);
    // Found by the other one, whose list is as good: the call is given to it as well.
    second.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: { row: 'x7aaaaaaaaaa' } }] } });
    await second.hears('finish');
    answer(accounts, gtrid, 'DONE');
    await completed(system, gtrid);
    answer(second, gtrid, 'DONE');
    await later(50, undefined);
    expect(alarms(system)).toEqual([]);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
  });
});

describe('a branch that its own statement committed', () => {
  const row = 'dmaaaaaaaaaa';

  /** As its participant tells it: a no, and the damage right behind. */
  function damaged(participant: ScriptedParticipant, gtrid: string): void {
    const ref = { gtrid, bqual: participant.resource, reason };
    participant.send({ vote: { ...ref, vote: 'VOTE_ROLLBACK' } });
    participant.send({
      result: {
        ...{ ...ref, evidence: { opening: row } },
        ...{ verb: 'FINISH_VERB_ROLLBACK', result: 'FINISH_RESULT_DONE_OTHERWISE' },
      },
    });
  }

  it('is damage, also if it was asked for its one phase meanwhile (D4)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    const commit = refusal(system.api.commit({ gtrid, branches: refs(orders) }));
    await orders.hears('finish');
    damaged(orders, gtrid);
    await commit;
    await eventually('it is recorded', async () => (await system.info(gtrid)).outcome === 'OUTCOME_MIXED');
    expect(system.records('heuristic')).toHaveLength(1);
    expect(alarms(system)).toEqual([expect.stringContaining('rolled back, but ')]);
  });

  it('is damage, also if nobody has told which opening of the branch it is (D4)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts', { finish: silent });
    const orders = await system.participant('orders', { finish: silent });
    const gtrid = await openedAt(system, accounts, orders);
    damaged(orders, gtrid);
    await eventually('it is recorded', () => system.records('heuristic').length === 1);
    expect(alarms(system)).toEqual([expect.stringContaining('rolled back, but ')]);
  });
});

describe('a participant that contradicts itself', () => {
  it('says no after its yes: everything is rolled back, and people hear of it', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const gtrid = await openedAt(system, accounts);
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: { row: 'ebaaaaaaaaaa' } } });
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_ROLLBACK', reason } });
    await completed(system, gtrid);
    expect(alarms(system)).toEqual([
      expect.stringContaining('has voted prepared with evidence row:ebaaaaaaaaaa, and now votes no'),
    ]);
  });

  it('says no after its yes was decided on: people hear of it, once', async () => {
    await using system = await openSystem();
    const { gtrid, accounts } = await decided(system);
    for (let n = 0; n < 3; n += 1) {
      accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_ROLLBACK', reason } });
    }
    await eventually('people hear of it', () => alarms(system).length === 1);
    answer(accounts, gtrid, 'DONE');
    await completed(system, gtrid);
    expect(alarms(system)).toHaveLength(1);
  });

  it('says yes twice with different evidence: nothing is committed, and people hear of it', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    orders.script.prepare = silent;
    const gtrid = await openedAt(system, accounts, orders);
    const commit = refusal(system.api.commit({ gtrid, branches: refs(accounts, orders) }));
    await orders.hears('prepare');
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: { row: 'otheraaaaaaa' } } });
    expect((await commit).metadata['outcome']).toBe('rolled-back');
    expect(alarms(system)).toEqual([expect.stringContaining('now votes prepared with evidence row:otheraaaaaaa')]);
  });

  it('says that it has committed what was rolled back: that is damage, recorded and shown', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const gtrid = await openedAt(system, accounts);
    await system.api.rollback({ gtrid });
    answer(accounts, gtrid, 'DONE');
    await eventually('it is shown', async () => (await system.info(gtrid)).outcome === 'OUTCOME_MIXED');
    expect(system.records('heuristic')).toMatchObject([{ gtrid, decision: 'rollback' }]);
    expect(alarms(system)).toEqual([expect.stringContaining('rolled back, but its participant has answered')]);
    await system.restart();
    expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
  });

  it('says that a commit is out of turn: people hear of it', async () => {
    await using system = await openSystem();
    const { gtrid, accounts } = await decided(system);
    const broken = { code: 'BRANCH_STATE', message: 'the branch is at work and not prepared' };
    accounts.send({
      result: {
        ...{ gtrid, bqual: 'accounts', reason: broken },
        ...{ verb: 'FINISH_VERB_COMMIT', result: 'FINISH_RESULT_NOT_YET' },
      },
    });
    await eventually('people hear of it', () => alarms(system).length === 1);
    expect(alarms(system)).toEqual([expect.stringContaining('a commit is out of turn')]);
  });
});

describe('an operator’s word', () => {
  for (const [word, result, outcome] of [
    ['RESOLUTION_BRANCH_COMMITTED', 'DONE_OTHERWISE', 'OUTCOME_MIXED'],
    ['RESOLUTION_BRANCH_ROLLED_BACK', 'DONE', 'OUTCOME_MIXED'],
  ] as const) {
    it(`that the engine disproves, ${word}: an alarm and a record, kept over a restart (field R16)`, async () => {
      await using system = await openSystem();
      const { gtrid, accounts } = await decided(system);
      accounts.cut();
      await system.detached(accounts);
      await system.api.resolve({ gtrid, bqual: 'accounts', resolution: word, ...act });
      const back = await system.participant('accounts', {
        finish: () => ({ result: `FINISH_RESULT_${result}`, reason }),
      });
      back.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: { row: 'x7aaaaaaaaaa' } }] } });
      await eventually('it is recorded', () => system.records('heuristic').length === 1);
      expect(alarms(system)).toEqual([expect.stringContaining('an operator vouched')]);
      await eventually('it is shown', async () => (await system.info(gtrid)).outcome === outcome);
      await system.restart();
      expect((await system.info(gtrid)).outcome).toBe(outcome);
      await system.participant('orders');
      await completed(system, gtrid);
      await system.api.forget({ gtrid, ...act });
      expect((await system.info(gtrid, [{ bqual: 'accounts' }])).outcome).toBe(outcome);
    });
  }

  it('that was forgotten and is wrong is told to people all the same (field R16)', async () => {
    await using system = await openSystem();
    const { gtrid, accounts } = await decided(system);
    accounts.cut();
    await system.detached(accounts);
    await system.api.resolve({ gtrid, bqual: 'accounts', resolution: 'RESOLUTION_BRANCH_ROLLED_BACK', ...act });
    await system.api.forget({ gtrid, ...act });
    await system.restart();
    const back = await system.participant('accounts');
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: { row: 'x7aaaaaaaaaa' } }] } });
    await eventually('people hear of it', () => alarms(system).length === 1);
    expect(alarms(system)).toEqual([expect.stringContaining('has forgotten it, but it is committed')]);
    expect((await system.info(gtrid, [{ bqual: 'accounts' }])).outcome).toBe('OUTCOME_MIXED');
  });
});

describe('the hazard of a commit in one phase', () => {
  it('is durable before it is told, and stays until it is forgotten (field R3)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_UNPROVEN', reason: { code: 'OUTCOME_UNKNOWN', message: 'no trace' } }),
    });
    const gtrid = await openedAt(system, orders);
    expect((await system.api.commit({ gtrid, branches: refs(orders) })).outcome).toBe('OUTCOME_HAZARD');
    expect(system.records('heuristic')).toMatchObject([{ gtrid, damage: [{ bqual: 'orders', kind: 'unproven' }] }]);
    for (let life = 0; life < 2; life += 1) {
      await system.restart();
      expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_HAZARD' }]);
      expect((await system.api.commit({ gtrid, branches: [{ bqual: 'orders' }] })).outcome).toBe('OUTCOME_HAZARD');
    }
    await system.api.forget({ gtrid, ...act });
    for (let life = 0; life < 2; life += 1) {
      expect((await system.api.list({})).transactions).toEqual([]);
      await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) });
      expect((await system.info(gtrid, [{ bqual: 'orders' }])).outcome).toBe('OUTCOME_HAZARD');
      await system.restart();
    }
  });

  it('is not told if the process dies before its record is durable (field R3)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: () => ({ result: 'FINISH_RESULT_UNPROVEN', reason }) });
    const gtrid = await openedAt(system, orders);
    system.disk.flushMs = 10_000;
    const commit = system.api.commit({ gtrid, branches: refs(orders) }).catch(() => undefined);
    await orders.hears('finish');
    await later(100, undefined);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNSPECIFIED');
    system.disk.flushMs = 0;
    await system.restart();
    await commit;
    expect((await system.api.list({})).transactions).toEqual([]);
  });
});

describe('the number of branches that are not touched', () => {
  it('falls when they are gone, and not while nobody lists (field R12)', async () => {
    const clock = new TestClock(20);
    await using system = await openSystem({ clock });
    const orders = (await system.participant('orders')).beat(20);
    const { gtrid } = await system.api.begin({});
    const newer = gtrid.replace(/\.1\.0$/, '.9.0');
    const number = async () => (await system.api.resources({})).resources[0]?.quarantinedBranches;
    const list = (...bquals: readonly string[]): void =>
      orders.send({
        reconcile: { branches: bquals.map((bqual) => ({ gtrid: newer, bqual, evidence: { row: 'eaaaaaaaaaaa' } })) },
      });
    list('orders', 'orders.1');
    await eventually('both are counted', async () => (await number()) === 2);
    await later(1_000, undefined); // Twenty seconds without a list.
    expect(await number()).toBe(2);
    await eventually('the one that is gone is not counted any more', async () => {
      list('orders');
      return (await number()) === 1;
    });
    await eventually('neither is the other', async () => {
      list();
      return (await number()) === 0;
    });
    expect(system.events.named('branch-quarantined')).toHaveLength(2);
  });
});
