// Something gets past the gate of a lent connection and ends the branch there: what is told of it is what the engine shows. The gate is
// opened by hand here, since nothing is known that gets past it. One definition, run with MariaDB and with MySQL.
import type { Connection } from 'mysql2/promise';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { HeuristicOutcomeError, type Transaction, TransactionRolledBackError } from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { concordat as command, settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { type Application, expectFree, ORDER, PAY, startApplication } from './enlist-application.ts';
import { caught } from './fixture.ts';

/** Sends a text on a lent client as if there were no gate. */
async function pastGate(client: pg.Client, text: string): Promise<void> {
  const { connection } = client as unknown as { readonly connection: { query(text: string): void } };
  const sent = { text, submit: () => void Object.getPrototypeOf(connection).query.call(connection, text) };
  await client.query(text.startsWith('select') ? text : (asQuery(client, sent) as unknown as string));
}

/** A query of pg that is sent in another way. */
function asQuery(client: pg.Client, sent: { readonly text: string; submit(): void }): object {
  const { Query } = client.constructor as unknown as { Query: new (config: object) => object };
  return Object.assign(new Query({ text: sent.text }), { submit: sent.submit });
}

/** The same on a connection of mysql2. */
async function pastMysqlGate(connection: Connection, call: () => Promise<unknown>): Promise<void> {
  const inner = (connection as unknown as { readonly connection: { addCommand?: unknown } }).connection;
  const gate = inner.addCommand;
  delete inner.addCommand;
  try {
    await call();
  } finally {
    inner.addCommand = gate;
  }
}

/** What the branch on this connection is called there: seen when it is begun. */
function watchName(connection: Connection): () => string {
  const inner = (connection as unknown as { readonly connection: { query(...options: unknown[]): unknown } })
    .connection;
  const query = inner.query;
  let name = '';
  inner.query = (...options) => {
    const { sql } = options[0] as { readonly sql?: string };
    name = /XA START ([^;]*)/.exec(sql ?? '')?.[1] ?? name;
    return query.apply(inner, options);
  };
  return () => name;
}

export function outsideFacts(pair: UsedSystem): void {
  async function both(tx: Transaction, { accounts, orders }: Application): Promise<void> {
    await tx.enlist('accounts', accounts);
    await tx.enlist('orders', orders);
    await accounts.query(PAY);
    await orders.query(ORDER, [tx.gtrid]);
  }

  /** An operator hears of the damage; then it is forgotten. */
  async function isRecorded(gtrid: string): Promise<void> {
    const { address } = pair.system.cluster;
    await eventually('the damage is recorded', async () => {
      const { stdout } = await command(['tx', 'show', gtrid, '--output', 'json', '--coordinator', address]);
      return /mixed/i.test(stdout);
    });
    const forgotten = await command([
      ...['tx', 'forget', gtrid, '--reason', 'seen by the test', '--yes', '--coordinator', address],
    ]);
    expect(forgotten).toMatchObject({ code: 0 });
  }

  for (const text of ['commit', 'commit and chain', 'commit; begin']) {
    test(`what was committed on the client past every guard is told as mixed and not repeated: ${text} (field P12)`, async () => {
      const application = await startApplication(pair);
      let gtrid = '';
      let runs = 0;
      const error = await caught(
        application.concordat.transaction(
          async (tx) => {
            runs += 1;
            gtrid = tx.gtrid;
            await both(tx, application);
            await caught(pastGate(application.accounts, text).then(() => Promise.reject(new Error('sent'))));
            expect(await caught(application.accounts.query(PAY))).toBeInstanceOf(Error);
          },
          { retries: 2 },
        ),
      );
      expect(error).toBeInstanceOf(HeuristicOutcomeError);
      expect(error).toMatchObject({ outcome: 'mixed', branches: [{ resource: 'accounts' }] });
      expect(runs).toBe(1);
      await isRecorded(gtrid);
      await expectFree(application);
      const { deposit, orders } = await pair.system.shop.books();
      expect({ deposit, orders }).toEqual({ deposit: DEPOSIT - 10, orders: 0 });
    });
  }

  test('what was rolled back on the client past every guard is told as rolled back (field P12)', async () => {
    const application = await startApplication(pair);
    const error = await caught(
      application.concordat.transaction(async (tx) => {
        await both(tx, application);
        await pastGate(application.accounts, 'rollback').catch(() => undefined);
      }),
    );
    expect(error).toBeInstanceOf(TransactionRolledBackError);
    await expectFree(application);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
  });

  const ends = {
    'reset()': (orders: Connection) => orders.reset(),
    'changeUser()': (orders: Connection) => orders.changeUser({}),
    'XA END and XA ROLLBACK': async (orders: Connection, name: string) => {
      await orders.query(`xa end ${name}`);
      await orders.query(`xa rollback ${name}`);
    },
  };

  for (const [how, end] of Object.entries(ends)) {
    for (const alone of [false, true]) {
      test(`a branch that ended past every guard, by ${how}, leaves no evidence row and is told as rolled back (${alone ? 'alone' : 'one of two'}) (field P10)`, async () => {
        const application = await startApplication(pair);
        const { orders } = application;
        const name = watchName(orders);
        let gtrid = '';
        const error = await caught(
          application.concordat.transaction(
            async (tx) => {
              gtrid = tx.gtrid;
              if (alone) {
                await tx.enlist('orders', orders);
                await orders.query(ORDER, [tx.gtrid]);
              } else {
                await both(tx, application);
              }
              await pastMysqlGate(orders, () => end(orders, name()));
            },
            { retries: 0 },
          ),
        );
        expect(error).toBeInstanceOf(TransactionRolledBackError);
        expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 0, spent: 0 });
        const [rows] = await orders.query('select count(*) as n from concordat_branch where gtrid = ?', [gtrid]);
        expect(rows).toEqual([{ n: 0 }]);
        const { stdout } = await command(['doctor', '--coordinator', pair.system.cluster.address]);
        expect(stdout).not.toMatch(/damage/i);
        await expectFree(application);
      });
    }
  }

  test('a branch that was committed past every guard is told as mixed, by its evidence row (field P12)', async () => {
    const application = await startApplication(pair);
    const { orders } = application;
    const name = watchName(orders);
    let gtrid = '';
    const error = await caught(
      application.concordat.transaction(
        async (tx) => {
          gtrid = tx.gtrid;
          await both(tx, application);
          await pastMysqlGate(orders, async () => {
            await orders.query(`xa end ${name()}`);
            await orders.query(`xa commit ${name()} one phase`);
          });
        },
        { retries: 2 },
      ),
    );
    expect(error).toBeInstanceOf(HeuristicOutcomeError);
    expect(error).toMatchObject({ outcome: 'mixed', branches: [{ resource: 'orders' }] });
    await isRecorded(gtrid);
    const { deposit, orders: count } = await pair.system.shop.books();
    expect({ deposit, count }).toEqual({ deposit: DEPOSIT, count: 1 });
  });

  test('a single branch that was committed past every guard is told as committed, by its evidence row (field P12)', async () => {
    const application = await startApplication(pair);
    const { orders } = application;
    const name = watchName(orders);
    await application.concordat.transaction(async (tx) => {
      await tx.enlist('orders', orders);
      await orders.query(ORDER, [tx.gtrid]);
      await pastMysqlGate(orders, async () => {
        await orders.query(`xa end ${name()}`);
        await orders.query(`xa commit ${name()} one phase`);
      });
    });
    await expectFree(application);
    const { orders: count } = await pair.system.shop.books();
    expect(count).toBe(1);
  });

  test('a deadlock on a lent connection is worth another attempt (field P19)', async () => {
    const application = await startApplication(pair);
    const { concordat, accounts, orders } = application;
    let runs = 0;
    await concordat.transaction(
      async (tx) => {
        runs += 1;
        await both(tx, application);
        if (runs === 1) {
          // As an ORM does: with the driver's error wrapped in one of its own.
          await accounts
            .query("do $$ begin raise exception 'deadlock detected' using errcode = '40P01'; end $$")
            .catch((cause: unknown) => Promise.reject(new Error('Failed query', { cause })));
        }
        if (runs === 2) {
          await orders.query("signal sqlstate '40001' set mysql_errno = 1213");
        }
      },
      { retries: 2 },
    );
    expect(runs).toBe(3);
    expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 10, orders: 1, spent: 10 });
  });
}
