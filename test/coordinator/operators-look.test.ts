// What operators see of transactions: lists of those that are not over, and an explanation of each.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { ROLLED_BACK, stuck } from './stuck.ts';
import { TestClock } from './test-clock.ts';

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
    await eventually('all are preparing', () => system.coordinator.transactions.liveCount === 400);
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
      /durable and never changes[\s\S]*orders: its participant has been told; the answer is awaited/,
    );
    orders.cut();
    await system.detached(orders);
    expect(await text(gtrid)).toMatch(
      /orders: no participant of orders is attached; the branch is told as soon as one is/,
    );
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
    expect(await text(gtrid)).toMatch(/orders was asked to commit; it does so only after/);
    orders.send({ onePhaseEvidence: { gtrid, bqual: 'orders', evidence: { row: 'x7aaaaaaaaaa' } } });
    await orders.hears('finish', 2);
    expect(await text(gtrid)).toMatch(/orders was told to commit. The engine's answer is the outcome/);
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
