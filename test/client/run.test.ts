// A function as a transaction: what it throws and leaves behind, its signal, its options, and when it is run again.
import { expect, test } from 'vitest';
import { StatementError } from '../../src/client/index.ts';
import { caught, startFixture } from './fixture.ts';
import type { Reply } from './scripted-resource.ts';

test('what the function throws is thrown again as it is, after the rollback', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const problem = new Error('out of stock\u0007');
  const error = await caught(
    concordat.transaction(async (tx) => {
      await tx.resource('accounts').query('update');
      throw problem;
    }),
  );
  expect(error).toBe(problem);
  expect(coordinator.heard('rollback')).toMatchObject([
    { branches: [{ bqual: 'accounts', instance: accounts.instance }] },
  ]);
});

test('a function that returns with a statement unanswered is rolled back', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  accounts.answer = () => undefined;
  let forgotten: Promise<unknown> | undefined;
  const error = await caught(
    concordat.transaction((tx) => {
      forgotten = caught(tx.resource('accounts').query('update'));
    }),
  );
  expect(error).toMatchObject({ code: 'BRANCH_BUSY' });
  expect(await forgotten).toMatchObject({ code: 'TXN_STATE' });
  expect(coordinator.heard('rollback')).toHaveLength(1);
  expect(coordinator.heard('commit')).toEqual([]);
});

test('a lost session with retries asked for is a second run of the whole function', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const gtrids: string[] = [];
  const value = await concordat.transaction(
    async (tx) => {
      gtrids.push(tx.gtrid);
      if (gtrids.length === 1) {
        coordinator.sessions[0]?.break();
        accounts.answer = () => undefined;
      } else {
        accounts.answer = () => ({ execute: { instance: 'i' } });
      }
      await tx.resource('accounts').query('update');
      return gtrids.length;
    },
    { retries: 1 },
  );
  expect(value).toBe(2);
  expect(new Set(gtrids).size).toBe(2);
});

test('without retries a retryable error is thrown at once; with them, not more often than asked for; others never again', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts } = fixture;
  let reply: Reply;
  accounts.answer = () => reply;
  let runs = 0;
  const run = (retries?: number): Promise<unknown> => {
    runs = 0;
    return caught(
      concordat.transaction(
        async (tx) => {
          runs++;
          await tx.resource('accounts').query('update');
        },
        retries === undefined ? {} : { retries },
      ),
    );
  };
  reply = { error: { reason: 'STATEMENT_FAILED', message: 'deadlock', metadata: { retryable: 'true' } } };
  expect(await run()).toBeInstanceOf(StatementError);
  expect(runs).toBe(1);
  expect(await run(2)).toMatchObject({ retryable: true });
  expect(runs).toBe(3);
  reply = { error: { reason: 'STATEMENT_FAILED', message: 'syntax', metadata: { retryable: 'false' } } };
  expect(await run(2)).toMatchObject({ retryable: false });
  expect(runs).toBe(1);
});

test('aborted while it works, a transaction is rolled back and the signal’s reason is thrown, even if the function hangs', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const controller = new AbortController();
  const reason = new Error('the request was cancelled');
  let late: Promise<unknown> | undefined;
  const work = concordat.transaction(
    async (tx) => {
      await tx.resource('accounts').query('update');
      controller.abort(reason);
      late = caught(tx.resource('accounts').query('never'));
      await new Promise(() => undefined);
    },
    { signal: controller.signal },
  );
  expect(await caught(work)).toBe(reason);
  expect(await late).toBe(reason);
  expect(accounts.sql).toEqual(['update']);
  expect(coordinator.heard('rollback')).toHaveLength(1);
  expect(coordinator.heard('commit')).toEqual([]);
});

test('with an aborted signal nothing is begun', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const error = await caught(concordat.transaction(() => 1, { signal: AbortSignal.abort() }));
  expect(error).toMatchObject({ name: 'AbortError' });
  expect(coordinator.heard('begin')).toEqual([]);
});

test.each([
  [{ timeoutMs: 0 }, /timeoutMs/],
  [{ timeoutMs: Number.NaN }, /timeoutMs/],
  [{ timeoutMs: 2 ** 31 }, /timeoutMs/],
  [{ isolation: 'snapshot' as never }, /isolation/],
  [{ acknowledgement: 'maybe' as never }, /acknowledgement/],
  [{ retries: -1 }, /retries/],
])('an option out of range is refused before anything is begun: %o', async (options, message) => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const error = await caught(concordat.transaction(() => 1, options));
  expect(error).toBeInstanceOf(RangeError);
  expect((error as Error).message).toMatch(message);
  expect(coordinator.heard('begin')).toEqual([]);
});
