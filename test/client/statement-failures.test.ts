// A statement that fails: what its error says, and what it does to the rest of the transaction.
import { expect, test } from 'vitest';
import { ConcordatError, StatementError, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught, startFixture, statements } from './fixture.ts';

test('a failed statement carries the database’s words, rejects what follows it, and rolls everything back', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => ({
    error: {
      reason: 'STATEMENT_FAILED',
      message: 'could not serialize access',
      metadata: { sqlstate: '40001', retryable: 'true' },
    },
  });
  let behind: unknown;
  const error = await caught(
    concordat.transaction(async (tx) => {
      const first = tx.resource('accounts').query('update one');
      const second = caught(tx.resource('accounts').query('update two'));
      await first.finally(async () => {
        behind = await second;
      });
    }),
  );
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', sqlstate: '40001', retryable: true, resource: 'accounts' });
  expect(behind).toBe(error);
  expect(coordinator.heard('commit')).toEqual([]);
  expect(coordinator.heard('rollback')).toMatchObject([{ branches: [{ bqual: 'accounts', instance: '' }] }]);
});

test('a failure that the application swallows cannot be committed', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => ({
    error: { reason: 'STATEMENT_FAILED', message: 'duplicate key', metadata: { errno: '1062' } },
  });
  const error = await caught(
    concordat.transaction(async (tx) => {
      await tx
        .resource('accounts')
        .query('insert')
        .catch(() => undefined);
    }),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', retryable: false, cause: { errno: 1062 } });
  expect(coordinator.heard('commit')).toEqual([]);
  expect(coordinator.heard('rollback')).toHaveLength(1);
});

test('an unknown resource is refused with the names of those that exist', async () => {
  await using fixture = await startFixture();
  const error = await caught(fixture.concordat.transaction((tx) => tx.resource('acounts').query('select 1')));
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'RESOURCE_UNKNOWN', retryable: false });
  expect((error as Error).message).toContain('accounts, orders');
});

test('what the coordinator rolls back on its own rejects the statement that waits', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => undefined;
  const tx = concordat.begin();
  const waiting = caught(tx.resource('accounts').query('update'));
  await statements(accounts, 1);
  coordinator.sessions[0]?.send({
    ended: {
      gtrid: tx.gtrid,
      outcome: 'OUTCOME_ROLLED_BACK',
      reason: { code: 'TXN_TIMEOUT', message: 'the deadline passed', retryable: true },
    },
  });
  const error = await waiting;
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true, gtrid: tx.gtrid });
  expect(await caught(tx.commit())).toBe(error);
});

test('a branch that ran out of time names the transaction around its own, which may hold what it waited for', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  accounts.answer = () => ({
    error: { reason: 'BRANCH_UNKNOWN', message: 'branch x is gone: TXN_TIMEOUT', metadata: { reason: 'TXN_TIMEOUT' } },
  });
  const query = async () => concordat.transaction((tx) => tx.resource('accounts').query('update one'));
  const alone = await caught(query());
  expect(alone).toMatchObject({ code: 'BRANCH_UNKNOWN', message: 'branch x is gone: TXN_TIMEOUT' });
  const outer = await concordat.begin();
  const within = await concordat.within(outer, () => caught(query()));
  expect(within).toMatchObject({ code: 'BRANCH_UNKNOWN', resource: 'accounts' });
  expect((within as Error).message).toContain(`It was begun within ${outer.gtrid}`);
  await outer.rollback();
});
