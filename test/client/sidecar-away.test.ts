// Sidecars that are away, break off or stay silent, and what the statements for them hear.
import { expect, test, vi } from 'vitest';
import { connect, StatementError } from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, startFixture, statements } from './fixture.ts';

test('a known resource whose sidecar left just now is waited for', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  coordinator.setDirectory([{ ...accounts.entry('accounts'), address: '' }]);
  await eventually('the directory', () => concordat.resources().length === 1);
  const running = concordat.transaction((tx) => tx.resource('accounts').query('select 1'));
  coordinator.setDirectory([accounts.entry('accounts')]);
  await running;
  expect(accounts.sql).toEqual(['select 1']);
});

test('a known resource whose sidecar stays away is refused within the transaction’s time', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.setDirectory([{ name: 'accounts', engine: 'postgresql', address: '' }]);
  await eventually('the directory', () => concordat.resources().length === 1);
  const work = concordat.transaction((tx) => tx.resource('accounts').query('select 1'), { timeoutMs: 200 });
  expect(await caught(work)).toMatchObject({ code: 'RESOURCE_UNAVAILABLE', retryable: true });
});

test('a resource without a participant fails its first statement at once, with what to do', async () => {
  await using fixture = await startFixture();
  const { coordinator, accounts, orders } = fixture;
  coordinator.setDirectory([{ ...accounts.entry('accounts'), address: '' }, orders.entry('orders')]);
  await using concordat = await connect(coordinator.address);
  const started = performance.now();
  const error = await caught(concordat.transaction((tx) => tx.resource('accounts').query('select 1')));
  expect(error).toMatchObject({ code: 'RESOURCE_UNAVAILABLE', retryable: true });
  expect(error).toMatchObject({ message: expect.stringContaining('No sidecar of accounts is attached') });
  expect(performance.now() - started).toBeLessThan(1_000);
});

test('a transaction that requires a resource without a participant is not begun', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  const requires = ['orders', 'accounts'];
  expect(await concordat.transaction(() => 'done', { requires })).toBe('done');
  coordinator.setDirectory([{ ...accounts.entry('accounts'), address: '' }, orders.entry('orders')]);
  await eventually('the directory', () => concordat.resources().some(({ available }) => !available));
  const begun = coordinator.heard('begin').length;
  const work = vi.fn();
  expect(await caught(concordat.transaction(work, { requires }))).toMatchObject({
    code: 'RESOURCE_UNAVAILABLE',
    retryable: true,
  });
  expect(() => concordat.begin({ requires: ['nothing'] })).toThrow(/No resource is called nothing/);
  expect(() => concordat.begin({ requires: 'accounts' as never })).toThrow(TypeError);
  expect(work).not.toHaveBeenCalled();
  expect(coordinator.heard('begin')).toHaveLength(begun);
});

test('a stream that breaks rejects its statements as retryable, rolls back, and the next transaction opens another', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  const usual = accounts.answer;
  accounts.answer = () => undefined;
  const broken = caught(concordat.transaction((tx) => tx.resource('accounts').query('update')));
  await statements(accounts, 1);
  accounts.breakStreams();
  const error = await broken;
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true, resource: 'accounts' });
  expect(coordinator.heard('rollback')).toMatchObject([{ branches: [{ bqual: 'accounts' }] }]);
  accounts.answer = usual;
  await concordat.transaction((tx) => tx.resource('accounts').query('again'));
  expect(accounts.opened).toBe(2);
});

test('a branch whose stream broke between two statements takes no further one over another stream', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const tx = concordat.begin();
  await tx.resource('accounts').query('one');
  accounts.breakStreams();
  await eventually('the loss', () => accounts.streams.size === 0);
  // Another transaction reopens the stream, so that the loss is known and a healthy stream is at hand.
  await eventually('another stream', async () => {
    await concordat.transaction((other) => other.resource('accounts').query('other')).catch(() => undefined);
    return accounts.opened > 1;
  });
  expect(await caught(tx.resource('accounts').query('two'))).toMatchObject({
    code: 'CONNECTION_LOST',
    retryable: true,
  });
  expect(accounts.sql).not.toContain('two');
  await tx.rollback();
});

test('a sidecar that never answers holds no statement much longer than the transaction may last', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  accounts.answer = () => undefined;
  const started = performance.now();
  const work = concordat.transaction((tx) => tx.resource('accounts').query('update'), { timeoutMs: 100 });
  const error = await caught(work);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true });
  expect(performance.now() - started).toBeLessThan(8_000);
  expect(coordinator.heard('rollback')).toHaveLength(1);
}, 15_000);
