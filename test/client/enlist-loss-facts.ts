// The deadline passes, a connection dies, a process is killed: what becomes of an application's own connections.
// One definition, run with MariaDB and with MySQL.
import { resolve } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { type Concordat, TransactionRolledBackError } from '../../src/client/index.ts';
import { Program } from '../../src/dev/program.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { frozen, settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { expectFree, ORDER, openClient, openOrders, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

const PROGRAM = resolve(import.meta.dirname, 'enlist-program.ts');

export function lossFacts(pair: UsedSystem): void {
  test('the deadline frees a connection that waits for a lock, and what it held', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    const blocker = await openClient(pair.accounts.server.url);
    await blocker.query('begin');
    await blocker.query('select * from customer for update');
    const error = await caught(
      concordat.transaction(
        async (tx) => {
          await tx.enlist('orders', orders);
          await orders.query(ORDER, [tx.gtrid]);
          await tx.enlist('accounts', accounts);
          await accounts.query(PAY);
        },
        { timeoutMs: 500 },
      ),
    );
    // The statement was cancelled under the application: that is what it hears first.
    expect(error).toBeInstanceOf(Error);
    await blocker.query('rollback');
    await expectFree({ accounts, orders });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
  });

  for (const multipleStatements of [false, true]) {
    test(`what the application goes on to do after its transaction was rolled back under it is refused (several texts at once: ${multipleStatements})`, async () => {
      const application = await startApplication(pair, { multipleStatements });
      const { concordat, accounts, orders } = application;
      const judge = await openClient(pair.accounts.server.url);
      const tx = concordat.begin({ timeoutMs: 1_500 });
      await tx.enlist('accounts', accounts);
      await tx.enlist('orders', orders);
      await accounts.query(PAY);
      await orders.query(ORDER, [tx.gtrid]);
      await eventually('the deadline frees the customer', async () => {
        const free = 'select 1 from customer where id = 1 for update skip locked';
        return (await judge.query(free)).rowCount === 1;
      });
      await eventually('the deadline frees the order', async () => {
        const other = await openOrders(pair.orders.server.url);
        await other.query('set innodb_lock_wait_timeout = 1');
        return other.query(ORDER, [tx.gtrid]).then(
          () => true,
          () => false,
        );
      });
      // Of a transaction that is over nothing may become true, least of all what is said too late.
      expect(await caught(accounts.query(PAY))).toBeInstanceOf(Error);
      expect(await caught(orders.query(ORDER, ['late']))).toBeInstanceOf(Error);
      expect(await caught(tx.commit())).toBeInstanceOf(TransactionRolledBackError);
      await expectFree(application);
      const [rows] = await orders.query<RowDataPacket[]>('select id from customer_order');
      expect(rows).toEqual([{ id: tx.gtrid }]);
      expect((await judge.query('select deposit from customer')).rows).toEqual([{ deposit: String(DEPOSIT) }]);
    });
  }

  test('a connection that dies before the commit rolls everything back', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    const error = await caught(
      concordat.transaction(async (tx) => {
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await accounts.query(PAY);
        await orders.query(ORDER, [tx.gtrid]);
        orders.destroy();
      }),
    );
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    expect((await accounts.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
  });

  test('kill -9 of the application after the decision: the sidecars finish what it had prepared', async () => {
    const { cluster } = pair.system;
    await cluster.coordinator.kill();
    await cluster.startCoordinator('decision-durable=stop');
    const program = Program.start({
      script: PROGRAM,
      args: [cluster.address, pair.accounts.server.url, pair.orders.server.url],
    });
    try {
      await program.event('worked');
      await frozen(cluster.coordinator);
      await program.kill();
      cluster.coordinator.signal('SIGCONT');
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
    } finally {
      await program.kill();
      await cluster.coordinator.kill();
      await cluster.startCoordinator();
    }
  }, 60_000);

  test('kill -9 of the coordinator before the decision rolls back, and the connections are free for the next one', async () => {
    const { cluster } = pair.system;
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const tx = concordat.begin();
    await tx.enlist('accounts', accounts);
    await tx.enlist('orders', orders);
    await accounts.query(PAY);
    await orders.query(ORDER, [tx.gtrid]);
    await cluster.coordinator.kill();
    await eventually('the loss is noticed', () => isAway(concordat));
    expect(await caught(tx.commit())).toMatchObject({ code: 'CLIENT_LOST' });
    await cluster.startCoordinator();
    await expectFree(application);
    await eventually('the next one commits', async () => {
      const again = await concordat.beginWhenReady();
      try {
        await again.enlist('accounts', accounts);
        await again.enlist('orders', orders);
        await accounts.query(PAY);
        await orders.query(ORDER, [again.gtrid]);
        await again.commit();
        return true;
      } catch {
        await again.rollback();
        return false;
      }
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  }, 60_000);
}

function isAway(concordat: Concordat): boolean {
  try {
    void concordat.begin().rollback();
    return false;
  } catch {
    return true;
  }
}
