// An application whose MySQL or MariaDB session has autocommit=0, as some pools and ORMs set it: it takes part, and is left so.
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { StatementError } from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { type Application, expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

/** Autocommit of the session, and whether nothing is open in it: otherwise XA START would be refused. */
async function expectOff(orders: Connection): Promise<void> {
  const [rows] = await orders.query<RowDataPacket[]>('select @@autocommit as its');
  expect(rows).toEqual([{ its: 0 }]);
  await orders.query("xa start 'free'");
  await orders.query("xa end 'free'");
  await orders.query("xa rollback 'free'");
}

async function pay({ concordat, accounts, orders }: Application, fail?: Error): Promise<void> {
  await concordat.transaction(async (tx) => {
    await tx.enlist('accounts', accounts);
    await tx.enlist('orders', orders);
    await accounts.query(PAY);
    await orders.query(ORDER, [tx.gtrid]);
    if (fail !== undefined) {
      throw fail;
    }
  });
}

export function autocommitFacts(pair: UsedSystem): void {
  for (const multipleStatements of [false, true]) {
    test(`a session with autocommit=0 commits and rolls back with the others, and keeps it (several texts at once: ${multipleStatements})`, async () => {
      const application = await startApplication(pair, { multipleStatements });
      const { orders } = application;
      await orders.query('set autocommit = 0');
      await pay(application);
      await expectOff(orders);
      const problem = new Error('out of stock');
      expect(await caught(pay(application, problem))).toBe(problem);
      await expectOff(orders);
      await pay(application);
      await expectOff(orders);
      await expectFree(application);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 20, orders: 2, spent: 20 });
    });

    test(`with autocommit=0 a branch that reads only, and a single one, leave nothing open (several texts at once: ${multipleStatements})`, async () => {
      const { concordat, accounts, orders } = await startApplication(pair, { multipleStatements });
      await orders.query('set autocommit = 0');
      await concordat.transaction(async (tx) => {
        await tx.enlist('orders', orders, { readOnly: true });
        await orders.query('select count(*) from customer_order');
      });
      await expectOff(orders);
      await concordat.transaction(async (tx) => {
        await tx.enlist('orders', orders);
        await orders.query(ORDER, [tx.gtrid]);
      });
      await expectOff(orders);
      await accounts.query(PAY);
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
    });

    test(`what is open with autocommit=0 is refused with a sentence, and stays open (several texts at once: ${multipleStatements})`, async () => {
      const application = await startApplication(pair, { multipleStatements });
      const { concordat, accounts, orders } = application;
      await orders.query('set autocommit = 0');
      // The first enlisting of a connection asks it more than later ones do.
      for (const gtrid of ['first', 'later']) {
        await orders.query(ORDER, [gtrid]);
        for (const options of [{}, { readOnly: true }]) {
          const refusal = await caught(concordat.transaction((tx) => tx.enlist('orders', orders, options)));
          expect(refusal).toBeInstanceOf(StatementError);
          expect((refusal as Error).message).toContain('commit it or roll it back, then enlist the connection');
        }
        await orders.query('commit');
        await accounts.query(PAY);
        await pay(application);
        await expectOff(orders);
      }
      expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 40, orders: 4, spent: 40 });
    });
  }
}
