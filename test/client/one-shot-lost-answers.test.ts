// A one-shot transaction whose answers are lost: what is committed stays so and is not done again, what is in doubt is told as that.
import { expect, test } from 'vitest';
import { OutcomeUnknownError, ResultsLostError, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught, deferred, statements } from './fixture.ts';
import { COMMITTED, FAILED, holdCommit, startWarm, TRANSFER } from './one-shot-fixture.ts';
import { type Answer, refusal } from './scripted-coordinator.ts';

test('answers that are lost of a transaction that is committed: said so, and never done again', async () => {
  const lost = deferred<void>();
  await using fixture = await startWarm({ logger: { info: () => undefined, warn: () => lost.resolve() } });
  const { concordat, coordinator, accounts } = fixture;
  const held = holdCommit(fixture);
  const hears = deferred<void>();
  fixture.orders.answer = () => {
    hears.resolve();
    return { execute: { instance: fixture.orders.instance, rowCount: 4 } };
  };
  accounts.answer = () => undefined;
  const running = caught(concordat.transact(TRANSFER, { retries: 3 }));
  await Promise.all([held.asked, hears.promise, statements(accounts, 2)]);
  accounts.breakStreams();
  await lost.promise;
  held.answer(COMMITTED);
  const error = await running;
  expect(error).toBeInstanceOf(ResultsLostError);
  expect(error).toMatchObject({
    code: 'RESULTS_LOST',
    retryable: false,
    applied: true,
    gtrid: coordinator.heard('commit')[0]?.gtrid,
    results: [undefined, { rowCount: 4 }, undefined],
    cause: { code: 'CONNECTION_LOST' },
  });
  await concordat.transaction(() => undefined); // Whatever was said before it has been heard now.
  expect(coordinator.heard('commit')).toHaveLength(2);
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('an answer that is too large does not undo what is committed', async () => {
  await using fixture = await startWarm();
  fixture.orders.answer = () => ({ error: { reason: 'LIMIT_RESULT', message: 'too large', retryable: false } });
  const error = await caught(fixture.concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(ResultsLostError);
  expect(error).toMatchObject({ cause: { code: 'LIMIT_RESULT', resource: 'orders' } });
});

test('a session that breaks after the commit was asked for: the next one tells how it ended', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const transaction = (outcome: 'OUTCOME_COMMITTED' | 'OUTCOME_ROLLED_BACK'): Answer => ({
    getTransaction: { transaction: { outcome, state: 'TRANSACTION_STATE_COMPLETED' } },
  });
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => transaction('OUTCOME_COMMITTED'));
  expect((await concordat.transact(TRANSFER)).results).toHaveLength(3);
  expect(coordinator.heard('getTransaction')).toMatchObject([
    {
      branches: [
        { bqual: 'accounts', instance: accounts.instance },
        { bqual: 'orders', instance: orders.instance },
      ],
    },
  ]);
  coordinator.on('getTransaction', () => transaction('OUTCOME_ROLLED_BACK'));
  const error = await caught(concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ retryable: true });
});

test('a commit that is in doubt is told as that, whatever a statement said', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, orders } = fixture;
  orders.answer = () => FAILED;
  coordinator.on('commit', () => refusal('OUTCOME_UNKNOWN'));
  coordinator.on('rollback', () => undefined);
  coordinator.on('getTransaction', () => refusal('TXN_NOT_FOUND'));
  const error = await caught(concordat.transact(TRANSFER, { retries: 3 }));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error).toMatchObject({ branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] });
  expect(coordinator.heard('commit')).toHaveLength(1);
});

test('a signal that aborts before anything left sends nothing; after it, the outcome is unknown', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator } = fixture;
  const reason = new Error('enough');
  const early = await caught(concordat.transact(TRANSFER, { signal: AbortSignal.abort(reason) }));
  expect(early).toBe(reason);
  expect(coordinator.received).toEqual([]);
  const held = holdCommit(fixture);
  const abort = new AbortController();
  const running = caught(concordat.transact(TRANSFER, { signal: abort.signal, retries: 3 }));
  await held.asked;
  abort.abort(reason);
  expect(await running).toBeInstanceOf(OutcomeUnknownError);
  expect(coordinator.heard('commit')).toHaveLength(1);
  held.answer(COMMITTED);
});
