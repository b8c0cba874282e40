// An application with connections of its own, as a process that can be killed in the middle of its commit.
import mysql from 'mysql2/promise';
import pg from 'pg';
import { connect } from '../../src/client/index.ts';

const [address = '', accountsUrl = '', ordersUrl = ''] = process.argv.slice(2);
const say = (evt: string, fields: object = {}): void => console.log(JSON.stringify({ evt, ...fields }));

await using concordat = await connect(address, { application: 'enlist-program' });
const accounts = new pg.Client({ connectionString: accountsUrl });
await accounts.connect();
const orders = await mysql.createConnection({ uri: ordersUrl });
const tx = concordat.begin({ timeoutMs: 8_000 });
await tx.enlist('accounts', accounts);
await tx.enlist('orders', orders);
await accounts.query('update customer set deposit = deposit - 10 where id = 1');
await orders.query('insert into customer_order (id, customer_id, amount) values (?, 1, 10)', [tx.gtrid]);
say('worked', { gtrid: tx.gtrid });
await tx.commit();
say('ended');
