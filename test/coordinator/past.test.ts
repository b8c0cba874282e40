// What operators see of the past: whose a transaction is and how old, over restarts; what is over; and what people did.
import { expect, it } from 'vitest';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { act, COMMITTED, ROLLBACK, ROLLED_BACK, stuck } from './stuck.ts';
import { TestSession } from './test-session.ts';

it('an open transaction tells who began it, and when', async () => {
  await using system = await openSystem();
  await using session = new TestSession(system.address);
  const hello = { ...PROTOCOL, application: 'shop', host: 'web-3', user: 'deploy\u001b', client: 'abc' };
  await session.ask({ hello });
  const before = Date.now();
  const gtrid = session.gtrid();
  session.send({ begin: { gtrid, timeoutMs: 60_000 } });
  const { beganAtMs, decidedAtMs, whose } = await eventually('it is begun', () =>
    system.info(gtrid).catch(() => false),
  );
  expect(whose).toEqual({ application: 'shop', host: 'web-3', user: 'deploy?', session: 'abc' });
  expect([Number(beganAtMs) >= Math.floor(before), decidedAtMs]).toEqual([true, '0']);
  const { gtrid: unary } = await system.api.begin({});
  expect((await system.info(unary)).whose?.session).toMatch(/^connection /);
});

it('a decision tells it over restarts, with its age since it was begun (issue 12)', async () => {
  await using system = await openSystem();
  const gtrid = await stuck(system);
  const before = await system.info(gtrid);
  expect(Number(before.decidedAtMs)).toBeGreaterThanOrEqual(Number(before.beganAtMs));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await system.restart();
  const { transactions } = await system.api.list({});
  expect(transactions).toMatchObject([
    { gtrid, beganAtMs: before.beganAtMs, decidedAtMs: before.decidedAtMs, whose: before.whose },
  ]);
  expect(Number(transactions[0]?.ageMs)).toBeGreaterThanOrEqual(Number(before.ageMs) + 300);
  expect((await system.api.list({ minAgeMs: 300 })).transactions).toHaveLength(1);
});

it('what is over is listed, the newest first: of this life all, of those before it what the log has', async () => {
  await using system = await openSystem();
  const accounts = await system.participant('accounts');
  const orders = await system.participant('orders');
  const committed = (await system.transaction(accounts, orders)).gtrid;
  await system.api.commit({ gtrid: committed });
  const rolledBack = (await system.transaction(accounts)).gtrid;
  await system.api.rollback({ gtrid: rolledBack, reason: 'changed my mind' });
  const finished = { finished: true, sinceMs: 3_600_000 };
  const { transactions } = await system.api.list(finished);
  expect(transactions).toMatchObject([
    { gtrid: rolledBack, outcome: 'OUTCOME_ROLLED_BACK', state: 'TRANSACTION_STATE_COMPLETED' },
    { gtrid: committed, outcome: 'OUTCOME_COMMITTED', branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] },
  ]);
  expect(Number(transactions[0]?.endedAtMs)).toBeGreaterThan(0);
  expect((await system.api.list({ ...finished, resource: 'orders' })).transactions).toHaveLength(1);
  expect((await system.api.list({ ...finished, pageSize: 1 })).transactions).toMatchObject([{ gtrid: rolledBack }]);
  expect((await system.api.list({ ...finished, sinceMs: 0 })).transactions).toEqual([]);
  await eventually('the log has that it is finished', () => system.records('finished').length === 1);
  await system.restart();
  expect((await system.api.list(finished)).transactions).toMatchObject([
    { gtrid: committed, outcome: 'OUTCOME_COMMITTED', beganAtMs: transactions[1]?.beganAtMs, endedAtMs: '0' },
  ]);
});

it('the audit has who did what, when and why, also of what was forgotten, over restarts', async () => {
  await using system = await openSystem();
  const gtrid = await stuck(system);
  await system.api.resolve({ ...ROLLED_BACK, gtrid, requestId: 'one' });
  await system.api.forget({ ...act, gtrid, requestId: 'two' });
  const { gtrid: open } = await system.api.begin({});
  await system.api.resolve({ ...ROLLBACK, gtrid: open, operator: 'berta', requestId: 'three' });
  await system.api.forgetResource({ ...act, resource: 'orders', requestId: 'four' });
  await system.participant('orders');
  const entries = [
    { operator: 'anna', action: 'branch-rolled-back', subject: gtrid, detail: 'orders', ...why('one') },
    { operator: 'anna', action: 'forget', subject: gtrid, detail: '', ...why('two') },
    { operator: 'berta', action: 'rollback', subject: open, detail: '', ...why('three') },
    { operator: 'anna', action: 'forget-resource', subject: 'orders', detail: 'engine-of-orders', ...why('four') },
  ];
  expect((await system.api.audit({})).entries).toMatchObject(entries);
  await system.restart();
  const { entries: after, nextPageToken } = await system.api.audit({});
  expect([nextPageToken, after.every(({ atMs }) => Number(atMs) > 1_700_000_000_000)]).toEqual(['', true]);
  expect(after).toMatchObject(entries);
  expect((await system.api.resources({})).resources.map(({ name }) => name)).toContain('orders');
  expect((await system.api.audit({ sinceMs: 3_600_000 })).entries).toHaveLength(4);
});

function why(requestId: string): object {
  return { reason: COMMITTED.reason, requestId };
}
