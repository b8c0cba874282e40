// TypeORM: its drivers make their pools with the driver that they are given.
//
//   npm start                       # in another terminal; it prints where the databases are
//   node examples/orm/typeorm.ts <url of accounts> <url of orders> [<coordinator>]
import { randomUUID } from 'node:crypto';
import mysql from 'mysql2';
import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { connect } from '../../src/client/index.ts';
import { order, places } from './order.ts';

// Without decorators, so that Node runs this file as it is.
const customer = new EntitySchema<{ id: number; deposit: string }>({
  name: 'customer',
  columns: { id: { type: Number, primary: true }, deposit: { type: 'bigint' } },
});
const customerOrder = new EntitySchema<{ id: string; customer_id: number; amount: number }>({
  name: 'customer_order',
  columns: {
    id: { type: 'varchar', length: 64, primary: true },
    customer_id: { type: Number },
    amount: { type: 'bigint' },
  },
});

const { accountsUrl, ordersUrl, coordinator } = places();
await using concordat = await connect(coordinator, { application: 'examples/orm/typeorm' });
class AccountsPool {
  constructor(options: pg.PoolConfig) {
    // biome-ignore lint/correctness/noConstructorReturn: TypeORM makes its pool with `new`.
    return concordat.pool('accounts', new pg.Pool(options));
  }
}
const accounts = await new DataSource({
  type: 'postgres',
  url: accountsUrl,
  driver: { ...pg, Pool: AccountsPool },
  entities: [customer],
}).initialize();
const orders = await new DataSource({
  type: 'mysql',
  url: ordersUrl,
  driver: { ...mysql, createPool: (options: mysql.PoolOptions) => concordat.pool('orders', mysql.createPool(options)) },
  entities: [customerOrder],
}).initialize();

await order(concordat, async (amount) => {
  await accounts.transaction((own) => own.decrement(customer, { id: 1 }, 'deposit', amount));
  await orders.manager.save(customerOrder, { id: randomUUID(), customer_id: 1, amount });
});
const { deposit } = await accounts.manager.findOneByOrFail(customer, { id: 1 });
console.log(`ordered; the customer has ${deposit} left`);
await accounts.destroy();
await orders.destroy();
