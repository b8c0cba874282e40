// What the coordinator says was committed is compared with what was opened here: somebody else may have committed the transaction.
import { expect, test } from 'vitest';
import { HeuristicOutcomeError, OutcomeUnknownError, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught, type Fixture, startFixture } from './fixture.ts';
import { refusal } from './scripted-coordinator.ts';

function transfer({ concordat }: Fixture): Promise<unknown> {
  return concordat.transaction(
    async (tx) => {
      await tx.resource('accounts').query('update');
      await tx.resource('orders').query('insert');
    },
    { retries: 3 },
  );
}

const branch = (bqual: string) => ({ bqual, resource: bqual, state: 'BRANCH_STATE_COMMITTED' as const });
const ACCOUNTS_ALONE = { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } as const;
const DIFFER = refusal('BRANCHES_DIFFER', { outcome: 'OUTCOME_UNKNOWN', message: 'the commit is of accounts' });

test('a commit that is answered without a branch of ours is no success, and is not tried again (security X2)', async () => {
  await using fixture = await startFixture();
  fixture.coordinator.on('commit', () => ({ commit: { ...ACCOUNTS_ALONE, branches: [branch('accounts')] } }));
  const error = await caught(transfer(fixture));
  expect(error).toBeInstanceOf(HeuristicOutcomeError);
  expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('orders is not in it') });
  expect(fixture.coordinator.heard('commit')).toHaveLength(1);
});

test('branches that others have opened may be in it, too (security X2)', async () => {
  await using fixture = await startFixture();
  const branches = ['accounts', 'orders', 'stock'].map(branch);
  fixture.coordinator.on('commit', () => ({ commit: { ...ACCOUNTS_ALONE, branches } }));
  await transfer(fixture);
});

test('an outcome that is asked for later is compared as well (security X2)', async () => {
  await using fixture = await startFixture();
  const { coordinator } = fixture;
  coordinator.on('commit', () => refusal('OUTCOME_UNKNOWN'));
  const transaction = { ...ACCOUNTS_ALONE, branches: [branch('accounts')] };
  coordinator.on('getTransaction', () => ({ getTransaction: { transaction } }));
  expect(await caught(transfer(fixture))).toBeInstanceOf(HeuristicOutcomeError);
});

test('a commit that is refused since others are committed is not taken for a rollback (security X2)', async () => {
  await using fixture = await startFixture();
  const { coordinator } = fixture;
  coordinator.on('commit', () => DIFFER);
  coordinator.on('getTransaction', () => DIFFER);
  const error = await caught(transfer(fixture));
  expect(error).toBeInstanceOf(HeuristicOutcomeError);
  expect(error).toMatchObject({ retryable: false });
  expect(coordinator.heard('commit')).toHaveLength(1);
});

test('a commit that is refused while others are being committed ends as the coordinator says then (security X2)', async () => {
  await using fixture = await startFixture();
  const { coordinator } = fixture;
  coordinator.on('commit', () => DIFFER);
  coordinator.on('getTransaction', () => ({
    getTransaction: { transaction: { outcome: 'OUTCOME_ROLLED_BACK', state: 'TRANSACTION_STATE_COMPLETED' } },
  }));
  expect(await caught(transfer(fixture))).toBeInstanceOf(TransactionRolledBackError);
});

test('"not found" is asked again for a while: the end of a lost session may not have been noticed yet (field R9)', async () => {
  await using fixture = await startFixture();
  const { coordinator } = fixture;
  coordinator.on('commit', () => refusal('OUTCOME_UNKNOWN'));
  let asked = 0;
  coordinator.on('getTransaction', () => {
    asked += 1;
    return asked < 4
      ? refusal('TXN_NOT_FOUND')
      : { getTransaction: { transaction: { outcome: 'OUTCOME_ROLLED_BACK', state: 'TRANSACTION_STATE_COMPLETED' } } };
  });
  const error = await caught(fixture.concordat.transaction((tx) => tx.resource('accounts').query('update')));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).not.toBeInstanceOf(OutcomeUnknownError);
});
