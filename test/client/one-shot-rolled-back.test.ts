// A one-shot transaction that is rolled back: of all that may be heard, in any order, the reason is told.
import { expect, test } from 'vitest';
import { ConcordatError, StatementError, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught, deferred, statements } from './fixture.ts';
import { FAILED, holdCommit, startWarm, TRANSFER } from './one-shot-fixture.ts';
import { refusal } from './scripted-coordinator.ts';
import type { Reply } from './scripted-resource.ts';

test('a failed statement is heard with the words of its database; the coordinator is told at once', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, orders } = fixture;
  const held = holdCommit(fixture);
  orders.answer = () => FAILED;
  coordinator.on('rollback', () => {
    held.answer(refusal('TXN_ROLLED_BACK', { outcome: 'OUTCOME_ROLLED_BACK' }));
    return { rollback: { outcome: 'OUTCOME_ROLLED_BACK' } };
  });
  const error = await caught(concordat.transact(TRANSFER, { retries: 3 }));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', resource: 'orders', sqlstate: '23503', retryable: false });
  expect(coordinator.heard('commit')).toHaveLength(1);
  expect(coordinator.heard('rollback')).toHaveLength(1);
});

test('a no that overtakes the words of its statement waits for them', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, orders } = fixture;
  const words = deferred<Reply>();
  orders.answer = () => words.promise;
  const branches = [{ bqual: 'orders', resource: 'orders', reason: { code: 'STATEMENT_FAILED', message: 'no' } }];
  coordinator.on('commit', () => {
    setImmediate(() => words.resolve(FAILED));
    return refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', branches });
  });
  const error = await caught(concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ resource: 'orders', sqlstate: '23503' });
});

test('a branch that executed everything and votes no is heard as the rollback it causes', async () => {
  await using fixture = await startWarm();
  const branches = [
    {
      bqual: 'accounts',
      resource: 'accounts',
      reason: { code: 'STATEMENT_FAILED', message: 'late', sqlstate: '23505' },
    },
  ];
  fixture.coordinator.on('commit', () => refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', branches }));
  const error = await caught(fixture.concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'BRANCH_VOTED_NO', branches: [{ bqual: 'accounts', sqlstate: '23505' }] });
});

test('of several failures the one that explains the others is heard', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const held = holdCommit(fixture);
  const words = deferred<Reply>();
  accounts.answer = () => ({ error: { reason: 'BRANCH_UNKNOWN', message: 'the branch is gone', retryable: true } });
  orders.answer = () => words.promise;
  coordinator.on('rollback', () => {
    words.resolve(FAILED);
    return undefined;
  });
  const running = caught(concordat.transact(TRANSFER));
  await statements(orders, 1);
  await words.promise;
  const branches = [{ bqual: 'orders', resource: 'orders', reason: { code: 'STATEMENT_FAILED', message: 'no' } }];
  held.answer(refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', branches }));
  expect(await running).toMatchObject({ code: 'STATEMENT_FAILED', resource: 'orders' });
});

test('a branch that its participant does not know is tried again as a new transaction', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  const usual = accounts.answer;
  accounts.answer = () => {
    accounts.answer = usual;
    return { error: { reason: 'BRANCH_UNKNOWN', message: 'of another life', retryable: true } };
  };
  coordinator.on('commit', () => {
    coordinator.scripts.delete('commit');
    return refusal('TXN_ROLLED_BACK', { outcome: 'OUTCOME_ROLLED_BACK' });
  });
  expect((await concordat.transact(TRANSFER, { retries: 1 })).outcome).toBe('committed');
  expect(coordinator.heard('commit')).toHaveLength(2);
});

test('a stream that broke under a transaction that is rolled back is its statement’s failure, and retryable', async () => {
  const lost = deferred<void>();
  await using fixture = await startWarm({ logger: { info: () => undefined, warn: () => lost.resolve() } });
  const { concordat, coordinator, accounts } = fixture;
  const usual = accounts.answer;
  const held = holdCommit(fixture);
  accounts.answer = () => undefined;
  const running = concordat.transact(TRANSFER, { retries: 1 });
  await Promise.all([held.asked, statements(accounts, 2)]);
  accounts.answer = usual;
  accounts.breakStreams();
  await lost.promise;
  coordinator.scripts.delete('commit');
  held.answer(refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', retryable: true }));
  expect((await running).results).toHaveLength(3);
  expect(accounts.opened).toBe(2);
  expect(coordinator.heard('commit')).toHaveLength(2);
});

test('a deadline is heard as that, and does not wait for the statement that hung', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  accounts.answer = () => undefined;
  coordinator.on('commit', () => refusal('TXN_TIMEOUT', { outcome: 'OUTCOME_ROLLED_BACK', retryable: true }));
  const error = await caught(concordat.transact(TRANSFER, { timeoutMs: 500 }));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true });
  expect(coordinator.heard('begin')).toMatchObject([{ timeoutMs: 500 }]);
});

test.each([
  ['nothing of it', refusal('TXN_NOT_FOUND')],
  ['branches of it, which it rolls back', refusal('TXN_ROLLED_BACK', { outcome: 'OUTCOME_ROLLED_BACK' })],
])('a transaction that the coordinator would not begin says why, when it knows %s', async (_, answer) => {
  await using fixture = await startWarm();
  fixture.coordinator.on('begin', () => refusal('LIMIT_TRANSACTIONS', { retryable: true }));
  fixture.coordinator.on('commit', () => answer);
  const error = await caught(fixture.concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'LIMIT_TRANSACTIONS', retryable: true });
});
