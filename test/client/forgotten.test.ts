// What an application forgot: to await a statement, and to note down in which transaction an error came.
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Concordat, type ConcordatError, StatementError, type Transaction } from '../../src/client/index.ts';
import { caught, type Fixture, startFixture } from './fixture.ts';

/** Rejections that nobody handles: each would end the process. */
function watchUnhandled(): ReturnType<typeof vi.fn> {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  onTestFinished(() => void process.off('unhandledRejection', unhandled));
  return unhandled;
}

test('a statement that was not awaited is named by the commit, and its own rejection ends no process', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const unhandled = watchUnhandled();
  accounts.answer = () => undefined;
  const error = await caught(
    concordat.transaction((tx) => {
      void tx.resource('accounts').query('update customer set deposit = 1');
      void tx.resource('orders').query(`insert into customer_order values (${'1'.repeat(500)})`);
    }),
  );
  expect(error).toMatchObject({ code: 'BRANCH_BUSY', gtrid: expect.any(String) });
  expect((error as Error).message).toMatch(/accounts: update customer set deposit = 1; orders: insert .*1…\. Await/);
  expect((error as Error).message.length).toBeLessThan(400);
  await setImmediate();
  await setImmediate();
  expect(unhandled).not.toHaveBeenCalled();
});

test('a statement that was not awaited and failed is the reason why the commit fails, and ends no process', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  const unhandled = watchUnhandled();
  accounts.answer = () => ({ error: { reason: 'STATEMENT_FAILED', message: 'duplicate key' } });
  const error = await caught(
    concordat.transaction(async (tx) => {
      void tx.resource('accounts').query('insert');
      await caught(tx.resource('orders').query('select 1'));
      await caught(tx.resource('accounts').query('select 1'));
    }),
  );
  expect(error).toMatchObject({ message: expect.stringContaining('duplicate key') });
  await setImmediate();
  expect(unhandled).not.toHaveBeenCalled();
});

/** What is done in a transaction, and fails. */
const FAILURES: Readonly<Record<string, (tx: Transaction, fixture: Fixture) => Promise<unknown>>> = {
  'a failed statement': (tx, { accounts }) => {
    accounts.answer = () => ({ error: { reason: 'STATEMENT_FAILED', message: 'duplicate key' } });
    return tx.resource('accounts').query('insert');
  },
  'a broken stream': (tx, { accounts }) => {
    accounts.answer = () => {
      accounts.breakStreams();
      return undefined;
    };
    return tx.resource('accounts').query('insert');
  },
  'an unknown resource': (tx) => tx.resource('nothing').query('select 1'),
  'a statement after the last one': async (tx) => {
    await tx.resource('accounts').query('update', [], { last: true });
    await tx.resource('accounts').query('update');
  },
  'a statement after the end': async (tx) => {
    await tx.rollback();
    await tx.resource('accounts').query('update');
  },
  'a commit after the rollback': async (tx) => {
    await tx.rollback();
    await tx.commit();
  },
  'a rollback after the commit': async (tx) => {
    await tx.commit();
    await tx.rollback();
  },
  'a commit after the mark': async (tx) => {
    await tx.setRollbackOnly('no');
    await tx.commit();
  },
  'a statement in a service that joined': (tx, { concordat, accounts, coordinator }) => {
    coordinator.on('enlist', () => ({
      enlist: { bqual: 'accounts.1', address: accounts.address, instance: 'i', timeoutMs: 9_000 },
    }));
    accounts.answer = () => ({ error: { reason: 'STATEMENT_FAILED', message: 'duplicate key' } });
    return concordat.join(tx.context).resource('accounts').query('insert');
  },
};

test.each(Object.keys(FAILURES))('an error says which transaction it came in: %s', async (what) => {
  await using fixture = await startFixture();
  const tx = fixture.concordat.begin();
  const error = (await caught(FAILURES[what]?.(tx, fixture) ?? Promise.resolve())) as ConcordatError;
  expect(error).toMatchObject({ code: expect.any(String), gtrid: tx.gtrid });
});

test('an error of a one-shot transaction says which it was; one that came before any transaction says nothing', async () => {
  await using fixture = await startFixture();
  const { accounts, concordat }: { accounts: Fixture['accounts']; concordat: Concordat } = fixture;
  await concordat.transact([{ resource: 'accounts', sql: 'select 1' }]);
  accounts.answer = () => ({ error: { reason: 'STATEMENT_FAILED', message: 'duplicate key' } });
  const error = await caught(concordat.transact([{ resource: 'accounts', sql: 'insert' }]));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ gtrid: expect.stringMatching(/^[a-z2-7]{10}\./) });
  const none = await caught(concordat.transaction(() => 1, { requires: ['nothing'] }));
  expect(none).toMatchObject({ code: 'RESOURCE_UNKNOWN', gtrid: undefined });
});
