// Prisma on PostgreSQL: its adapter takes the pool. Its adapter for MySQL uses another driver; there, work through tx.resource().
//
//   npm start                       # in another terminal; it prints where the databases are
//   node examples/orm/prisma.ts <url of accounts> <url of orders> [<coordinator>]
//
// In an application the adapter goes to the generated client: new PrismaClient({ adapter: new PrismaPg(concordat.pool('accounts', pool)) }).
// That client is generated with a program which is downloaded, so this file asks the adapter what the client would.
import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { connect } from '../../src/client/index.ts';
import { order, places } from './order.ts';

const { accountsUrl, coordinator } = places();
await using concordat = await connect(coordinator, { application: 'examples/orm/prisma' });
const pool = new pg.Pool({ connectionString: accountsUrl });
const adapter = await new PrismaPg(concordat.pool('accounts', pool)).connect();

await order(concordat, async (amount) => {
  // As prisma.$transaction([…]) does: begun by the adapter, ended by a statement and then by the adapter.
  const own = await adapter.startTransaction();
  await own.executeRaw({
    sql: `update customer set deposit = deposit - ${amount} where id = 1`,
    args: [],
    argTypes: [],
  });
  await own.executeRaw({ sql: 'COMMIT', args: [], argTypes: [] });
  await own.commit();
  const insert = 'insert into customer_order (id, customer_id, amount) values (?, ?, ?)';
  await concordat.current?.resource('orders').query(insert, [randomUUID(), 1, amount]);
});
const { rows } = await adapter.queryRaw({ sql: 'select deposit from customer where id = 1', args: [], argTypes: [] });
console.log(`ordered; the customer has ${rows[0]?.[0]} left`);
await adapter.dispose();
await pool.end();
