// A commit whose answer stays away: it is asked about until somebody knows, or its outcome is unknown.
import { expect, test } from 'vitest';
import { OutcomeUnknownError, TransactionRolledBackError } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, startFixture } from './fixture.ts';
import { refusal } from './scripted-coordinator.ts';

test('a commit in flight when the coordinator dies is asked about at the one that follows: committed', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  coordinator.on('commit', () => undefined);
  let asked = 0;
  coordinator.on('getTransaction', () => {
    asked++;
    // It recovers first: undecided, then decided, then finished.
    const state = asked < 3 ? 'TRANSACTION_STATE_COMMITTING' : 'TRANSACTION_STATE_COMPLETED';
    const outcome = asked === 1 ? 'OUTCOME_UNSPECIFIED' : 'OUTCOME_COMMITTED';
    return { getTransaction: { transaction: { outcome, state } } };
  });
  const tx = concordat.begin();
  await tx.resource('accounts').query('update');
  await tx.resource('orders').query('insert');
  const committing = tx.commit();
  await eventually('the commit request', () => coordinator.heard('commit').length === 1);
  await coordinator.die();
  await coordinator.comeBack();
  expect(await committing).toEqual({ outcome: 'committed', applied: true });
  expect(asked).toBe(3);
  expect(coordinator.heard('getTransaction')[0]).toMatchObject({
    gtrid: tx.gtrid,
    branches: [
      { bqual: 'accounts', instance: accounts.instance },
      { bqual: 'orders', instance: orders.instance },
    ],
  });
});

test('a commit in flight when the session breaks is asked about over the next one: rolled back, with its reason', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => ({
    getTransaction: {
      transaction: {
        outcome: 'OUTCOME_ROLLED_BACK',
        reason: { code: 'TXN_TIMEOUT', message: 'too late', retryable: true },
      },
    },
  }));
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true });
});

test('an outcome that nobody can tell in time is unknown, with what is needed to ask again', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 300 });
  const { concordat, coordinator, accounts } = fixture;
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => ({ getTransaction: { transaction: { outcome: 'OUTCOME_UNKNOWN' } } }));
  let gtrid = '';
  const work = concordat.transaction(async (tx) => {
    gtrid = tx.gtrid;
    await tx.resource('accounts').query('update');
  });
  const error = await caught(work);
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error).toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    retryable: false,
    gtrid,
    branches: [{ bqual: 'accounts', instance: accounts.instance }],
  });
  expect((error as Error).message).toContain(gtrid);
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('a coordinator that takes the commit and never says anything more leaves the outcome unknown, in a bounded time', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 200 });
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => undefined);
  coordinator.on('getTransaction', () => undefined);
  const started = performance.now();
  const error = await caught(concordat.transaction(() => 1, { timeoutMs: 100 }));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(performance.now() - started).toBeLessThan(9_000);
}, 15_000);

test('a durable decision is told even while a database stays away for longer than anybody waits', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 400 });
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => ({
    getTransaction: { transaction: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMMITTING' } },
  }));
  expect(await concordat.begin().commit()).toEqual({ outcome: 'committed', applied: false });
});

test('a coordinator that answers UNKNOWN is asked until it knows', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => refusal('OUTCOME_UNKNOWN'));
  coordinator.on('getTransaction', () => ({
    getTransaction: { transaction: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } },
  }));
  expect(await concordat.begin().commit()).toEqual({ outcome: 'committed', applied: true });
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('aborted while the commit is decided, its outcome is unknown, and no rollback is sent', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const controller = new AbortController();
  coordinator.on('commit', () => {
    controller.abort(new Error('impatient'));
    return undefined;
  });
  const error = await caught(concordat.transaction(() => 1, { signal: controller.signal }));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error).toMatchObject({ cause: { message: 'impatient' } });
  expect(coordinator.heard('rollback')).toEqual([]);
});
