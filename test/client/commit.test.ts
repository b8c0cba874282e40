// How a commit is asked for, and what each of its answers is told as.
import { expect, test } from 'vitest';
import { ConcordatError, HeuristicOutcomeError, TransactionRolledBackError } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred, startFixture } from './fixture.ts';
import { refusal } from './scripted-coordinator.ts';
import type { Reply } from './scripted-resource.ts';

test('a commit names every branch with the instance that answered for it, and returns what the function returned', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  const value = await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update');
    await tx.resource('orders').query('insert');
    tx.resource('never used');
    return 'done';
  });
  expect(value).toBe('done');
  const [commit] = coordinator.heard('commit');
  expect(commit).toMatchObject({
    acknowledgement: 'ACKNOWLEDGEMENT_APPLIED',
    branches: [
      { bqual: 'accounts', instance: accounts.instance },
      { bqual: 'orders', instance: orders.instance },
    ],
  });
  expect(commit?.requestId).not.toBe('');
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('a commit of several branches asks their participants for the votes on the way; of a single one, which needs none, it does not', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  const { gtrid } = await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update');
    await tx.resource('orders').query('insert');
    return tx;
  });
  await eventually('both are asked', () => accounts.asked.length + orders.asked.length === 2);
  expect(accounts.asked).toEqual([{ gtrid, bqual: 'accounts' }]);
  expect(orders.asked).toEqual([{ gtrid, bqual: 'orders' }]);
  expect(coordinator.heard('commit')[0]?.branches.map(({ asked }) => asked)).toEqual([true, true]);
  await concordat.transaction((tx) => tx.resource('accounts').query('update'));
  await concordat.transaction((tx) => tx.resource('accounts').query('update'));
  expect(coordinator.heard('commit').map(({ branches }) => branches[0]?.asked)).toEqual([true, false, false]);
  expect(accounts.asked).toHaveLength(1);
});

test('a participant that has voted or cannot be reached is not asked', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update', [], { last: true });
    await tx.resource('orders').query('insert');
    orders.breakStreams();
    await eventually('the stream is gone', () => orders.streams.size === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
  expect(coordinator.heard('commit')[0]?.branches.map(({ asked }) => asked)).toEqual([true, false]);
  expect([...accounts.asked, ...orders.asked]).toEqual([]);
});

test('with decided the commit returns before the branches are finished, and says so', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => ({
    commit: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMMITTING' },
  }));
  const tx = concordat.begin({ acknowledgement: 'decided' });
  expect(await tx.commit()).toEqual({ outcome: 'committed', applied: false });
  expect(coordinator.heard('commit')).toMatchObject([{ acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' }]);
});

test('a vote against the commit names the branch, its reason and the database’s words', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () =>
    refusal('BRANCH_VOTED_NO', {
      retryable: true,
      outcome: 'OUTCOME_ROLLED_BACK',
      branches: [
        { bqual: 'accounts', resource: 'accounts', state: 'BRANCH_STATE_ROLLED_BACK' },
        {
          bqual: 'orders',
          resource: 'orders',
          state: 'BRANCH_STATE_ROLLED_BACK',
          reason: { code: 'BRANCH_VOTED_NO', message: 'foreign key', sqlstate: '23503', retryable: false },
        },
      ],
    }),
  );
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({
    code: 'BRANCH_VOTED_NO',
    retryable: false,
    branches: [{ bqual: 'orders', message: 'foreign key', sqlstate: '23503', errno: undefined }],
  });
  expect((error as Error).message).toContain('orders: foreign key');
});

test('a rollback that the coordinator calls retryable is retryable', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => refusal('BRANCH_VOTED_NO', { retryable: false, metadata: { retryable: 'true' } }));
  expect(await caught(concordat.transaction(() => 1))).toMatchObject({ retryable: true });
});

test.each([
  ['OUTCOME_MIXED', 'mixed'],
  ['OUTCOME_HAZARD', 'hazard'],
] as const)('a commit that ends %s is an error of its own kind', async (outcome, word) => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => ({
    commit: {
      outcome,
      branches: [{ bqual: 'orders', state: 'BRANCH_STATE_DAMAGED', evidence: { row: 'x77aaaaaaaaa' } }],
    },
  }));
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(HeuristicOutcomeError);
  expect(error).toMatchObject({ outcome: word, code: 'HEURISTIC_OUTCOME', retryable: false });
  expect((error as HeuristicOutcomeError).branches[0]?.message).toContain('row:x77aaaaaaaaa');
});

test('commit while statements are unanswered is refused, nothing is sent, and the transaction can go on', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const slow = deferred<Reply>();
  accounts.answer = () => slow.promise;
  const tx = concordat.begin();
  const running = tx.resource('accounts').query('update');
  const error = await caught(tx.commit());
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'BRANCH_BUSY', retryable: false });
  expect(coordinator.heard('commit')).toEqual([]);
  slow.resolve({ execute: { instance: 'i' } });
  await running;
  await tx.commit();
  expect(coordinator.heard('commit')).toHaveLength(1);
});

test('a commit refused for its form is rolled back, and the refusal is what is thrown', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => refusal('LIMIT_BRANCHES'));
  coordinator.on('getTransaction', () => ({ getTransaction: { transaction: { outcome: 'OUTCOME_ROLLED_BACK' } } }));
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'LIMIT_BRANCHES' });
  expect(coordinator.heard('rollback')).toHaveLength(1);
});
