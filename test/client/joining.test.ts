// Transactions across services: the context travels, the joined service enlists, and only the beginner commits.
import { expect, test } from 'vitest';
import { connect, StatementError } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, startFixture } from './fixture.ts';
import { refusal } from './scripted-coordinator.ts';

test('a joined service enlists a branch of its own before its first statement, and works in it', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  await using other = await connect(coordinator.address);
  coordinator.on('enlist', () => ({
    enlist: { bqual: 'accounts.1', address: accounts.address, instance: accounts.instance, timeoutMs: 9_000 },
  }));
  const tx = concordat.begin();
  const joined = other.join(tx.context, { isolation: 'serializable' });
  expect(joined.gtrid).toBe(tx.gtrid);
  expect(joined.context).toBe(tx.context);
  await joined.resource('accounts').query('update one');
  await joined.resource('accounts').query('update two');
  expect(coordinator.heard('enlist')).toMatchObject([
    { gtrid: tx.gtrid, resource: 'accounts', newBranch: true, bqual: '' },
  ]);
  expect(accounts.executed).toMatchObject([
    { gtrid: tx.gtrid, bqual: 'accounts.1', statement: 1, isolation: 'ISOLATION_SERIALIZABLE' },
    { bqual: 'accounts.1', statement: 2 },
  ]);
  expect(accounts.executed[0]?.timeoutMs).toBeLessThanOrEqual(9_000);
  expect(accounts.executed[0]?.timeoutMs).toBeGreaterThan(8_000);
  expect(joined).not.toHaveProperty('commit');
  await tx.commit();
  // Enlisted branches need not be named again: the beginner does not know of them.
  expect(coordinator.heard('commit')).toMatchObject([{ branches: [] }]);
});

test('a statement that fails in a joined service forbids the commit everywhere', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  coordinator.on('enlist', () => ({
    enlist: { bqual: 'accounts.1', address: accounts.address, instance: accounts.instance, timeoutMs: 9_000 },
  }));
  accounts.answer = () => ({ error: { reason: 'STATEMENT_FAILED', message: 'duplicate\u0000key' } });
  const tx = concordat.begin();
  const joined = concordat.join(tx.context);
  expect(await caught(joined.resource('accounts').query('insert'))).toBeInstanceOf(StatementError);
  await eventually('the mark', () => coordinator.heard('setRollbackOnly').length === 1);
  expect(coordinator.heard('setRollbackOnly')).toMatchObject([{ gtrid: tx.gtrid, reason: 'duplicate key' }]);
});

test('an enlisting that is refused rejects the statement, and nothing is executed', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  coordinator.on('enlist', () => refusal('TXN_STATE'));
  const joined = concordat.join(concordat.begin().context);
  expect(await caught(joined.resource('accounts').query('update'))).toMatchObject({ code: 'TXN_STATE' });
  expect(accounts.sql).toEqual([]);
});

test.each(['', 'abcdefghij.1.0', '1;not-an-id', '2;abcdefghij.1.0', '1;abcdefghij.1.0;x'])(
  'text that no transaction gave is not a context: %j',
  async (context) => {
    await using fixture = await startFixture();
    expect(() => fixture.concordat.join(context)).toThrow(TypeError);
  },
);

test('the outcome of any transaction can be asked for, in one word (conformance N1)', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const words = [
    ['OUTCOME_UNSPECIFIED', 'active'],
    ['OUTCOME_COMMITTED', 'committed'],
    ['OUTCOME_ROLLED_BACK', 'rolled-back'],
    ['OUTCOME_MIXED', 'mixed'],
    ['OUTCOME_HAZARD', 'hazard'],
    ['OUTCOME_UNKNOWN', 'unknown'],
    ['OUTCOME_EXPIRED', 'expired'],
  ] as const;
  for (const [outcome, word] of words) {
    coordinator.on('getTransaction', () => ({ getTransaction: { transaction: { outcome } } }));
    expect(await concordat.outcome('abcdefghij.1.7', [{ bqual: 'accounts', instance: '' }])).toBe(word);
  }
  expect(coordinator.heard('getTransaction')[0]).toMatchObject({
    gtrid: 'abcdefghij.1.7',
    branches: [{ bqual: 'accounts' }],
  });
  coordinator.on('getTransaction', () => refusal('OUTCOME_EXPIRED'));
  expect(await concordat.outcome('abcdefghij.1.7')).toBe('expired');
  coordinator.on('getTransaction', () => refusal('TXN_NOT_FOUND'));
  expect(await caught(concordat.outcome('abcdefghij.1.7'))).toMatchObject({ code: 'TXN_NOT_FOUND' });
  expect(await caught(concordat.outcome('what?'))).toBeInstanceOf(TypeError);
});
