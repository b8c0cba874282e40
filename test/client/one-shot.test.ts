// Transactions whose statements are all known: what leaves when, and what is heard however the answers come, or stay away.
import { expect, test } from 'vitest';
import {
  ConcordatError,
  type ConnectOptions,
  OutcomeUnknownError,
  ResultsLostError,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred, type Fixture, startFixture, statements } from './fixture.ts';
import { type Answer, refusal } from './scripted-coordinator.ts';
import type { Reply } from './scripted-resource.ts';

const TRANSFER = [
  { resource: 'accounts', sql: 'debit $1', parameters: [7] },
  { resource: 'orders', sql: 'credit ?', parameters: [7] },
  { resource: 'accounts', sql: 'book' },
] as const;
const COMMITTED: Answer = { commit: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } };
const FAILED: Reply = {
  error: {
    reason: 'STATEMENT_FAILED',
    message: 'no such account',
    metadata: { sqlstate: '23503', retryable: 'false' },
  },
};

/** Both sidecars have answered on their streams, and nothing of that is left in the records. */
async function startWarm(options: ConnectOptions = {}): Promise<Fixture> {
  const fixture = await startFixture(options);
  const { concordat, coordinator, accounts, orders } = fixture;
  await concordat.transaction((tx) =>
    Promise.all([tx.resource('accounts').query('warm'), tx.resource('orders').query('up')]),
  );
  await eventually('the votes were asked for', () => accounts.asked.length + orders.asked.length === 2);
  for (const list of [coordinator.received, coordinator.frames, accounts.executed, accounts.frameSizes]) {
    list.splice(0);
  }
  orders.executed.splice(0);
  return fixture;
}

/** The commit is answered when the test says so. */
function holdCommit({ coordinator }: Fixture): {
  readonly asked: Promise<void>;
  readonly answer: (answer: Answer) => void;
} {
  const asked = deferred<void>();
  const answer = deferred<Answer>();
  coordinator.on('commit', () => {
    asked.resolve();
    return answer.promise;
  });
  return { asked: asked.promise, answer: answer.resolve };
}

test('statements and commit leave in one turn; results come in the order of the statements', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const go = deferred<void>();
  const held = holdCommit(fixture);
  accounts.answer = async ({ statement }) => {
    await go.promise;
    return { execute: { instance: accounts.instance, rowCount: statement * 10 } };
  };
  const running = concordat.transact(TRANSFER);
  await held.asked;
  await statements(accounts, 2);
  await statements(orders, 1);
  expect(coordinator.frames).toEqual([['begin', 'commit']]);
  expect(accounts.frameSizes).toEqual([2]);
  expect(accounts.executed).toMatchObject([
    { sql: 'debit $1', bqual: 'accounts', statement: 1, oneShot: true, named: true, last: false },
    { sql: 'book', bqual: 'accounts', statement: 2, oneShot: false, last: true },
  ]);
  expect(accounts.executed[0]?.timeoutMs).toBeGreaterThan(0);
  expect(orders.executed).toMatchObject([{ sql: 'credit ?', statement: 1, oneShot: true, last: true }]);
  expect(coordinator.heard('commit')).toMatchObject([
    {
      branches: [
        { bqual: 'accounts', instance: accounts.instance, asked: true },
        { bqual: 'orders', instance: orders.instance, asked: true },
      ],
    },
  ]);
  held.answer(COMMITTED);
  go.resolve();
  const { outcome, applied, results, gtrid } = await running;
  expect({ outcome, applied, gtrid }).toEqual({
    outcome: 'committed',
    applied: true,
    gtrid: coordinator.heard('begin')[0]?.gtrid,
  });
  expect(results.map(({ rowCount }) => rowCount)).toEqual([10, 1, 20]);
  expect(coordinator.heard('rollback')).toEqual([]);
  expect(accounts.asked).toHaveLength(1); // From the start of the test: the statement marked last asks.
});

test('values go as parameters, and never as text', async () => {
  await using fixture = await startWarm();
  const value = "1'; drop table customer; --";
  await fixture.concordat.transact([
    { resource: 'accounts', sql: 'select $1', parameters: [value] },
    { resource: 'orders', sql: 'select ?', parameters: [value] },
  ]);
  for (const { executed } of [fixture.accounts, fixture.orders]) {
    expect(executed[0]?.sql).not.toContain('drop');
    expect(executed[0]?.parameters).toMatchObject([{ text: value }]);
  }
});

test('a branch starts as its first statement says, else as the options say', async () => {
  await using fixture = await startWarm();
  const { concordat, accounts, orders } = fixture;
  await concordat.transact(
    [
      { resource: 'accounts', sql: 'one', isolation: 'read-committed' },
      { resource: 'orders', sql: 'two' },
    ],
    { isolation: 'serializable', readOnly: true },
  );
  expect(accounts.executed).toMatchObject([{ isolation: 'ISOLATION_READ_COMMITTED', readOnly: true }]);
  expect(orders.executed).toMatchObject([{ isolation: 'ISOLATION_SERIALIZABLE', readOnly: true }]);
  const late = concordat.transact([...TRANSFER, { resource: 'accounts', sql: 'late', readOnly: true }]);
  expect(await caught(late)).toBeInstanceOf(TypeError);
});

test('the statements of a single resource leave together, and it is committed in one phase when all are answered', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  const go = deferred<Reply>();
  accounts.answer = () => go.promise;
  const running = concordat.transact([
    { resource: 'accounts', sql: 'one' },
    { resource: 'accounts', sql: 'two' },
  ]);
  await statements(accounts, 2);
  expect(accounts.frameSizes).toEqual([2]);
  expect(accounts.executed).toMatchObject([
    { last: false, oneShot: false },
    { last: false, oneShot: false },
  ]);
  expect(coordinator.heard('commit')).toEqual([]);
  go.resolve({ execute: { instance: accounts.instance } });
  expect((await running).results).toHaveLength(2);
  expect(coordinator.heard('commit')).toMatchObject([{ branches: [{ bqual: 'accounts', asked: false }] }]);
});

test('where a sidecar has not been heard yet, or there are too many statements, the commit waits for the answers', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const go = deferred<Reply>();
  accounts.answer = () => go.promise;
  const cold = concordat.transact(TRANSFER);
  await statements(accounts, 2);
  expect(accounts.executed).toMatchObject([
    { oneShot: false, last: false },
    { oneShot: false, last: true },
  ]);
  expect(coordinator.heard('commit')).toEqual([]);
  go.resolve({ execute: { instance: accounts.instance } });
  expect((await cold).results).toHaveLength(3);
  const many = Array.from({ length: 33 }, (_, n) => ({ resource: 'accounts', sql: `book ${n}` }));
  await concordat.transact([...many, { resource: 'orders', sql: 'credit' }]);
  expect(accounts.executed.slice(2).map(({ sql }) => sql)).toEqual(many.map(({ sql }) => sql));
  expect(accounts.executed.some(({ oneShot }) => oneShot)).toBe(false);
  await concordat.transact([...many.slice(1), { resource: 'orders', sql: 'credit' }]);
  expect(accounts.executed.some(({ oneShot }) => oneShot)).toBe(true);
});

test('a resource that is away is waited for, one that nobody knows is not, and of neither anything is sent', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const unknown = await caught(concordat.transact([...TRANSFER, { resource: 'stock', sql: 'take' }]));
  expect(unknown).toMatchObject({ code: 'RESOURCE_UNKNOWN', retryable: false });
  coordinator.setDirectory([accounts.entry('accounts'), { name: 'orders', engine: 'mariadb' }]);
  await eventually('the news', () => concordat.resources().some(({ available }) => !available));
  const running = concordat.transact(TRANSFER);
  coordinator.setDirectory([accounts.entry('accounts'), orders.entry('orders', 'mariadb')]);
  expect((await running).results).toHaveLength(3);
});

test('no statement at all is a transaction that is committed', async () => {
  await using fixture = await startWarm();
  expect(await fixture.concordat.transact([])).toMatchObject({ outcome: 'committed', results: [] });
});

test('a statement that cannot be sent is refused before anything leaves', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  const bad = [...TRANSFER, { resource: 'orders', sql: 'credit ?', parameters: [undefined as never] }];
  const error = await caught(concordat.transact(bad, { retries: 3 }));
  expect(error).toBeInstanceOf(TypeError);
  await concordat.transact(TRANSFER);
  expect(coordinator.heard('begin')).toHaveLength(1);
  expect(accounts.executed).toHaveLength(2);
});

test('a failed statement is heard with the words of its database; the coordinator is told at once', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, orders } = fixture;
  const held = holdCommit(fixture);
  orders.answer = () => FAILED;
  coordinator.on('rollback', () => {
    held.answer(refusal('TXN_ROLLED_BACK', { outcome: 'OUTCOME_ROLLED_BACK' }));
    return { rollback: { outcome: 'OUTCOME_ROLLED_BACK' } };
  });
  const error = await caught(concordat.transact(TRANSFER, { retries: 3 }));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', resource: 'orders', sqlstate: '23503', retryable: false });
  expect(coordinator.heard('commit')).toHaveLength(1);
  expect(coordinator.heard('rollback')).toHaveLength(1);
});

test('a no that overtakes the words of its statement waits for them', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, orders } = fixture;
  const words = deferred<Reply>();
  orders.answer = () => words.promise;
  const branches = [{ bqual: 'orders', resource: 'orders', reason: { code: 'STATEMENT_FAILED', message: 'no' } }];
  coordinator.on('commit', () => {
    setImmediate(() => words.resolve(FAILED));
    return refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', branches });
  });
  const error = await caught(concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ resource: 'orders', sqlstate: '23503' });
});

test('a branch that executed everything and votes no is heard as the rollback it causes', async () => {
  await using fixture = await startWarm();
  const branches = [
    {
      bqual: 'accounts',
      resource: 'accounts',
      reason: { code: 'STATEMENT_FAILED', message: 'late', sqlstate: '23505' },
    },
  ];
  fixture.coordinator.on('commit', () => refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', branches }));
  const error = await caught(fixture.concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'BRANCH_VOTED_NO', branches: [{ bqual: 'accounts', sqlstate: '23505' }] });
});

test('of several failures the one that explains the others is heard', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts, orders } = fixture;
  const held = holdCommit(fixture);
  const words = deferred<Reply>();
  accounts.answer = () => ({ error: { reason: 'BRANCH_UNKNOWN', message: 'the branch is gone', retryable: true } });
  orders.answer = () => words.promise;
  coordinator.on('rollback', () => {
    words.resolve(FAILED);
    return undefined;
  });
  const running = caught(concordat.transact(TRANSFER));
  await statements(orders, 1);
  await words.promise;
  const branches = [{ bqual: 'orders', resource: 'orders', reason: { code: 'STATEMENT_FAILED', message: 'no' } }];
  held.answer(refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', branches }));
  expect(await running).toMatchObject({ code: 'STATEMENT_FAILED', resource: 'orders' });
});

test('a branch that its participant does not know is tried again as a new transaction', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  const usual = accounts.answer;
  accounts.answer = () => {
    accounts.answer = usual;
    return { error: { reason: 'BRANCH_UNKNOWN', message: 'of another life', retryable: true } };
  };
  coordinator.on('commit', () => {
    coordinator.scripts.delete('commit');
    return refusal('TXN_ROLLED_BACK', { outcome: 'OUTCOME_ROLLED_BACK' });
  });
  expect((await concordat.transact(TRANSFER, { retries: 1 })).outcome).toBe('committed');
  expect(coordinator.heard('commit')).toHaveLength(2);
});

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

test('a stream that broke under a transaction that is rolled back is its statement’s failure, and retryable', async () => {
  const lost = deferred<void>();
  await using fixture = await startWarm({ logger: { info: () => undefined, warn: () => lost.resolve() } });
  const { concordat, coordinator, accounts } = fixture;
  const usual = accounts.answer;
  const held = holdCommit(fixture);
  accounts.answer = () => undefined;
  const running = concordat.transact(TRANSFER, { retries: 1 });
  await Promise.all([held.asked, statements(accounts, 2)]);
  accounts.answer = usual;
  accounts.breakStreams();
  await lost.promise;
  coordinator.scripts.delete('commit');
  held.answer(refusal('BRANCH_VOTED_NO', { outcome: 'OUTCOME_ROLLED_BACK', retryable: true }));
  expect((await running).results).toHaveLength(3);
  expect(accounts.opened).toBe(2);
  expect(coordinator.heard('commit')).toHaveLength(2);
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

test('a deadline is heard as that, and does not wait for the statement that hung', async () => {
  await using fixture = await startWarm();
  const { concordat, coordinator, accounts } = fixture;
  accounts.answer = () => undefined;
  coordinator.on('commit', () => refusal('TXN_TIMEOUT', { outcome: 'OUTCOME_ROLLED_BACK', retryable: true }));
  const error = await caught(concordat.transact(TRANSFER, { timeoutMs: 500 }));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true });
  expect(coordinator.heard('begin')).toMatchObject([{ timeoutMs: 500 }]);
});

test.each([
  ['nothing of it', refusal('TXN_NOT_FOUND')],
  ['branches of it, which it rolls back', refusal('TXN_ROLLED_BACK', { outcome: 'OUTCOME_ROLLED_BACK' })],
])('a transaction that the coordinator would not begin says why, when it knows %s', async (_, answer) => {
  await using fixture = await startWarm();
  fixture.coordinator.on('begin', () => refusal('LIMIT_TRANSACTIONS', { retryable: true }));
  fixture.coordinator.on('commit', () => answer);
  const error = await caught(fixture.concordat.transact(TRANSFER));
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'LIMIT_TRANSACTIONS', retryable: true });
});

test('a client that is closed waits for the commit that is under way', async () => {
  await using fixture = await startWarm();
  const { concordat } = fixture;
  const held = holdCommit(fixture);
  const running = concordat.transact(TRANSFER);
  await held.asked;
  const closed = concordat.close();
  held.answer(COMMITTED);
  expect((await running).outcome).toBe('committed');
  await closed;
  expect(await caught(concordat.transact(TRANSFER))).toMatchObject({ code: 'TXN_STATE' });
});
