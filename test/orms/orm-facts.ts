// An ORM's normal use on lent connections: its own transactions within the global one, committed, failing and in one another. Both
// databases end alike, and the client hears the truth. One definition, run with MariaDB and with MySQL.
import type { createConnection } from 'mysql2';
import type pg from 'pg';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Concordat, connect, TransactionRolledBackError } from '../../src/client/index.ts';
import { caught } from '../client/fixture.ts';
import { settled, type UsedSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { drizzle } from './drizzle.ts';
import { knex } from './knex.ts';
import { kysely } from './kysely.ts';
import { library } from './libraries.ts';
import { mikroOrm } from './mikro-orm.ts';
import { type Orm, TABLE, type Work } from './orm.ts';
import { plain } from './plain.ts';
import { prisma } from './prisma.ts';
import { sequelize } from './sequelize.ts';
import { typeorm } from './typeorm.ts';

const ORMS: readonly Orm[] = [plain, drizzle, kysely, knex, typeorm, sequelize, mikroOrm, prisma];

class Unwanted extends Error {}

/** What is left of it, if it is committed: a, b, c, d and f. */
async function normalUse(work: Work): Promise<void> {
  await work.save('a');
  await work.transaction((own) => own.save('b').then(() => undefined));
  await work.transaction(async (own) => {
    await own.save('c');
    await own.transaction((inner) => inner.save('d').then(() => undefined));
  });
  await fails(work.transaction((own) => own.save('e').then(() => Promise.reject(new Unwanted()))));
  await work.transaction(async (own) => {
    await own.save('f');
    await fails(own.transaction((inner) => inner.save('g').then(() => Promise.reject(new Unwanted()))));
  });
}
const LEFT = ['a', 'b', 'c', 'd', 'f'];

async function fails(promise: Promise<unknown>): Promise<void> {
  expect(await caught(promise)).toBeInstanceOf(Unwanted);
}

export function ormFacts(pair: UsedSystem): void {
  let concordat: Concordat;

  async function connections() {
    const { Client } = library<typeof pg>('pg');
    const mysql2 = library<{ createConnection: typeof createConnection }>('mysql2');
    const accounts = new Client({ connectionString: pair.accounts.server.url });
    await accounts.connect();
    const orders = mysql2.createConnection({ uri: pair.orders.server.url });
    onTestFinished(async () => {
      orders.destroy();
      await accounts.end();
    });
    return { accounts, orders };
  }

  beforeEach(async () => {
    const { accounts, orders } = await connections();
    const fresh = [`drop table if exists ${TABLE}`, `create table ${TABLE} (id varchar(64) primary key)`];
    for (const text of fresh) {
      await accounts.query(text);
      await orders.promise().query(text);
    }
    concordat = await connect(pair.system.cluster.address);
    onTestFinished(() => concordat.close());
    await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  });

  async function rows(): Promise<{ accounts: readonly string[]; orders: readonly string[] }> {
    const { accounts, orders } = await connections();
    const query = `select id from ${TABLE} order by id`;
    const [found] = await orders.promise().query(query);
    const ids = (all: unknown): string[] => (all as { readonly id: string }[]).map(({ id }) => id);
    return { accounts: ids((await accounts.query(query)).rows), orders: ids(found) };
  }

  describe.each(ORMS)('$name', ({ onPostgres = plain.onPostgres, onMysql = plain.onMysql }) => {
    test('own transactions, committed, failing and nested, end as the global one does (field P12)', async () => {
      const { accounts, orders } = await connections();
      const both = async (work: (pgWork: Work, myWork: Work) => Promise<void>): Promise<void> =>
        await concordat.transaction(
          async (tx) => {
            await tx.enlist('accounts', accounts);
            await tx.enlist('orders', orders);
            await onPostgres?.(
              accounts,
              (pgWork) => onMysql?.(orders, (myWork) => work(pgWork, myWork)) as Promise<void>,
            );
          },
          { retries: 2 },
        );
      const problem = new Error('the application changed its mind');
      const refused = both(async (pgWork, myWork) => {
        await normalUse(pgWork);
        await normalUse(myWork);
        throw problem;
      });
      expect(await caught(refused)).toBe(problem);
      expect(await rows()).toEqual({ accounts: [], orders: [] });

      await both(async (pgWork, myWork) => {
        await normalUse(pgWork);
        await normalUse(myWork);
      });
      expect(await rows()).toEqual({ accounts: LEFT, orders: LEFT });

      // The other database votes no: what the ORM has committed goes, too.
      const half = both(async (pgWork, myWork) => {
        await pgWork.save('h');
        await myWork.transaction((own) => own.save('h').then(() => undefined));
        await caught(accounts.query('select 1 / 0'));
      });
      expect(await caught(half)).toBeInstanceOf(TransactionRolledBackError);
      // Within a transaction of its own the ORM may survive the error that it met.
      await both(async (pgWork, myWork) => {
        await pgWork.save('i');
        await myWork.save('i');
        for (const work of [pgWork, myWork]) {
          // A key that is there already; TypeORM alone looks first, and finds nothing to do.
          await caught(work.transaction((own) => own.save('a').then(() => Promise.reject(new Unwanted()))));
        }
      });
      expect(await rows()).toEqual({ accounts: [...LEFT, 'i'], orders: [...LEFT, 'i'] });
      await settled(pair.system);
    });
  });
}
