// One-shot transactions on a real PostgreSQL and a real MariaDB, with the coordinator and the sidecars as processes of their own.
import { expect, onTestFinished, test } from 'vitest';
import {
  type Concordat,
  connect,
  type OneShotStatement,
  ResultsLostError,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, useSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { caught } from './fixture.ts';

const pair = useSystem('mariadb');

const COUNT = 'select count(*) as n from customer_order';

function pay(amount: number): OneShotStatement {
  const sql = 'update customer set deposit = deposit - $1 where id = 1 returning deposit';
  return { resource: 'accounts', sql, parameters: [amount] };
}

function order(id: string, amount: number): OneShotStatement {
  const sql = 'insert into customer_order (id, customer_id, amount) values (?, 1, ?)';
  return { resource: 'orders', sql, parameters: [id, amount] };
}

/** A client that both sidecars have answered: what follows leaves at once. */
async function start(): Promise<Concordat> {
  const concordat = await connect(pair.system.cluster.address);
  onTestFinished(() => concordat.close());
  await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  await concordat.transact([
    { resource: 'accounts', sql: 'select 1' },
    { resource: 'orders', sql: 'select 1' },
  ]);
  return concordat;
}

test('an order over both databases is committed, with the result of every statement', async () => {
  const concordat = await start();
  const { results, outcome } = await concordat.transact([
    order('one', 30),
    pay(30),
    order("two'); drop table customer_order; --", 5),
    pay(5),
    { resource: 'orders', sql: COUNT },
  ]);
  expect(outcome).toBe('committed');
  expect(results.map(({ rowCount }) => rowCount)).toEqual([1, 1, 1, 1, 1]);
  expect(results[1]?.rows).toEqual([{ deposit: DEPOSIT - 30 }]);
  expect(results[3]?.rows).toEqual([{ deposit: DEPOSIT - 35 }]);
  expect(results[4]?.rows).toEqual([{ n: 2 }]);
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 35, orders: 2, spent: 35 });
});

test('a statement that fails at either database leaves nothing, wherever it stands', async () => {
  const concordat = await start();
  await concordat.transact([order('taken', 0), pay(0)]);
  // MariaDB itself would go on after the failure, and commit the rest.
  for (const statements of [
    [order('taken', 1), order('rest', 1), pay(2)],
    [order('begin', 1), order('taken', 1), order('rest', 1), pay(3)],
    [pay(2), order('begin', 1), order('taken', 1)],
  ]) {
    const error = await caught(concordat.transact(statements, { retries: 2 }));
    expect(error).toBeInstanceOf(StatementError);
    expect(error).toMatchObject({ resource: 'orders', errno: 1062, sqlstate: '23000', retryable: false });
  }
  const nonsense = { resource: 'accounts', sql: 'update nowhere set nothing = 1' };
  for (const statements of [
    [nonsense, pay(1), order('never', 1)],
    [pay(1), nonsense, order('never', 1)],
  ]) {
    expect(await caught(concordat.transact(statements))).toMatchObject({ resource: 'accounts', sqlstate: '42P01' });
  }
  const ending = { resource: 'accounts', sql: 'commit' };
  const refused = await caught(concordat.transact([pay(1), ending, order('never', 1)]));
  expect(refused).toMatchObject({ code: 'STATEMENT_REFUSED', resource: 'accounts' });
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 1, spent: 0 });
});

test('a branch that cannot be prepared is named as the cause, with the words of its database', async () => {
  const concordat = await start();
  const error = await caught(
    concordat.transact([
      // Noticed at PREPARE only.
      { resource: 'accounts', sql: 'create table late (id int unique deferrable initially deferred)' },
      { resource: 'accounts', sql: 'insert into late values (1), (1)' },
      order('second', 0),
    ]),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({ code: 'BRANCH_VOTED_NO', branches: [{ bqual: 'accounts', sqlstate: '23505' }] });
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
});

test('more statements of a single database than are sent ahead of their answers run in their order, or not at all', async () => {
  const concordat = await start();
  const many = Array.from({ length: 50 }, (_, n) => [order(`n${n}`, 0), { resource: 'orders', sql: COUNT }]).flat();
  const { results } = await concordat.transact(many);
  const counts = results.flatMap(({ rows }) => rows.map(({ n }) => n));
  expect(counts).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  const again = [order('more', 1), order('n7', 1), order('rest', 1)];
  expect(await caught(concordat.transact(again))).toMatchObject({ resource: 'orders', errno: 1062 });
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 50, spent: 0 });
});

test('kill -9 of the coordinator and of a sidecar under load: every answer is true', async () => {
  const concordat = await start();
  const { cluster } = pair.system;
  const told = new Map<string, string>();
  let running = true;
  const worker = async (name: string): Promise<void> => {
    for (let n = 0; running; n++) {
      const id = `${name}-${n}`;
      const ending = concordat.transact([pay(1), order(id, 1)]).then(
        () => 'committed',
        (error: unknown) => (error instanceof Error ? error.name : 'what?'),
      );
      told.set(id, await ending);
    }
  };
  const committed = (): number => [...told.values()].filter((ending) => ending === 'committed').length;
  const moreWork = async (): Promise<void> => {
    const before = committed();
    await eventually('work is done', () => committed() > before + 20);
  };
  const workers = ['a', 'b', 'c', 'd'].map(worker);
  await moreWork();
  await cluster.coordinator.kill();
  await cluster.startCoordinator();
  await moreWork();
  await cluster.sidecar('orders').kill();
  await cluster.startSidecar('orders');
  await moreWork();
  running = false;
  await Promise.all(workers);
  await settled(pair.system);
  const { results } = await concordat.transact([{ resource: 'orders', sql: 'select id from customer_order' }]);
  const there = new Set(results[0]?.rows.map(({ id }) => String(id)));
  for (const [id, ending] of told) {
    expect(ending, id).not.toBe('OutcomeUnknownError');
    const isCommitted = ending === 'committed' || ending === ResultsLostError.name;
    expect(there.has(id), `${id} was told ${ending}`).toBe(isCommitted);
  }
}, 90_000);
