// What an application hangs on the end of a transaction: when it is called, in which order, and what its errors change.
import { expect, test } from 'vitest';
import { type CompletionOutcome, OutcomeUnknownError, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught, startFixture } from './fixture.ts';

const problem = new Error('not today');

test('beforeCommit works in the transaction, afterCompletion runs outside when it has ended, each in order', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  const told: unknown[] = [];
  await concordat.transaction(async (tx) => {
    tx.afterCompletion(async (outcome) => {
      await Promise.resolve();
      told.push(outcome, tx.status, concordat.current, coordinator.heard('commit').length);
    });
    tx.afterCompletion((outcome) => void told.push(`second ${outcome}`));
    tx.beforeCommit(async (same) => {
      expect([same, concordat.current, tx.status]).toEqual([tx, tx, 'active']);
      await same.resource('accounts').query('first');
      tx.beforeCommit(() =>
        same
          .resource('accounts')
          .query('third')
          .then(() => undefined),
      );
    });
    tx.beforeCommit(() =>
      tx
        .resource('accounts')
        .query('second')
        .then(() => undefined),
    );
    expect(accounts.sql).toEqual([]);
  });
  expect(accounts.sql).toEqual(['first', 'second', 'third']);
  expect(told).toEqual(['committed', 'committed', undefined, 1, 'second committed']);
});

test('beforeCommit that throws rolls back, with its error as the cause; afterCompletion hears it', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const told: CompletionOutcome[] = [];
  const error = await caught(
    concordat.transaction((tx) => {
      tx.afterCompletion((outcome) => void told.push(outcome));
      tx.beforeCommit(() => Promise.reject(problem));
      tx.beforeCommit(() => void told.push('unknown'));
    }),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'ROLLBACK_ONLY', cause: problem });
  expect(told).toEqual(['rolled-back']);
  expect([coordinator.heard('commit').length, coordinator.heard('rollback').length]).toEqual([0, 1]);
});

test('a rollback calls no beforeCommit', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const told: string[] = [];
  const tx = concordat.begin();
  tx.beforeCommit(() => void told.push('before'));
  tx.afterCompletion((outcome) => void told.push(outcome));
  await tx.rollback();
  expect(told).toEqual(['rolled-back']);
  expect(tx.status).toBe('rolled-back');
  const marked = concordat.begin();
  marked.beforeCommit(() => void told.push('before'));
  marked.afterCompletion((outcome) => void told.push(outcome));
  await marked.setRollbackOnly('because');
  expect(marked.status).toBe('rollback-only');
  await caught(marked.commit());
  expect(told).toEqual(['rolled-back', 'rolled-back']);
});

test('an error of afterCompletion is logged, and changes nothing', async () => {
  const warned: object[] = [];
  const logger = { info: () => undefined, warn: (fields: object) => void warned.push(fields) };
  await using fixture = await startFixture({ logger });
  const { concordat } = fixture;
  const told: string[] = [];
  const value = await concordat.transaction((tx) => {
    tx.afterCompletion(() => Promise.reject(problem));
    tx.afterCompletion((outcome) => void told.push(outcome));
    return 'done';
  });
  expect([value, told]).toEqual(['done', ['committed']]);
  expect(warned).toMatchObject([{ evt: 'after_completion_failed', err: problem }]);
});

test('an end that nobody knows is told as unknown', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 10 });
  const { concordat, coordinator } = fixture;
  const told: CompletionOutcome[] = [];
  coordinator.on('commit', () => ({
    error: { reason: 'OUTCOME_UNKNOWN', message: 'nobody knows', retryable: false },
  }));
  coordinator.on('getTransaction', () => ({
    error: { reason: 'OUTCOME_UNKNOWN', message: 'nobody knows', retryable: false },
  }));
  const tx = concordat.begin();
  tx.afterCompletion((outcome) => void told.push(outcome));
  await tx.resource('accounts').query('update');
  const committing = caught(tx.commit());
  expect(tx.status).toBe('committing');
  expect(await committing).toBeInstanceOf(OutcomeUnknownError);
  expect([tx.status, told]).toEqual(['unknown', ['unknown']]);
});

test('what comes too late, is no function, or belongs to the service that began it, is refused', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const tx = concordat.begin();
  expect(() => tx.beforeCommit(undefined as never)).toThrow(TypeError);
  expect(() => tx.afterCompletion('now' as never)).toThrow(TypeError);
  const joined = concordat.join(tx.context);
  expect(() => joined.beforeCommit(() => undefined)).toThrow(/belongs to the service that began/);
  expect(() => joined.afterCompletion(() => undefined)).toThrow(/belongs to the service that began/);
  let within: unknown;
  tx.beforeCommit(async () => {
    within = await caught(tx.rollback());
  });
  await tx.commit();
  expect(within).toMatchObject({ code: 'TXN_STATE' });
  expect(() => tx.beforeCommit(() => undefined)).toThrow(/has ended/);
  expect(() => tx.afterCompletion(() => undefined)).toThrow(/has ended/);
});

test('a client that is closed in afterCompletion closes', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  await concordat.transaction((tx) => tx.afterCompletion(() => concordat.close()));
  expect(() => concordat.begin()).toThrow(/is closed/);
});

test('a commit within beforeCommit is refused: it would wait for itself', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const error = await caught(
    concordat.transaction((tx) => {
      tx.beforeCommit(async (same) => void (await same.commit()));
    }),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ cause: { code: 'TXN_STATE' } });
});
