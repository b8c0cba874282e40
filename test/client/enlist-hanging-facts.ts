// What the application does to the locks of a lent connection, and what is left when it hangs. One definition, run with MariaDB and with MySQL.
import type { RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { TransactionRolledBackError } from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

export function hangingFacts(pair: UsedSystem): void {
  for (const multipleStatements of [false, true]) {
    test(`released locks of a lent connection make its branch vote no (field R11; several texts at once: ${multipleStatements})`, async () => {
      const application = await startApplication(pair, { multipleStatements });
      const { concordat, accounts, orders } = application;
      for (const names of [['accounts', 'orders'], ['orders']]) {
        const error = await caught(
          concordat.transaction(async (tx) => {
            if (names.includes('accounts')) {
              await tx.enlist('accounts', accounts);
              await accounts.query(PAY);
            }
            await tx.enlist('orders', orders);
            await orders.query(ORDER, [tx.gtrid]);
            await orders.query('do release_all_locks()');
          }),
        );
        expect(error).toBeInstanceOf(TransactionRolledBackError);
        expect((error as Error).message).toMatch(/released the lock/);
        await expectFree(application);
      }
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
    });

    test(`the server gives a lent connection up by itself soon after the deadline, and never sooner than it did before (field P6; several texts at once: ${multipleStatements})`, async () => {
      const application = await startApplication(pair, { multipleStatements });
      const { concordat, orders } = application;
      const waitTimeout = async () => {
        const [rows] = await orders.query<RowDataPacket[]>('select @@session.wait_timeout seconds');
        return Number(rows[0]?.['seconds']);
      };
      const before = await waitTimeout();
      for (const end of ['committed', 'rolled back']) {
        const tx = concordat.begin({ timeoutMs: 20_000 });
        await tx.enlist('orders', orders);
        expect(await waitTimeout()).toBeGreaterThan(15);
        expect(await waitTimeout()).toBeLessThanOrEqual(25);
        await orders.query(ORDER, [tx.gtrid]);
        await (end === 'committed' ? tx.commit() : tx.rollback());
        await expectFree(application);
        expect([end, await waitTimeout()]).toEqual([end, before]);
      }
      await orders.query('set session wait_timeout = 7');
      await concordat.transaction(async (tx) => {
        await tx.enlist('orders', orders);
        expect(await waitTimeout()).toBe(7);
        await orders.query(ORDER, [tx.gtrid]);
      });
      expect(await waitTimeout()).toBe(7);
    });
  }
}
