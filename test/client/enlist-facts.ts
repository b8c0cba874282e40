// What holds for an application's own connections in a transaction. One definition, run with MariaDB and with MySQL.
import { resolve } from 'node:path';
import { createConnection, createPool } from 'mysql2';
import type { RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { type Concordat, StatementError, TransactionRolledBackError } from '../../src/client/index.ts';
import { Program } from '../../src/dev/program.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { frozen, settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { expectFree, ORDER, openClient, openOrders, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

const PROGRAM = resolve(import.meta.dirname, 'enlist-program.ts');

export function enlistFacts(pair: UsedSystem): void {
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

  test('two branches at one resource, an own connection and the sidecar, are told apart', async () => {
    const { concordat, orders } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      await tx.enlist('orders', orders);
      await orders.query(ORDER, ['one']);
      await tx.resource('orders').query(ORDER, ['two']);
      await tx.resource('accounts').query('update customer set deposit = deposit - 20 where id = 1');
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
  });

  test('what the application throws rolls both back, and the connections are free again', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const problem = new Error('out of stock');
    const error = await caught(
      concordat.transaction(async (tx) => {
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await accounts.query(PAY);
        await orders.query(ORDER, [tx.gtrid]);
        throw problem;
      }),
    );
    expect(error).toBe(problem);
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
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
    const orders = createConnection({ uri: pair.orders.server.url });
    onTestFinished(() => orders.destroy());
    const pool = new pg.Pool({ connectionString: pair.accounts.server.url });
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

  test('an error that the application swallows on PostgreSQL cannot be committed, and is named', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const error = await caught(
      concordat.transaction(async (tx) => {
        await tx.enlist('accounts', accounts);
        await tx.enlist('orders', orders);
        await orders.query(ORDER, [tx.gtrid]);
        await accounts.query('insert into customer values (1, 0)').catch(() => undefined);
      }),
    );
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    expect((error as Error).message).toContain('duplicate key');
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
  });

  test('what the application does in a transaction of its own making is not committed with the branch', async () => {
    const { concordat, accounts, orders } = await startApplication(pair);
    for (const text of ['commit and chain', 'commit; begin', 'rollback; begin']) {
      const error = await caught(
        concordat.transaction(async (tx) => {
          await tx.enlist('accounts', accounts);
          await tx.enlist('orders', orders);
          await orders.query(ORDER, [tx.gtrid]);
          await accounts.query(text);
          await accounts.query(PAY);
        }),
      );
      expect(error, text).toBeInstanceOf(TransactionRolledBackError);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
    }
  });

  for (const text of ['rollback', 'rollback; begin', 'rollback and chain']) {
    test(`an application that ends the transaction itself is refused the commit: ${text}`, async () => {
      const application = await startApplication(pair);
      const { concordat, accounts, orders } = application;
      const error = await caught(
        concordat.transaction(async (tx) => {
          await tx.enlist('accounts', accounts);
          await tx.enlist('orders', orders);
          await orders.query(ORDER, [tx.gtrid]);
          await accounts.query(PAY);
          await accounts.query(text);
        }),
      );
      expect(error).toBeInstanceOf(TransactionRolledBackError);
      await expectFree(application);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
    });
  }

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

  test('a pool, something else, another database and a busy connection are refused, and nothing is left open', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const pools = [
      new pg.Pool({ connectionString: pair.accounts.server.url }),
      createPool({ uri: pair.orders.server.url }),
    ];
    onTestFinished(async () => void (await Promise.all(pools.map((pool) => pool.end()))));
    const tx = concordat.begin();
    for (const connection of [...pools, {}, new Map()]) {
      expect(await caught(tx.enlist('accounts', connection))).toBeInstanceOf(TypeError);
    }
    await tx.enlist('accounts', accounts);
    await tx.rollback();
    const second = concordat.begin();
    expect(await caught(second.enlist('accounts', orders))).toMatchObject({ code: 'RESOURCE_IDENTITY' });
    await second.enlist('accounts', accounts);
    const third = concordat.begin();
    expect(await caught(third.enlist('accounts', accounts))).toBeInstanceOf(TypeError);
    await Promise.all([second.rollback(), third.rollback()]);
    await accounts.query('begin');
    expect(await caught(concordat.transaction((again) => again.enlist('accounts', accounts)))).toBeInstanceOf(
      StatementError,
    );
    await accounts.query('rollback');
    await orders.query('start transaction');
    await orders.query('select 1 from customer_order');
    expect(await caught(concordat.transaction((again) => again.enlist('orders', orders)))).toBeInstanceOf(
      StatementError,
    );
    await orders.query('rollback');
    await expectFree(application);
  });

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
