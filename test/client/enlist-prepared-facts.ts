// What becomes of an application's connection between the vote of its branch and the end of the transaction.
import { expect, test } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Application,
  expectFree,
  ORDER,
  openClient,
  openOrders,
  PAY,
  startApplication,
} from './enlist-application.ts';
import { caught } from './fixture.ts';

/** MariaDB alone binds a prepared branch to its connection, until it is finished. */
export function boundConnectionFacts(pair: UsedSystem): void {
  test('a commit does not return before the connection that it binds is free, even when it is answered at the decision', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    const blocker = await openOrders(pair.orders.server.url);
    const tx = concordat.begin({ acknowledgement: 'decided' });
    const paying = await tx.enlist('accounts', accounts);
    const ordering = await tx.enlist('orders', orders);
    await accounts.query(PAY);
    await orders.query(ORDER, [tx.gtrid]);
    await Promise.all([paying.prepare(), ordering.prepare()]);
    // Prepared branches do not mind this lock, but their commits wait for it.
    await blocker.query('flush tables with read lock');
    let returned = false;
    const committing = tx.commit().then(() => {
      returned = true;
    });
    await eventually('the decision', async () => (await concordat.outcome(tx.gtrid)) === 'committed');
    expect(returned).toBe(false);
    await blocker.query('unlock tables');
    await committing;
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });
}

/** PostgreSQL lets any session finish a prepared branch. */
export function freeConnectionFacts(pair: UsedSystem): void {
  /** Both are prepared, by the application's own word. */
  const prepared = async ({ concordat, accounts, orders }: Application) => {
    const tx = concordat.begin();
    const [paying, ordering] = await Promise.all([tx.enlist('accounts', accounts), tx.enlist('orders', orders)]);
    await accounts.query(PAY);
    await orders.query(ORDER, [tx.gtrid]);
    await Promise.all([paying.prepare(), ordering.prepare()]);
    return tx;
  };
  const pidOf = async (client: Application['accounts']): Promise<number> =>
    (await client.query('select pg_backend_pid() as pid')).rows[0].pid;

  test.each(['commit', 'rollback'] as const)('%s prepared is said in the session that prepared', async (verb) => {
    const application = await startApplication(pair);
    const pid = await pidOf(application.accounts);
    const tx = await prepared(application);
    await tx[verb]();
    const judge = await openClient(pair.accounts.server.url);
    const { rows } = await judge.query('select query from pg_stat_activity where pid = $1', [pid]);
    expect(rows[0].query).toContain(`${verb} prepared 'concordat:${tx.gtrid}:accounts:`);
    await expectFree(application);
    const spent = verb === 'commit' ? 10 : 0;
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - spent, orders: spent / 10, spent });
  });

  test('what the application sends on a prepared connection is refused: it would be committed by itself', async () => {
    const application = await startApplication(pair);
    const { accounts } = application;
    const tx = await prepared(application);
    for (const text of ['begin', PAY]) {
      expect(await caught(accounts.query(text))).toMatchObject({
        message: expect.stringContaining('send nothing more'),
      });
    }
    expect(await tx.commit()).toEqual({ outcome: 'committed', applied: true });
    // Applied when it was told, and not only when somebody has swept.
    expect((await accounts.query('select gid from pg_prepared_xacts')).rows).toEqual([]);
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });

  test('a prepared connection that dies does not keep its branch', async () => {
    const application = await startApplication(pair);
    const pid = await pidOf(application.accounts);
    const tx = await prepared(application);
    const judge = await openClient(pair.accounts.server.url);
    application.accounts.on('error', () => undefined);
    await judge.query('select pg_terminate_backend($1)', [pid]);
    await eventually('it is gone', async () => {
      const { rows } = await judge.query('select 1 from pg_stat_activity where pid = $1', [pid]);
      return rows.length === 0;
    });
    expect(await tx.commit()).toEqual({ outcome: 'committed', applied: true });
    expect((await judge.query('select gid from pg_prepared_xacts')).rows).toEqual([]);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });
}
