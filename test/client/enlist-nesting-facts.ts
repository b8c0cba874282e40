// An application's own transactions on lent connections, in every way in which the drivers can be asked for them. One definition, run
// with MariaDB and with MySQL.
import type { createConnection } from 'mysql2';
import type mysql from 'mysql2/promise';
import type pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Transaction, TransactionRolledBackError } from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { drivers, expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

type Say = (text: string) => Promise<unknown>;

const POSTGRES_FORMS: Readonly<Record<string, (client: pg.Client) => Say>> = {
  text: (client) => (text) => client.query(text),
  'config object': (client) => (text) => client.query({ text }),
  'extended protocol': (client) => (text) => client.query({ text, queryMode: 'extended' } as pg.QueryConfig),
  'named statement': (client) => (text) => client.query({ name: `named ${text}`, text }),
  callback: (client) => (text) => called((done) => client.query(text, done)),
  submittable: (client) => (text) =>
    called((done) => void client.query(new (drivers().pg.Query)({ text }, done as never) as unknown as pg.Submittable)),
  'comments and blanks': (client) => (text) => client.query(`;-- ${text}\r/* /**/ */\f${text};`),
};

const MYSQL_FORMS: Readonly<Record<string, (connection: mysql.Connection) => Say>> = {
  query: (connection) => (text) => connection.query(text),
  'config object': (connection) => (text) => connection.query({ sql: text }),
  callback: (connection) => (text) => called((done) => callbackOf(connection).query(text, done)),
  'its own methods': (connection) => (text) => method(connection, text),
  'methods with callbacks': (connection) => (text) => called((done) => inner(connection, text, done)),
  'comments and blanks': (connection) => (text) => connection.query(`# ${text}\n/* */ -- \n ${text}`),
};

type Done = (error: unknown, result?: unknown) => void;

function called(call: (done: Done) => void): Promise<unknown> {
  return new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));
}

function method(connection: mysql.Connection, text: string): Promise<void> {
  return text === 'begin'
    ? connection.beginTransaction()
    : text === 'commit'
      ? connection.commit()
      : connection.rollback();
}

function inner(promised: mysql.Connection, text: string, done: Done): void {
  const connection = callbackOf(promised);
  const { beginTransaction, commit, rollback } = connection;
  (text === 'begin' ? beginTransaction : text === 'commit' ? commit : rollback).call(connection, done);
}

export function nestingFacts(pair: UsedSystem): void {
  /** One of its own that commits, one that fails, and one in another. */
  async function work(say: Say, change: (n: number) => Promise<unknown>): Promise<void> {
    await say('begin');
    await change(1);
    await say('commit');
    await say('begin');
    await change(2);
    await say('rollback');
    await say('begin');
    await say('begin');
    await change(3);
    await say('rollback');
    await change(4);
    await say('commit');
  }

  const payAndOrder = async (tx: Transaction, accounts: pg.Client, orders: mysql.Connection, forms: [Say, Say]) => {
    await tx.enlist('accounts', accounts);
    await tx.enlist('orders', orders);
    await work(forms[0], () => accounts.query(PAY));
    await work(forms[1], (n) => orders.query(ORDER, [`${tx.gtrid} ${n}`]));
  };

  const sayings = [
    ...Object.entries(POSTGRES_FORMS).map(([name, form]) => ({
      name: `pg, ${name}`,
      pgForm: form,
      myForm: MYSQL_FORMS['query'],
    })),
    ...Object.entries(MYSQL_FORMS).map(([name, form]) => ({
      name: `mysql2, ${name}`,
      pgForm: POSTGRES_FORMS['text'],
      myForm: form,
    })),
  ];

  describe.each(sayings)('own transactions on lent connections ($name)', ({ pgForm, myForm }) => {
    test('are committed with the global one, and only with it (field P12)', async () => {
      const application = await startApplication(pair);
      const { concordat, accounts, orders } = application;
      const forms: [Say, Say] = [
        (pgForm as (client: pg.Client) => Say)(accounts),
        (myForm as (connection: mysql.Connection) => Say)(orders),
      ];
      const problem = new Error('out of stock');
      const error = await caught(
        concordat.transaction(
          async (tx) => {
            await payAndOrder(tx, accounts, orders, forms);
            throw problem;
          },
          { retries: 2 },
        ),
      );
      expect(error).toBe(problem);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
      await concordat.transaction((tx) => payAndOrder(tx, accounts, orders, forms), { retries: 2 });
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
      await expectFree(application);
      // Its own again: what it prepared meanwhile under a name is what it was.
      await forms[0]('begin');
      await accounts.query(PAY);
      await forms[0]('rollback');
      await forms[1]('begin');
      await orders.query(ORDER, ['undone']);
      await forms[1]('rollback');
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
    });
  });

  test('several statements in one text, transaction control among them (field P12)', async () => {
    const { concordat, accounts, orders } = await startApplication(pair, { multipleStatements: true });
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await tx.enlist('orders', orders);
      await accounts.query(`begin;${PAY};commit;begin;${PAY};rollback`);
      await orders.query(`begin;${ORDER};commit;begin;${ORDER};rollback`, [tx.gtrid, 'undone']);
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a rollback that waits in the queue behind the statement that failed counts (field P12)', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await tx.enlist('orders', orders);
      const refusals = [];
      for (const say of [(text: string) => accounts.query(text), (text: string) => orders.query(text)] as Say[]) {
        const asked = [say('begin'), say('select nothing_of_that_name'), say('rollback')];
        refusals.push((await Promise.allSettled(asked)).map(({ status }) => status));
      }
      expect(refusals).toEqual(Array(2).fill(['fulfilled', 'rejected', 'fulfilled']));
      await accounts.query(PAY);
      await orders.query(ORDER, [tx.gtrid]);
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a transaction of its own that the application leaves open votes no, and says so (field P12)', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    for (const connection of [accounts, orders]) {
      const error = await caught(
        concordat.transaction(async (tx) => {
          await tx.enlist('accounts', accounts);
          await tx.enlist('orders', orders);
          await (connection as pg.Client).query('begin');
          await accounts.query(PAY);
          await orders.query(ORDER, [tx.gtrid]);
        }),
      );
      expect(error).toBeInstanceOf(TransactionRolledBackError);
      expect((error as Error).message).toContain('is still open');
      await expectFree(application);
    }
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
  });

  test('what would take the branch from its connection is refused before it is sent, and the branch goes on (field P10)', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const hasReset = typeof (orders as { reset?: unknown }).reset === 'function'; // Not in the oldest mysql2 that is allowed.
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await tx.enlist('orders', orders);
      await accounts.query(PAY);
      await orders.query(ORDER, [tx.gtrid]);
      const named = { name: 'taken', text: "prepare transaction 'taken'" };
      const texts = ['discard all', 'reset all', 'set session authorization default'];
      for (const query of [...texts.map((text) => ({ text })), named, named]) {
        expect(await caught(accounts.query(query))).toMatchObject({
          code: '2D000',
          message: expect.stringContaining('Refused by Concordat'),
        });
      }
      const calls = [
        ...(hasReset ? [() => orders.reset()] : []),
        () => orders.changeUser({}),
        () => called((done) => callbackOf(orders).changeUser({}, done as never)),
        () => orders.query("xa end 'x'"),
        () => orders.execute('commit'),
        () => orders.prepare('commit'),
      ];
      for (const call of calls) {
        expect(await caught(call())).toMatchObject({
          errno: 1399,
          message: expect.stringContaining('Refused by Concordat'),
        });
      }
      expect((await accounts.query({ text: 'select $1::int as n', values: [7] })).rows).toEqual([{ n: 7 }]);
      await orders.execute('select ?', [7]);
    });
    await (hasReset ? orders.reset() : orders.changeUser({}));
    await accounts.query('discard all');
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a connection that goes back to its pool within the transaction works for nobody else before its end (field P10)', async () => {
    const { concordat } = await startApplication(pair);
    const accountsPool = new (drivers().pg.Pool)({ connectionString: pair.accounts.server.url, max: 1 });
    const callbacks = drivers().callbacks.createPool({
      uri: pair.orders.server.url,
      connectionLimit: 1,
      resetOnRelease: true,
    } as never);
    const ordersPool = drivers().mysql.createPool({
      uri: pair.orders.server.url,
      connectionLimit: 1,
      resetOnRelease: true,
    } as never);
    onTestFinished(
      async () =>
        void (await Promise.all([accountsPool.end(), ordersPool.end(), called((done) => callbacks.end(done))])),
    );
    for (const orders of [
      await ordersPool.getConnection(),
      (await called((done) => callbacks.getConnection(done))) as ReturnType<typeof createConnection>,
    ]) {
      const accounts = await accountsPool.connect();
      const stranger = await concordat.transaction(async (tx) => {
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await accounts.query(PAY);
        await called((done) => callbackOf(orders).query(ORDER, [tx.gtrid], done));
        accounts.release();
        (orders as unknown as { release(): void }).release();
        return { promise: accountsPool.connect() };
      });
      (await stranger.promise).release();
    }
    const again = await ordersPool.getConnection();
    again.release();
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
  });
}

function callbackOf(connection: object): ReturnType<typeof createConnection> {
  return ('connection' in connection ? connection.connection : connection) as ReturnType<typeof createConnection>;
}
