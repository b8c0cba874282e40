// How transactions end: commit, rollback, abort, and every way in which the answer may come or stay away.
import { expect, test } from 'vitest';
import {
  ConcordatError,
  HeuristicOutcomeError,
  OutcomeUnknownError,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred, startFixture, statements } from './fixture.ts';
import { refusal } from './scripted-coordinator.ts';
import type { Reply } from './scripted-resource.ts';

test('a commit names every branch with the instance that answered for it, and returns what the function returned', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  const value = await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update');
    await tx.resource('orders').query('insert');
    tx.resource('never used');
    return 'done';
  });
  expect(value).toBe('done');
  const [commit] = coordinator.heard('commit');
  expect(commit).toMatchObject({
    acknowledgement: 'ACKNOWLEDGEMENT_APPLIED',
    branches: [
      { bqual: 'accounts', instance: accounts.instance },
      { bqual: 'orders', instance: orders.instance },
    ],
  });
  expect(commit?.requestId).not.toBe('');
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('a commit of several branches asks their participants for the votes on the way; of a single one, which needs none, it does not', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  const { gtrid } = await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update');
    await tx.resource('orders').query('insert');
    return tx;
  });
  await eventually('both are asked', () => accounts.asked.length + orders.asked.length === 2);
  expect(accounts.asked).toEqual([{ gtrid, bqual: 'accounts' }]);
  expect(orders.asked).toEqual([{ gtrid, bqual: 'orders' }]);
  expect(coordinator.heard('commit')[0]?.branches.map(({ asked }) => asked)).toEqual([true, true]);
  await concordat.transaction((tx) => tx.resource('accounts').query('update'));
  await concordat.transaction((tx) => tx.resource('accounts').query('update'));
  expect(coordinator.heard('commit').map(({ branches }) => branches[0]?.asked)).toEqual([true, false, false]);
  expect(accounts.asked).toHaveLength(1);
});

test('a participant that has voted or cannot be reached is not asked', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update', [], { last: true });
    await tx.resource('orders').query('insert');
    orders.breakStreams();
    await eventually('the stream is gone', () => orders.streams.size === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
  expect(coordinator.heard('commit')[0]?.branches.map(({ asked }) => asked)).toEqual([true, false]);
  expect([...accounts.asked, ...orders.asked]).toEqual([]);
});

test('with decided the commit returns before the branches are finished, and says so', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => ({
    commit: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMMITTING' },
  }));
  const tx = concordat.begin({ acknowledgement: 'decided' });
  expect(await tx.commit()).toEqual({ outcome: 'committed', applied: false });
  expect(coordinator.heard('commit')).toMatchObject([{ acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' }]);
});

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

test('a vote against the commit names the branch, its reason and the database’s words', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () =>
    refusal('BRANCH_VOTED_NO', {
      retryable: true,
      outcome: 'OUTCOME_ROLLED_BACK',
      branches: [
        { bqual: 'accounts', resource: 'accounts', state: 'BRANCH_STATE_ROLLED_BACK' },
        {
          bqual: 'orders',
          resource: 'orders',
          state: 'BRANCH_STATE_ROLLED_BACK',
          reason: { code: 'BRANCH_VOTED_NO', message: 'foreign key', sqlstate: '23503', retryable: false },
        },
      ],
    }),
  );
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({
    code: 'BRANCH_VOTED_NO',
    retryable: false,
    branches: [{ bqual: 'orders', message: 'foreign key', sqlstate: '23503', errno: undefined }],
  });
  expect((error as Error).message).toContain('orders: foreign key');
});

test('a rollback that the coordinator calls retryable is retryable', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => refusal('BRANCH_VOTED_NO', { retryable: false, metadata: { retryable: 'true' } }));
  expect(await caught(concordat.transaction(() => 1))).toMatchObject({ retryable: true });
});

test.each([
  ['OUTCOME_MIXED', 'mixed'],
  ['OUTCOME_HAZARD', 'hazard'],
] as const)('a commit that ends %s is an error of its own kind', async (outcome, word) => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => ({
    commit: {
      outcome,
      branches: [{ bqual: 'orders', state: 'BRANCH_STATE_DAMAGED', evidence: 'xid8:77' }],
    },
  }));
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(HeuristicOutcomeError);
  expect(error).toMatchObject({ outcome: word, code: 'HEURISTIC_OUTCOME', retryable: false });
  expect((error as HeuristicOutcomeError).branches[0]?.message).toContain('xid8:77');
});

test('commit while statements are unanswered is refused, nothing is sent, and the transaction can go on', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const slow = deferred<Reply>();
  accounts.answer = () => slow.promise;
  const tx = concordat.begin();
  const running = tx.resource('accounts').query('update');
  const error = await caught(tx.commit());
  expect(error).toBeInstanceOf(ConcordatError);
  expect(error).toMatchObject({ code: 'BRANCH_BUSY', retryable: false });
  expect(coordinator.heard('commit')).toEqual([]);
  slow.resolve({ execute: { instance: 'i' } });
  await running;
  await tx.commit();
  expect(coordinator.heard('commit')).toHaveLength(1);
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

test('a commit in flight when the coordinator dies is asked about at the one that follows: committed', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts, orders } = fixture;
  coordinator.on('commit', () => undefined);
  let asked = 0;
  coordinator.on('getTransaction', () => {
    asked++;
    // It recovers first: undecided, then decided, then finished.
    const state = asked < 3 ? 'TRANSACTION_STATE_COMMITTING' : 'TRANSACTION_STATE_COMPLETED';
    const outcome = asked === 1 ? 'OUTCOME_UNSPECIFIED' : 'OUTCOME_COMMITTED';
    return { getTransaction: { transaction: { outcome, state } } };
  });
  const tx = concordat.begin();
  await tx.resource('accounts').query('update');
  await tx.resource('orders').query('insert');
  const committing = tx.commit();
  await eventually('the commit request', () => coordinator.heard('commit').length === 1);
  await coordinator.die();
  await coordinator.comeBack();
  expect(await committing).toEqual({ outcome: 'committed', applied: true });
  expect(asked).toBe(3);
  expect(coordinator.heard('getTransaction')[0]).toMatchObject({
    gtrid: tx.gtrid,
    branches: [
      { bqual: 'accounts', instance: accounts.instance },
      { bqual: 'orders', instance: orders.instance },
    ],
  });
});

test('a commit in flight when the session breaks is asked about over the next one: rolled back, with its reason', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => ({
    getTransaction: {
      transaction: {
        outcome: 'OUTCOME_ROLLED_BACK',
        reason: { code: 'TXN_TIMEOUT', message: 'too late', retryable: true },
      },
    },
  }));
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'TXN_TIMEOUT', retryable: true });
});

test('an outcome that nobody can tell in time is unknown, with what is needed to ask again', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 300 });
  const { concordat, coordinator, accounts } = fixture;
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => ({ getTransaction: { transaction: { outcome: 'OUTCOME_UNKNOWN' } } }));
  let gtrid = '';
  const work = concordat.transaction(async (tx) => {
    gtrid = tx.gtrid;
    await tx.resource('accounts').query('update');
  });
  const error = await caught(work);
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error).toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    retryable: false,
    gtrid,
    branches: [{ bqual: 'accounts', instance: accounts.instance }],
  });
  expect((error as Error).message).toContain(gtrid);
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('a coordinator that takes the commit and never says anything more leaves the outcome unknown, in a bounded time', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 200 });
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => undefined);
  coordinator.on('getTransaction', () => undefined);
  const started = performance.now();
  const error = await caught(concordat.transaction(() => 1, { timeoutMs: 100 }));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(performance.now() - started).toBeLessThan(9_000);
}, 15_000);

test('a durable decision is told even while a database stays away for longer than anybody waits', async () => {
  await using fixture = await startFixture({ outcomeTimeoutMs: 400 });
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', (_message, session) => {
    session.break();
    return undefined;
  });
  coordinator.on('getTransaction', () => ({
    getTransaction: { transaction: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMMITTING' } },
  }));
  expect(await concordat.begin().commit()).toEqual({ outcome: 'committed', applied: false });
});

test('a coordinator that answers UNKNOWN is asked until it knows', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => refusal('OUTCOME_UNKNOWN'));
  coordinator.on('getTransaction', () => ({
    getTransaction: { transaction: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } },
  }));
  expect(await concordat.begin().commit()).toEqual({ outcome: 'committed', applied: true });
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('a commit refused for its form is rolled back, and the refusal is what is thrown', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('commit', () => refusal('LIMIT_BRANCHES'));
  coordinator.on('getTransaction', () => ({ getTransaction: { transaction: { outcome: 'OUTCOME_ROLLED_BACK' } } }));
  const error = await caught(concordat.transaction(() => 1));
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'LIMIT_BRANCHES' });
  expect(coordinator.heard('rollback')).toHaveLength(1);
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

test('aborted while the commit is decided, its outcome is unknown, and no rollback is sent', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const controller = new AbortController();
  coordinator.on('commit', () => {
    controller.abort(new Error('impatient'));
    return undefined;
  });
  const error = await caught(concordat.transaction(() => 1, { signal: controller.signal }));
  expect(error).toBeInstanceOf(OutcomeUnknownError);
  expect(error).toMatchObject({ cause: { message: 'impatient' } });
  expect(coordinator.heard('rollback')).toEqual([]);
});

test('with an aborted signal nothing is begun', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const error = await caught(concordat.transaction(() => 1, { signal: AbortSignal.abort() }));
  expect(error).toMatchObject({ name: 'AbortError' });
  expect(coordinator.heard('begin')).toEqual([]);
});

test('a rollback that nobody answers holds up nobody for long', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  coordinator.on('rollback', () => undefined);
  const started = performance.now();
  await concordat.begin().rollback();
  expect(performance.now() - started).toBeLessThan(8_000);
}, 15_000);

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
