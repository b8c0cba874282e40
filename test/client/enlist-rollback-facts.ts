// What an application does with its own connections that ends in no commit: it throws, swallows an error, ends the transaction itself,
// or enlists what cannot take part. One definition, run with MariaDB and with MySQL.
import type pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { StatementError, TransactionRolledBackError } from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { drivers, expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

export function rollbackFacts(pair: UsedSystem): void {
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

  for (const text of [
    'commit',
    'commit and chain',
    'commit; begin',
    'rollback',
    'rollback; begin',
    'rollback and chain',
  ]) {
    test(`an application that would end the transaction itself is refused, and nothing is committed: ${text}`, async () => {
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
      expect((error as Error).message).toContain('Refused by Concordat');
      await expectFree(application);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
    });
  }

  test('a ROLLBACK that was refused and swallowed forbids the commit all the same (field P12)', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    for (const connection of [accounts, orders]) {
      const error = await caught(
        concordat.transaction(async (tx) => {
          await tx.enlist('accounts', accounts);
          await tx.enlist('orders', orders);
          await orders.query(ORDER, [tx.gtrid]);
          await accounts.query(PAY);
          await (connection as pg.Client).query('rollback').catch(() => undefined);
        }),
      );
      expect(error).toBeInstanceOf(TransactionRolledBackError);
      await expectFree(application);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
    }
  });

  test('a pool, something else, another database and a busy connection are refused, and nothing is left open (field P19)', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const pools = [
      new (drivers().pg.Pool)({ connectionString: pair.accounts.server.url }),
      drivers().callbacks.createPool({ uri: pair.orders.server.url }),
    ];
    onTestFinished(async () => void (await Promise.all(pools.map((pool) => pool.end()))));
    const tx = concordat.begin();
    for (const connection of [...pools, {}, new Map()]) {
      expect(await caught(tx.enlist('accounts', connection))).toBeInstanceOf(TypeError);
    }
    expect(await caught(tx.enlist('accounts', new (drivers().pg.Client)()))).toMatchObject({
      message: 'the client of pg is not connected: await its connect() first',
    });
    const notConnections = [undefined, null, 'orders', 7, () => accounts, Promise.resolve(accounts)];
    for (const connection of notConnections as unknown as object[]) {
      const refusal = await caught(tx.enlist('accounts', connection));
      expect(refusal).toBeInstanceOf(TypeError);
      expect((refusal as Error).message).toMatch(/^enlist\(\) wants a connect/);
    }
    for (const options of [null, 'readOnly', { readOnly: 'yes' }, { url: 7 }] as unknown as { readOnly: boolean }[]) {
      expect((await caught(tx.enlist('accounts', accounts, options))) as Error).toMatchObject({
        message: expect.stringMatching(/option.* of enlist\(\) must be/),
      });
    }
    expect(await caught(tx.enlist(accounts as unknown as string, accounts))).toBeInstanceOf(TypeError);
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
}
