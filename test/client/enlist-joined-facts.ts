// A service that joined a transaction works in it on connections of its own. One definition, run with MariaDB and with MySQL.
import { expect, onTestFinished, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { drivers, expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

export function joinedFacts(pair: UsedSystem): void {
  test('a joined service works on its own connections, and the whole is committed as one', async () => {
    const service = await startApplication(pair);
    const { concordat } = await startApplication(pair);
    for (let n = 0; n < 2; n++) {
      await concordat.transaction(async (tx) => {
        const joined = service.concordat.join(tx.context);
        const paying = await joined.enlist('accounts', service.accounts);
        const ordering = await joined.enlist('orders', service.orders);
        await service.accounts.query(PAY);
        await service.orders.query(ORDER, [tx.gtrid]);
        await Promise.all([paying.prepare(), ordering.prepare()]);
      });
    }
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
    await expectFree(service);
  });

  test('one that goes without saying is prepared when the beginner commits', async () => {
    const service = await startApplication(pair);
    const { concordat } = await startApplication(pair);
    await concordat.transaction(async (tx) => {
      await service.concordat.join(tx.context).enlist('orders', service.orders);
      await service.orders.query(ORDER, [tx.gtrid]);
      await tx.resource('accounts').query(PAY);
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('both services work on connections of one resource, each in its own branch', async () => {
    const service = await startApplication(pair);
    const beginner = await startApplication(pair);
    await beginner.concordat.transaction(async (tx) => {
      await tx.enlist('orders', beginner.orders);
      await beginner.orders.query(ORDER, ['ours']);
      const ordering = await service.concordat.join(tx.context).enlist('orders', service.orders);
      await service.orders.query(ORDER, ['theirs']);
      await ordering.prepare();
      await tx.resource('accounts').query('update customer set deposit = deposit - 20 where id = 1');
    });
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
    await Promise.all([expectFree(service), expectFree(beginner)]);
  });

  test('the rollback of the beginner frees the locks at once, and the connection with the last word of the service', async () => {
    const service = await startApplication(pair);
    const { concordat } = await startApplication(pair);
    const tx = concordat.begin();
    const joined = service.concordat.join(tx.context);
    const paying = await joined.enlist('accounts', service.accounts);
    const ordering = await joined.enlist('orders', service.orders);
    await service.accounts.query(PAY);
    await service.orders.query(ORDER, ['gone']);
    await tx.rollback();
    await concordat.transaction((other) => other.resource('accounts').query(PAY), { timeoutMs: 5_000 });
    await concordat.transaction((other) => other.resource('orders').query(ORDER, ['gone']), { timeoutMs: 5_000 });
    expect(await caught(service.accounts.query(PAY))).toMatchObject({
      message: expect.stringContaining('rolled back'),
    });
    await Promise.allSettled([paying.prepare(), ordering.prepare()]);
    await expectFree(service);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a client of a pool that the service gives back is the pool’s when the transaction has ended', async () => {
    const service = await startApplication(pair);
    const { concordat } = await startApplication(pair);
    const pool = new (drivers().pg.Pool)({ connectionString: pair.accounts.server.url, max: 1 });
    onTestFinished(() => pool.end());
    await concordat.transaction(async (tx) => {
      const client = await pool.connect();
      const paying = await service.concordat.join(tx.context).enlist('accounts', client);
      await client.query(PAY);
      await paying.prepare();
      client.release();
      await tx.resource('orders').query(ORDER, [tx.gtrid]);
    });
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a connection that cannot be enlisted forbids the commit, since its branch was asked for', async () => {
    const service = await startApplication(pair);
    const { concordat } = await startApplication(pair);
    await using tx = concordat.begin();
    const joined = service.concordat.join(tx.context);
    await service.accounts.query('begin');
    expect(await caught(joined.enlist('accounts', service.accounts))).toMatchObject({
      message: expect.stringContaining('has a transaction open'),
    });
    await service.accounts.query('rollback');
    expect(await caught(tx.commit())).toMatchObject({ name: 'TransactionRolledBackError' });
  });
}
