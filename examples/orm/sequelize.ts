// Sequelize: its connection manager is told where connections come from and go to.
//
//   npm start                       # in another terminal; it prints where the databases are
//   node examples/orm/sequelize.ts <url of accounts> <url of orders> [<coordinator>]
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import mysql from 'mysql2';
import pg from 'pg';
import { DataTypes, type Options, Sequelize } from 'sequelize';
import { connect } from '../../src/client/index.ts';
import { order, places } from './order.ts';

interface Connection {
  release(): void;
}

/** Sequelize over connections that `take` gives. */
function sequelizeOver(options: Options, take: () => Promise<Connection>): Sequelize {
  const sequelize = new Sequelize({ ...options, logging: false });
  Object.assign(sequelize.connectionManager, {
    getConnection: () => take(),
    releaseConnection: async (connection: Connection) => connection.release(),
  });
  return sequelize;
}

const { accountsUrl, ordersUrl, coordinator } = places();
await using concordat = await connect(coordinator, { application: 'examples/orm/sequelize' });
const accountsPool = new pg.Pool({ connectionString: accountsUrl });
const ordersPool = mysql.createPool({ uri: ordersUrl });
const accountsFacade = concordat.pool('accounts', accountsPool);
const ordersFacade = concordat.pool('orders', ordersPool);
const accounts = sequelizeOver({ dialect: 'postgres', dialectModule: pg }, () => accountsFacade.connect());
const orders = sequelizeOver(
  { dialect: 'mysql', dialectModule: mysql },
  promisify(ordersFacade.getConnection.bind(ordersFacade)),
);
const untimed = { timestamps: false, freezeTableName: true };
const customer = accounts.define(
  'customer',
  { id: { type: DataTypes.INTEGER, primaryKey: true }, deposit: DataTypes.BIGINT },
  untimed,
);
const customerOrder = orders.define(
  'customer_order',
  { id: { type: DataTypes.STRING(64), primaryKey: true }, customer_id: DataTypes.INTEGER, amount: DataTypes.BIGINT },
  untimed,
);

await order(concordat, async (amount) => {
  // Within a transaction of its own Sequelize wants it handed to every call.
  await accounts.transaction((transaction) =>
    customer.decrement('deposit', { by: amount, where: { id: 1 }, transaction }),
  );
  await customerOrder.create({ id: randomUUID(), customer_id: 1, amount });
});
const left = await customer.findByPk(1);
console.log(`ordered; the customer has ${left?.get('deposit')} left`);
await accountsPool.end();
ordersPool.end();
