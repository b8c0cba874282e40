// What operators do: nothing against a durable decision, nothing unasked, nothing without a record before its effect.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { later, silent } from './scripted-participant.ts';
import { act, COMMITTED, ROLLBACK, ROLLED_BACK, stuck } from './stuck.ts';
import { refusal } from './unary.ts';

describe('a resolution', () => {
  it('against a durable decision is refused, with the decision shown; nothing is written (conformance N4)', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    const before = system.log.status().lastSequence;
    const refused = await refusal(system.api.resolve({ ...ROLLBACK, gtrid }));
    expect(refused).toMatchObject({ status: 9, code: 'RESOLUTION_CONTRADICTS', metadata: { gtrid } });
    expect(refused.message).toContain('the decision to commit');
    expect(system.log.status().lastSequence).toBe(before);
  });

  it('tried dry says what it would do and changes nothing (conformance N6)', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    const { gtrid: active } = await system.transaction(await system.participant('accounts'));
    const before = [system.log.status().lastSequence, await system.info(gtrid), (await system.info(active)).version];
    const dry = await system.api.resolve({ ...ROLLED_BACK, gtrid, dryRun: true, reason: '', operator: '' });
    expect(dry.effects.join(' ')).toMatch(/close branch orders as rolled back against the decision/);
    expect((await system.api.resolve({ ...ROLLBACK, gtrid: active, dryRun: true })).effects).toEqual([
      `roll back ${active}: no decision exists, and none ever will`,
      'roll back branch accounts',
    ]);
    const after = [system.log.status().lastSequence, await system.info(gtrid), (await system.info(active)).version];
    expect({ ...after, 1: { ...(after[1] as object), ageMs: '' } }).toEqual({
      ...before,
      1: { ...(before[1] as object), ageMs: '' },
    });
  });

  it('rolls back what is undecided, with its audit record durable before any branch is told', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    system.disk.flushMs = 200;
    const resolving = system.api.resolve({ ...ROLLBACK, gtrid, requestId: 'r1' });
    await later(100, undefined);
    expect(orders.told).toEqual([]);
    expect((await system.info(gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
    const { transaction } = await resolving;
    expect(transaction).toMatchObject({ outcome: 'OUTCOME_ROLLED_BACK', operatorAction: true });
    expect(system.records('operator-action')).toMatchObject([
      { gtrid, action: 'rollback', operator: 'anna', reason: act.reason, requestId: 'r1' },
    ]);
    await orders.hears('finish');
    expect(orders.told).toEqual(['rollback orders']);
  });

  it('that loses to a commit made meanwhile says so, and the commit stands (D2)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    system.disk.flushMs = 200;
    const resolving = refusal(system.api.resolve({ ...ROLLBACK, gtrid }));
    await later(50, undefined);
    const committed = system.api.commit({ gtrid });
    expect(await resolving).toMatchObject({ code: 'RESOLUTION_CONTRADICTS' });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('closes a branch on an operator’s word only while no engine can be asked; the end is a hazard, or mixed', async () => {
    await using system = await openSystem();
    for (const [resolution, outcome] of [
      [COMMITTED, 'OUTCOME_HAZARD'],
      [ROLLED_BACK, 'OUTCOME_MIXED'],
    ] as const) {
      const gtrid = await stuck(system);
      const back = await system.participant('orders', { finish: silent });
      expect((await refusal(system.api.resolve({ ...resolution, gtrid }))).code).toBe('TXN_STATE');
      back.cut();
      await system.detached(back);
      expect((await refusal(system.api.resolve({ ...resolution, gtrid, bqual: 'nobody' }))).code).toBe('FIELD_INVALID');
      expect((await refusal(system.api.resolve({ ...resolution, gtrid, bqual: 'accounts' }))).code).toBe('TXN_STATE');
      expect((await system.api.resolve({ ...resolution, gtrid })).transaction).toMatchObject({ outcome });
      expect((await system.api.commit({ gtrid })).outcome).toBe(outcome);
    }
  });

  it('that was made is not made again by its request id, also after a restart; another one under that id is refused', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    await system.api.resolve({ ...COMMITTED, gtrid, requestId: 'r1' });
    for (let round = 0; round < 2; round += 1) {
      const again = await system.api.resolve({ ...COMMITTED, gtrid, requestId: 'r1' });
      expect(again.effects).toEqual(['nothing more: the log holds this action already']);
      expect((await refusal(system.api.resolve({ ...ROLLED_BACK, gtrid, requestId: 'r1' }))).code).toBe(
        'REQUEST_ID_REUSED',
      );
      expect((await refusal(system.api.forget({ ...act, gtrid, requestId: 'r1' }))).code).toBe('REQUEST_ID_REUSED');
      expect(system.records('operator-action')).toHaveLength(1);
      await system.restart();
    }
  });

  it('is refused when the transaction has changed since it was looked at (conformance N4)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const { version } = await system.info(gtrid);
    await system.api.setRollbackOnly({ gtrid });
    const refused = await refusal(system.api.resolve({ ...ROLLBACK, gtrid, expectedVersion: version }));
    expect(refused).toMatchObject({ status: 10, code: 'VERSION_CONFLICT' });
    expect((await system.api.resolve({ ...ROLLBACK, gtrid, expectedVersion: version + 1 })).transaction?.outcome).toBe(
      'OUTCOME_ROLLED_BACK',
    );
  });

  it('by two operators at once is made by one, and the other hears that (faults F94)', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    system.disk.flushMs = 100;
    const both = await Promise.allSettled([
      system.api.resolve({ ...COMMITTED, gtrid, operator: 'anna' }),
      system.api.resolve({ ...ROLLED_BACK, gtrid, operator: 'bert' }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(system.records('operator-action')).toHaveLength(1);
    const loser =
      both[0].status === 'rejected' ? { ...COMMITTED, operator: 'anna' } : { ...ROLLED_BACK, operator: 'bert' };
    expect((await refusal(system.api.resolve({ ...loser, gtrid }))).code).toBe('TXN_STATE');
  });

  it('sent twice at once under one request id is made once, and both hear of it', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    system.disk.flushMs = 100;
    const request = { ...COMMITTED, gtrid, requestId: 'r1' };
    const [one, other] = await Promise.all([system.api.resolve(request), system.api.resolve(request)]);
    expect([one, other].map(({ transaction }) => transaction?.outcome)).toEqual(['OUTCOME_HAZARD', 'OUTCOME_HAZARD']);
    expect(system.records('operator-action')).toHaveLength(1);
  });

  it('whose record the log does not take has no effect', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    system.disk.failNextForce('lost');
    expect((await refusal(system.api.resolve({ ...ROLLBACK, gtrid }))).code).toBe('LOG_FAILED');
    expect(orders.told).toEqual([]);
  });
});

describe('forget', () => {
  it('takes a heuristic outcome off the list, and nothing else (conformance N5)', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    expect((await refusal(system.api.forget({ ...act, gtrid }))).code).toBe('TXN_STATE');
    await system.api.resolve({ ...ROLLED_BACK, gtrid });
    expect((await system.api.forget({ ...act, gtrid, dryRun: true })).effects).toHaveLength(1);
    expect((await system.api.list({})).transactions).toHaveLength(1);
    await system.api.forget({ ...act, gtrid });
    expect((await system.api.list({})).transactions).toEqual([]);
    expect((await refusal(system.api.forget({ ...act, gtrid }))).code).toBe('TXN_NOT_FOUND');
    expect(system.records('operator-action').map(({ action }) => action)).toEqual(['branch-rolled-back', 'forget']);
  });
});

describe('retry', () => {
  it('makes the next call of every waiting branch now', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { finish: () => ({ result: 'FINISH_RESULT_NOT_YET' }) });
    const { gtrid } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid });
    const calls = orders.told.length;
    const waiting = await eventually('a retry is due later', async () => {
      const [, branch] = (await system.info(gtrid)).branches;
      return branch !== undefined && branch.nextAttemptInMs > 500 && branch;
    });
    expect(waiting.attempts).toBeGreaterThanOrEqual(4);
    expect((await system.api.retry({ gtrid })).branches).toBe(1);
    await orders.hears('finish', calls + 1, 400);
    expect((await refusal(system.api.retry({ gtrid: gtrid.replace(/0$/, 'zzz') }))).code).toBe('TXN_NOT_FOUND');
  });
});
