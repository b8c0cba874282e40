// What operators see and do: nothing against a durable decision, nothing unasked, nothing without a record before its effect.

import { describe, expect, it } from 'vitest';
import { PROTOCOL_VERSION } from '../../src/wire/version.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { later, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

const act = { reason: 'found by hand in the books', operator: 'anna' };
const ROLLBACK = { ...act, resolution: 'RESOLUTION_ROLLBACK' } as const;
const COMMITTED = { ...act, resolution: 'RESOLUTION_BRANCH_COMMITTED', bqual: 'orders' } as const;
const ROLLED_BACK = { ...act, resolution: 'RESOLUTION_BRANCH_ROLLED_BACK', bqual: 'orders' } as const;

/** A decided transaction of which `orders` is open and nobody is attached for it. */
async function stuck(system: System): Promise<string> {
  const accounts = await system.participant('accounts');
  const orders = await system.participant('orders', { finish: silent });
  const { gtrid } = await system.transaction(accounts, orders);
  await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
  await orders.hears('finish');
  orders.cut();
  await system.detached(orders);
  await eventually(
    'accounts is done',
    async () => (await system.info(gtrid)).branches[0]?.state === 'BRANCH_STATE_COMMITTED',
  );
  return gtrid;
}

describe('a list', () => {
  it('shows what is not completed and what is heuristic, filtered by state, resource and age', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const gtrid = await stuck(system);
    const { gtrid: active } = await system.transaction(accounts);
    const { gtrid: done } = await system.transaction(accounts);
    await system.api.commit({ gtrid: done });
    const ids = async (request: Parameters<typeof system.api.list>[0]) =>
      (await system.api.list(request)).transactions.map((one) => one.gtrid);
    expect(await ids({})).toEqual([gtrid, active]);
    expect(await ids({ states: ['TRANSACTION_STATE_ACTIVE'] })).toEqual([active]);
    expect(await ids({ states: ['TRANSACTION_STATE_COMMITTING', 'TRANSACTION_STATE_ACTIVE'] })).toEqual([
      gtrid,
      active,
    ]);
    expect(await ids({ states: ['TRANSACTION_STATE_COMPLETED'] })).toEqual([]);
    expect(await ids({ resource: 'orders' })).toEqual([gtrid]);
    expect(await ids({ minAgeMs: 3_600_000 })).toEqual([]);
    await system.api.resolve({ ...ROLLED_BACK, gtrid });
    expect(await ids({ states: ['TRANSACTION_STATE_COMPLETED'] })).toEqual([gtrid]);
  });

  it('comes in pages that neither repeat nor miss what stays, in the order of the ids', async () => {
    await using system = await openSystem();
    const all: string[] = [];
    for (let n = 0; n < 45; n += 1) {
      all.push((await system.api.begin({})).gtrid);
    }
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await system.api.list({ pageSize: 7, pageToken });
      seen.push(...page.transactions.map(({ gtrid }) => gtrid));
      pageToken = page.nextPageToken;
      await system.api.rollback({ gtrid: seen.at(-1) ?? '' });
    } while (pageToken !== '');
    expect(seen).toEqual(all);
  });

  it('keeps its answer below the message limit however many branches there are', async () => {
    await using system = await openSystem();
    await system.participant('a-resource-with-a-long-name-ab');
    const branches = Array.from({ length: 64 }, (_, n) => ({
      bqual: `a-resource-with-a-long-name-ab.${n + 1}`,
      instance: 'x'.repeat(64),
    }));
    const session = await system.session();
    for (let n = 0; n < 400; n += 1) {
      const gtrid = session.gtrid();
      session.send({ id: session.id(), begin: { gtrid } }, { id: session.id(), commit: { gtrid, branches } });
    }
    await eventually('all are preparing', () => system.coordinator.driver.registry.liveCount === 400);
    const seen = new Set<string>();
    let pageToken = '';
    do {
      const page = await system.api.list({ pageSize: 1_000, pageToken });
      expect(page.transactions.length).toBeGreaterThan(0);
      for (const { gtrid } of page.transactions) {
        seen.add(gtrid);
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen.size).toBe(400);
  });
});

describe('an explanation', () => {
  it('says for each state what is decided, what is awaited and what happens next', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts', { prepare: silent });
    const orders = await system.participant('orders', { finish: silent });
    const text = async (gtrid: string) => (await system.api.show({ gtrid })).explanation.join('\n');
    const { gtrid } = await system.transaction(accounts, orders);
    expect(await text(gtrid)).toMatch(
      /Nothing is decided: its client is still at work at 2 branches. Its deadline is in /,
    );
    const committing = system.api.commit({ gtrid }).catch(() => undefined);
    await accounts.hears('prepare');
    expect(await text(gtrid)).toMatch(/the votes of accounts are awaited/);
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED' } });
    await orders.hears('finish');
    expect(await text(gtrid)).toMatch(
      /durable and is never turned[\s\S]*orders: its participant has been told; the answer is awaited/,
    );
    orders.cut();
    await system.detached(orders);
    expect(await text(gtrid)).toMatch(/orders: no participant of orders is attached; it is told as soon as one is/);
    await committing;
    await system.api.resolve({ ...ROLLED_BACK, gtrid });
    expect(await text(gtrid)).toMatch(
      /decided commit, ended mixed[\s\S]*anna vouched for it[\s\S]*concordat tx forget/,
    );
    const { gtrid: marked } = await system.transaction(accounts);
    await system.api.setRollbackOnly({ gtrid: marked, reason: 'no stock' });
    expect(await text(marked)).toMatch(/marked rollback-only \(no stock\)/);
    await system.api.rollback({ gtrid: marked });
    expect(await text(marked)).toMatch(/decided rollback, ended rolled-back/);
  });

  it('says of one phase whether anything can have been committed yet', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const text = async (gtrid: string) => (await system.api.show({ gtrid })).explanation.join('\n');
    const { gtrid } = await system.transaction(orders);
    void system.api.commit({ gtrid }).catch(() => undefined);
    await orders.hears('finish');
    expect(await text(gtrid)).toMatch(/orders was asked to commit; it will not before/);
    orders.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: 'xid8:7' } });
    await orders.hears('finish', 2);
    expect(await text(gtrid)).toMatch(/orders was told to commit; the engine's answer is the outcome/);
  });

  it('asks every engine what it shows now, and one that does not answer holds up nobody', async () => {
    await using system = await openSystem({ clock: new TestClock(10) });
    const accounts = await system.participant('accounts', {
      probe: () => ({ proof: 'BRANCH_PROOF_ACTIVE', blockedSessions: 3 }),
    });
    const orders = await system.participant('orders', { probe: silent });
    accounts.beat(100);
    orders.beat(100);
    const { gtrid } = await system.transaction(accounts, orders);
    const { observations } = await system.api.show({ gtrid, probe: true });
    expect(observations).toMatchObject([
      { bqual: 'accounts', proof: 'BRANCH_PROOF_ACTIVE', blockedSessions: 3, error: null },
      { bqual: 'orders', proof: 'BRANCH_PROOF_UNSPECIFIED', error: { code: 'RESOURCE_UNAVAILABLE', retryable: true } },
    ]);
  });

  it('is given up with the participant that was asked', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { probe: silent });
    const { gtrid } = await system.transaction(orders);
    const asked = system.api.show({ gtrid, probe: true });
    await orders.hears('probe');
    orders.cut();
    expect((await asked).observations[0]?.error?.message).toMatch(/went away before it answered/);
  });
});

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

describe('resources', () => {
  it('show who speaks for them, and how many decided branches wait, also while a retry is due', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', {
      hello: { warnings: ['max_prepared_transactions is low'] },
      finish: () => ({ result: 'FINISH_RESULT_NOT_YET' }),
    });
    const { gtrid } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid });
    await eventually('a retry is due', async () => (await system.info(gtrid)).branches[1]?.nextAttemptInMs !== 0);
    const { resources } = await system.api.resources({});
    expect(resources).toMatchObject([
      { name: 'accounts', engine: 'memory', engineVersion: '1', pendingBranches: 0, oldestPendingAgeMs: '0' },
      {
        name: 'orders',
        participants: [
          {
            instance: orders.instance,
            kind: 'PARTICIPANT_KIND_SIDECAR',
            warnings: ['max_prepared_transactions is low'],
          },
        ],
        pendingBranches: 1,
        quarantinedBranches: 0,
      },
    ]);
    expect(Number(resources[1]?.oldestPendingAgeMs)).toBeGreaterThan(1_000);
    orders.cut();
    await system.detached(orders);
    await system.api.resolve({ ...COMMITTED, gtrid });
    expect((await system.api.resources({})).resources[1]?.pendingBranches).toBe(0);
  });

  it('are scanned through their sidecar, with findings; one that is away or unknown says so', async () => {
    await using system = await openSystem();
    const raw = { gtrid: '', bqual: '', raw: 'somebody’s own', ours: false, ageMs: 5, blockedSessions: 0 };
    const finding = { fatal: false, check: 'slots', message: '3 of 4 are used', fix: 'raise it' };
    const orders = await system.participant('orders', { scan: () => ({ branches: [raw], findings: [finding] }) });
    expect(await system.api.scan({ resource: 'orders' })).toMatchObject({
      branches: [{ raw: 'somebody’s own', ours: false }],
      findings: [finding],
    });
    orders.script = {
      ...orders.script,
      scan: () => ({ error: { code: 'ENGINE_UNAVAILABLE', message: 'the engine is away' } }),
    };
    const refused = await refusal(system.api.scan({ resource: 'orders' }));
    expect(refused).toMatchObject({ code: 'RESOURCE_UNAVAILABLE', message: 'the engine is away' });
    orders.cut();
    await system.detached(orders);
    expect((await refusal(system.api.scan({ resource: 'orders' }))).code).toBe('RESOURCE_UNAVAILABLE');
    expect((await refusal(system.api.scan({ resource: 'nobody' }))).code).toBe('RESOURCE_UNKNOWN');
    expect((await refusal(system.api.scan({ resource: '../x' }))).code).toBe('FIELD_INVALID');
  });
});

describe('the log', () => {
  it('tells its state, and is backed up while it runs; a file that exists is not written over', async () => {
    await using system = await openSystem();
    const gtrid = await stuck(system);
    const { identity, epoch } = system.log.recovered;
    expect(await system.api.logStatus({})).toMatchObject({
      logIdentity: identity,
      epoch: String(epoch),
      unfinishedDecisions: '1',
      protocolVersion: PROTOCOL_VERSION,
    });
    const { lastSequence } = await system.api.backup({ path: 'copy' });
    expect(Number(lastSequence)).toBe(system.log.status().lastSequence);
    expect(
      system.disk.backups
        .get('copy')
        ?.records.some(({ record }) => record.kind === 'decided' && record.gtrid === gtrid),
    ).toBe(true);
    expect((await refusal(system.api.backup({ path: 'copy' }))).code).toBe('FIELD_INVALID');
    expect((await refusal(system.api.backup({ path: '' }))).code).toBe('FIELD_INVALID');
  });
});
