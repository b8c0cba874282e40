// What rolls a transaction back: by hand, by its scope, by a mark, a Begin that is refused, a session that is lost.
import { expect, test } from 'vitest';
import { TransactionRolledBackError } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, startFixture, statements } from './fixture.ts';
import { refusal } from './scripted-coordinator.ts';

test('commit and rollback called again answer the same, and one does not follow the other', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const tx = concordat.begin();
  expect(tx.commit()).toBe(tx.commit());
  await tx.commit();
  await expect(tx.rollback()).rejects.toMatchObject({ code: 'TXN_STATE' });
  await expect(tx.resource('accounts').query('late')).rejects.toMatchObject({ code: 'TXN_STATE' });
  expect(coordinator.heard('commit')).toHaveLength(1);
  const other = concordat.begin();
  await other.rollback('by hand');
  await other.rollback();
  await expect(other.commit()).rejects.toMatchObject({ code: 'TXN_STATE' });
  expect(coordinator.heard('rollback')).toMatchObject([{ gtrid: other.gtrid, reason: 'by hand' }]);
});

test('leaving the scope of a transaction rolls it back unless it was committed', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  {
    await using committed = concordat.begin();
    await committed.commit();
    await using forgotten = concordat.begin();
    expect(forgotten.gtrid).not.toBe(committed.gtrid);
  }
  expect(coordinator.heard('commit')).toHaveLength(1);
  expect(coordinator.heard('rollback')).toHaveLength(1);
});

test('marked rollback-only, a transaction takes no statement, cannot be committed, and the coordinator knows', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const tx = concordat.begin();
  await tx.setRollbackOnly('limit exceeded\n');
  await expect(tx.resource('accounts').query('update')).rejects.toMatchObject({ code: 'ROLLBACK_ONLY' });
  const error = await caught(tx.commit());
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'ROLLBACK_ONLY', retryable: false });
  expect(coordinator.heard('setRollbackOnly')).toMatchObject([{ gtrid: tx.gtrid, reason: 'limit exceeded ' }]);
  expect(coordinator.heard('commit')).toEqual([]);
  expect(accounts.sql).toEqual([]);
});

test('a Begin that is refused rolls back what was begun, with the coordinator’s reason', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('begin', () => refusal('LIMIT_TRANSACTIONS', { retryable: true }));
  coordinator.on('commit', () => undefined);
  const tx = concordat.begin();
  await eventually('the refusal', () => coordinator.heard('begin').length === 1);
  await eventually('the refusal has arrived', async () => {
    return (await caught(tx.resource('accounts').query('select 1')).catch(() => undefined)) !== undefined;
  });
  expect(await caught(tx.commit())).toMatchObject({ code: 'LIMIT_TRANSACTIONS', retryable: true });
  expect(coordinator.heard('rollback')).toHaveLength(1);
});

test('a Begin that is refused while its commit is on the way is told as such, and nothing is asked about', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('begin', () => refusal('LIMIT_TRANSACTIONS', { retryable: true }));
  coordinator.on('commit', () => refusal('TXN_NOT_FOUND'));
  const tx = concordat.begin();
  const error = await caught(tx.commit());
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'LIMIT_TRANSACTIONS', retryable: true, gtrid: tx.gtrid });
  expect(coordinator.heard('getTransaction')).toEqual([]);
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('a session lost before the commit was asked for means rolled back, retryable; the statement at the sidecar is not waited for', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  accounts.answer = () => undefined;
  const tx = concordat.begin();
  const running = caught(tx.resource('accounts').query('update'));
  await statements(accounts, 1);
  coordinator.sessions[0]?.break();
  const error = await running;
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'CLIENT_LOST', retryable: true, gtrid: tx.gtrid });
  expect(await caught(tx.commit())).toBe(error);
  expect(coordinator.heard('commit')).toEqual([]);
});

test('a rollback that nobody answers holds up nobody for long', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('rollback', () => undefined);
  const started = performance.now();
  await concordat.begin().rollback();
  expect(performance.now() - started).toBeLessThan(8_000);
}, 15_000);
