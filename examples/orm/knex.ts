// Knex: it has a pool of its own, so that it is told where its connections come from and go to.
//
//   npm start                       # in another terminal; it prints where the databases are
//   node examples/orm/knex.ts <url of accounts> <url of orders> [<coordinator>]
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import createKnex from 'knex';
import mysql from 'mysql2';
import pg from 'pg';
import { connect } from '../../src/client/index.ts';
import { order, places } from './order.ts';

interface Connection {
  release(): void;
}

/** Knex over connections that `take` gives. */
function knexOver(client: 'pg' | 'mysql2', take: () => Promise<Connection>) {
  const knex = createKnex({ client });
  // By this name Knex tells connections apart in its messages.
  knex.client.acquireConnection = async () => Object.assign(await take(), { __knexUid: client });
  knex.client.releaseConnection = async (connection: Connection) => connection.release();
  return knex;
}

const { accountsUrl, ordersUrl, coordinator } = places();
await using concordat = await connect(coordinator, { application: 'examples/orm/knex' });
const accountsPool = new pg.Pool({ connectionString: accountsUrl });
const ordersPool = mysql.createPool({ uri: ordersUrl });
const accountsFacade = concordat.pool('accounts', accountsPool);
const ordersFacade = concordat.pool('orders', ordersPool);
const accounts = knexOver('pg', () => accountsFacade.connect());
const orders = knexOver('mysql2', promisify(ordersFacade.getConnection.bind(ordersFacade)));

await order(concordat, async (amount) => {
  await accounts.transaction((own) => own('customer').where({ id: 1 }).decrement('deposit', amount));
  await orders('customer_order').insert({ id: randomUUID(), customer_id: 1, amount });
});
const { deposit } = await accounts('customer').where({ id: 1 }).first('deposit');
console.log(`ordered; the customer has ${deposit} left`);
await accounts.destroy();
await orders.destroy();
await accountsPool.end();
ordersPool.end();
