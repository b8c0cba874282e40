// Declared transactions: functions say what they need, and find the transaction of their caller (S3). The wrapper is
// `concordat.transactional()`; where a compiler lowers decorators, `@concordat.transactional()` on a method is the same.
import { randomUUID } from 'node:crypto';
import type { Concordat } from '../../src/client/index.ts';
import { type Tables, teach } from './lesson.ts';
import { SHOP } from './shop.ts';

export const AUDITED: Tables = {
  accounts: [
    ...SHOP.accounts,
    'drop table if exists course_audit',
    'create table course_audit (id serial primary key, text varchar(80) not null)',
  ],
  orders: SHOP.orders,
};

export interface Shop {
  buy(title: string, amount: number): Promise<void>;
  charge(amount: number): Promise<void>;
  record(title: string, amount: number): Promise<void>;
  report(): Promise<string>;
}

export function openShop(concordat: Concordat): Shop {
  /** The transaction that is under way, wherever it was begun. */
  const tx = () => {
    if (concordat.current === undefined) {
      throw new Error('there is no transaction here');
    }
    return concordat.current;
  };

  /** `required`, the default: takes part in the caller's, or begins one. */
  const charge = concordat.transactional()(async (amount: number): Promise<void> => {
    await tx().resource('accounts').query('update course_customer set deposit = deposit - $1 where id = 1', [amount]);
  });

  /** `mandatory`: only within somebody else's, because an order alone would be wrong. */
  const record = concordat.transactional({ propagation: 'mandatory' })(
    async (title: string, amount: number): Promise<void> => {
      await tx()
        .resource('orders')
        .query('insert into course_order values (?, 1, ?, ?)', [randomUUID(), title, amount]);
    },
  );

  /** `requires-new`: in a transaction of its own, which stays when the caller's is rolled back. */
  const audit = concordat.transactional({ propagation: 'requires-new' })(async (text: string): Promise<void> => {
    await tx().resource('accounts').query('insert into course_audit (text) values ($1)', [text]);
  });

  const buy = concordat.transactional({ timeoutMs: 15_000, isolation: 'serializable' })(
    async (title: string, amount: number): Promise<void> => {
      await audit(`somebody buys a ${title}`);
      await charge(amount);
      if (title === 'error1') {
        throw new Error('error1: after the first statement');
      }
      await record(title, amount);
      if (title === 'error2') {
        throw new Error('error2: after the second statement');
      }
    },
  );

  /** `never`: it takes long, and must not hold anybody's locks. */
  const report = concordat.transactional({ propagation: 'never' })(async (): Promise<string> => 'all is well');

  return { buy, charge, record, report };
}

await teach(import.meta, AUDITED, async ({ concordat, accounts, orders, show }) => {
  const shop = openShop(concordat);
  for (const title of ['book', 'error1', 'error2']) {
    await show(title, () => shop.buy(title, 100));
  }
  await show('an order outside of a transaction', () => shop.record('pen', 1));
  await show('a report within a transaction', () => concordat.transaction(() => shop.report()));
  await show('deposit', () => accounts.rows('select deposit from course_customer where id = 1'));
  await show('orders', () => orders.rows('select title, amount from course_order'));
  await show('audit', () => accounts.rows('select text from course_audit order by id'));
});
