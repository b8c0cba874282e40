// Work on an application's own connections is committed as one. One definition, run with MariaDB and with MySQL.
import { expect, onTestFinished, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { drivers, expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

export function commitFacts(pair: UsedSystem): void {
  for (const multipleStatements of [false, true]) {
    test(`work on own connections is committed as one, and they are free again (several texts at once: ${multipleStatements})`, async () => {
      const application = await startApplication(pair, { multipleStatements });
      const { concordat, accounts, orders } = application;
      for (let n = 0; n < 3; n++) {
        const tx = concordat.begin();
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await accounts.query(PAY);
        await orders.query(ORDER, [tx.gtrid]);
        expect(await tx.commit()).toEqual({ outcome: 'committed', applied: true });
        await expectFree(application);
      }
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 30, orders: 3, spent: 30 });
    });
  }

  test('with the votes unasked the result is the same', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      const [paying, ordering] = await Promise.all([tx.enlist('accounts', accounts), tx.enlist('orders', orders)]);
      await Promise.all([
        accounts.query(PAY).then(() => paying.prepare()),
        orders.query(ORDER, [tx.gtrid]).then(() => ordering.prepare()),
      ]);
    });
    await expectFree({ accounts, orders });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('an own connection and a sidecar work in one transaction', async () => {
    const { concordat, accounts } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await accounts.query(PAY);
      await tx.resource('orders').query(ORDER, [tx.gtrid]);
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a resource is used by statements or on an own connection, and never waits for itself', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      await tx.resource('orders').query(ORDER, ['one']);
      const enlisting = caught(tx.enlist('orders', orders));
      expect(await enlisting).toMatchObject({ message: expect.stringContaining('has executed statements') });
      await tx.enlist('accounts', accounts);
      await accounts.query(PAY);
      const statement = caught(tx.resource('accounts').query(PAY));
      expect(await statement).toMatchObject({ message: expect.stringContaining('execute the statement on it') });
    });
    await expectFree({ accounts, orders });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('two branches at one resource, an own connection and the sidecar for its tables, are told apart', async () => {
    const { concordat, orders } = await startApplication(pair);
    await orders.query(
      'create table if not exists concordat_lock (name varbinary(255) primary key, gtrid varchar(64))',
    );
    await orders.query(
      'create table if not exists concordat_fence (name varbinary(255) primary key, token bigint not null)',
    );
    await concordat.transaction(async (tx) => {
      await tx.lock('orders', 'before');
      await tx.enlist('orders', orders);
      await orders.query(ORDER, ['one']);
      await tx.lock('orders', 'after');
      await tx.resource('accounts').query(PAY);
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('connections that only read, and a single one, are committed without being prepared', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts, { readOnly: true, isolation: 'repeatable-read' });
      await tx.enlist('orders', orders, { readOnly: true, isolation: 'read-committed' });
      const shown = await accounts.query('show transaction_isolation');
      expect(shown.rows).toEqual([{ transaction_isolation: 'repeatable read' }]);
      await orders.query('select count(*) from customer_order');
    });
    await expectFree(application);
    await concordat.transaction(async (tx) => {
      await tx.enlist('orders', orders);
      await orders.query(ORDER, ['single']);
    });
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await accounts.query(PAY);
    });
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('answered at the decision, the connections are free all the same', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    await concordat.transaction(
      async (tx) => {
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await accounts.query(PAY);
        await orders.query(ORDER, [tx.gtrid]);
      },
      { acknowledgement: 'decided' },
    );
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('the callback flavour of mysql2 and a client out of a pool take part, too', async () => {
    const { concordat } = await startApplication(pair);
    const orders = drivers().callbacks.createConnection({ uri: pair.orders.server.url });
    onTestFinished(() => orders.destroy());
    const pool = new (drivers().pg.Pool)({ connectionString: pair.accounts.server.url });
    onTestFinished(() => pool.end());
    const accounts = await pool.connect();
    try {
      await concordat.transaction(async (tx) => {
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await accounts.query(PAY);
        await orders.promise().query(ORDER, [tx.gtrid]);
      });
    } finally {
      accounts.release();
    }
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('savepoints are the application’s own, and a rollback to one is no end', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await tx.enlist('orders', orders);
      await accounts.query(PAY);
      await accounts.query('savepoint here');
      await orders.query('savepoint here');
      await accounts.query('insert into customer values (1, 0)').catch(() => undefined);
      await orders.query(ORDER, ['undone']);
      await accounts.query('rollback to savepoint here');
      await orders.query('rollback to savepoint here');
      await orders.query(ORDER, [tx.gtrid]);
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });
}
