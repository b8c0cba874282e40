// Scopes and the transaction that goes along with the running code: what joins, what is refused, and what comes too late.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { StatementError, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught, deferred, startFixture, statements } from './fixture.ts';

const problem = new Error('out of stock');

test('a function that joins finds the transaction of its caller, and keeps its values, its name and its this', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  class Shop {
    readonly discount = 2;
    async price(amount: number): Promise<string> {
      return `${concordat.current?.gtrid} ${amount - this.discount}`;
    }
  }
  // What a compiler makes of `@concordat.transactional()` in front of the method.
  const context = { kind: 'method', name: 'price' } as const;
  Shop.prototype.price = concordat.transactional()(Shop.prototype.price, context);
  const shop = new Shop();
  const [outer, price] = await concordat.transaction(async (tx) => [tx.gtrid, await shop.price(10)]);
  expect(price).toBe(`${outer} 8`);
  expect(Shop.prototype.price.name).toBe('price');
  expect(coordinator.heard('commit')).toHaveLength(1);
  expect(await shop.price(5)).not.toContain(outer);
  expect(coordinator.heard('commit')).toHaveLength(2);
  expect(concordat.current).toBeUndefined();
});

test('what is no function and no method of TC39 is refused when it is wrapped', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const wrap = concordat.transactional() as (...values: unknown[]) => unknown;
  expect(() => wrap({}, 'price', {})).toThrow(/experimentalDecorators/);
  expect(() => wrap(async () => 1, { kind: 'field', name: 'price' })).toThrow(TypeError);
  expect(() => concordat.transactional({ propagation: 'sometimes' as never })).toThrow(RangeError);
});

test.each([
  { isolation: 'serializable' },
  { readOnly: false },
  { timeoutMs: 20_001 },
  { retries: 1 },
  { acknowledgement: 'decided' },
] as const)('a scope that joins with %o is refused, for it would not get it', async (options) => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const run = (propagation: 'required' | 'nested'): Promise<void> =>
    concordat.transaction(
      async () => {
        await concordat.transaction(() => undefined, { ...options, propagation });
      },
      { readOnly: true, timeoutMs: 20_000, isolation: 'read-committed' },
    );
  for (const propagation of ['required', 'nested'] as const) {
    const error = await caught(run(propagation));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain(Object.keys(options)[0]);
  }
});

test('a scope that joins with what the transaction has is taken', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const same = { readOnly: true, timeoutMs: 20_000, isolation: 'read-committed' } as const;
  const scope = concordat.transactional({ ...same, timeoutMs: 10_000 })(async () => 'joined');
  expect(await concordat.transaction(() => scope(), same)).toBe('joined');
});

test('a scope that is at work longer than its own time fails, and with it the transaction that it joined', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const slow = concordat.transactional({ timeoutMs: 20 })(() => sleep(60_000));
  const error = await caught(
    concordat.transaction(async () => {
      expect(await caught(slow())).toMatchObject({ code: 'TXN_TIMEOUT' });
    }),
  );
  expect(error).toMatchObject({ code: 'ROLLBACK_ONLY', cause: { code: 'TXN_TIMEOUT' } });
});

test('after a caught failure of a scope that joined, statements are refused and the commit fails, both with its error as the cause', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  let refused: unknown;
  const error = await caught(
    concordat.transaction(async (tx) => {
      const failing = concordat.transactional()(async () => Promise.reject(problem));
      await caught(failing());
      expect(tx.status).toBe('rollback-only');
      refused = await caught(tx.resource('accounts').query('update'));
    }),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'ROLLBACK_ONLY', retryable: false, cause: problem });
  expect(refused).toBe(error);
  expect(coordinator.heard('commit')).toEqual([]);
});

test('a failure worth another attempt stays one when a scope that joined is caught', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  let runs = 0;
  const failing = concordat.transactional()(async () => {
    runs++;
    if (runs === 1) {
      throw new StatementError('deadlock', { code: 'STATEMENT_FAILED', retryable: true, resource: 'accounts' });
    }
  });
  await concordat.transaction(() => failing().catch(() => undefined), { retries: 1 });
  expect(runs).toBe(2);
});

test('work that goes on after the end is refused, and is never begun anew or done outside', async () => {
  await using fixture = await startFixture();
  const { concordat, accounts, coordinator } = fixture;
  const gate = deferred<void>();
  const late = async (): Promise<readonly unknown[]> => {
    await gate.promise;
    const scope = concordat.transactional()(async () => 'begun');
    const supports = concordat.transactional({ propagation: 'supports' })(async () => 'done outside');
    return [
      await caught(Promise.resolve(concordat.current?.resource('accounts').query('update'))),
      await caught(scope()),
      await caught(supports()),
    ];
  };
  let going: Promise<readonly unknown[]> | undefined;
  const error = await caught(
    concordat.transaction(() => {
      going = late();
      return Promise.all([going, Promise.reject(problem)]);
    }),
  );
  expect(error).toBe(problem);
  gate.resolve();
  expect(await going).toMatchObject([{ code: 'TXN_STATE' }, { code: 'TXN_STATE' }, { code: 'TXN_STATE' }]);
  expect(accounts.sql).toEqual([]);
  expect(coordinator.heard('commit')).toEqual([]);
});

test('a commit while a scope that joined is at work is refused: half of it could be committed', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, accounts } = fixture;
  const gate = deferred<void>();
  const scope = concordat.transactional()(async () => {
    await concordat.current?.resource('accounts').query('first half');
    await gate.promise;
    await concordat.current?.resource('accounts').query('second half');
  });
  let forgotten: Promise<unknown> | undefined;
  const error = await caught(
    concordat.transaction(async () => {
      forgotten = caught(scope());
      await statements(accounts, 1);
      await sleep(20);
    }),
  );
  expect(error).toMatchObject({ code: 'BRANCH_BUSY' });
  gate.resolve();
  expect(await forgotten).toMatchObject({ code: 'TXN_STATE' });
  expect(accounts.sql).toEqual(['first half']);
  expect(coordinator.heard('commit')).toEqual([]);
});

test('rollbackOn says which errors roll back; the work of others is committed, and they are thrown', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const rollbackOn = (error: unknown): boolean => error !== problem;
  const work = (error: Error) => concordat.transaction(() => Promise.reject(error), { rollbackOn });
  expect(await caught(work(problem))).toBe(problem);
  expect([coordinator.heard('commit').length, coordinator.heard('rollback').length]).toEqual([1, 0]);
  const other = new Error('another');
  expect(await caught(work(other))).toBe(other);
  expect([coordinator.heard('commit').length, coordinator.heard('rollback').length]).toEqual([1, 1]);
  // A scope that joined does not doom the transaction by it.
  const scope = concordat.transactional({ rollbackOn })(() => Promise.reject(problem));
  await concordat.transaction(() => scope().catch(() => undefined));
  expect(coordinator.heard('commit')).toHaveLength(2);
  const broken = new Error('rollbackOn is broken');
  const error = await caught(
    concordat.transaction(() => Promise.reject(problem), {
      rollbackOn: () => {
        throw broken;
      },
    }),
  );
  expect(error).toBe(broken);
  expect(coordinator.heard('rollback')).toHaveLength(2);
});

test('within() makes a transaction current that was begun by hand or joined, and no other', async () => {
  await using fixture = await startFixture();
  const { concordat } = fixture;
  const tx = concordat.begin();
  expect(concordat.within(tx, () => concordat.current)).toBe(tx);
  const joins = concordat.transactional({ propagation: 'mandatory' })(async () => concordat.current?.gtrid);
  expect(await concordat.within(tx, () => joins())).toBe(tx.gtrid);
  const joined = concordat.join(tx.context);
  expect(concordat.within(joined, () => concordat.current)).toBe(joined);
  await using others = await startFixture();
  expect(() => others.concordat.within(tx, () => undefined)).toThrow(TypeError);
  expect(others.concordat.within(others.concordat.begin(), () => concordat.current)).toBeUndefined();
  await tx.rollback();
});

test('a failure in a transaction that another service began forbids its commit', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator } = fixture;
  const tx = concordat.begin();
  const joined = concordat.join(tx.context);
  const failing = concordat.transactional()(() => Promise.reject(problem));
  await concordat.within(joined, () => failing().catch(() => undefined));
  expect(joined.status).toBe('rollback-only');
  await expect.poll(() => coordinator.heard('setRollbackOnly')).toHaveLength(1);
  expect(coordinator.heard('setRollbackOnly')[0]?.reason).toContain('out of stock');
  await tx.rollback();
});

test('a transaction that runs out of time within another one names that, for it may have waited for its own locks', async () => {
  await using fixture = await startFixture();
  const { concordat, coordinator, orders } = fixture;
  orders.answer = () => undefined;
  await concordat.transaction(async (outer) => {
    await outer.resource('accounts').query('update customer');
    const inner = caught(concordat.transaction((tx) => tx.resource('orders').query('update customer')));
    await statements(orders, 1);
    const reason = { code: 'TXN_TIMEOUT', message: 'the deadline passed.', retryable: true };
    const gtrid = orders.executed[0]?.gtrid ?? '';
    coordinator.sessions[0]?.send({ ended: { gtrid, outcome: 'OUTCOME_ROLLED_BACK', reason } });
    const error = (await inner) as Error;
    expect(error).toMatchObject({ code: 'TXN_TIMEOUT' });
    expect(error.message).toContain(`It was begun within ${outer.gtrid}, which is still open and keeps its locks`);
  });
});
