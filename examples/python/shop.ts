// An order service in Node whose payments are a service in Python: one transaction over both, and only this one commits.
//
//   npm start                                                    # in another terminal
//   python3 examples/python/payments.py localhost:7420 8088      # in a third one
//   npm run example python/shop -- localhost:7420 http://127.0.0.1:8088 25
import { randomUUID } from 'node:crypto';
import { CONTEXT_KEY, connect } from '../../src/client/index.ts';

const [coordinator = 'localhost:7420', payments = 'http://127.0.0.1:8088', amount = '25'] = process.argv.slice(2);

await using concordat = await connect(coordinator, { application: 'examples/python/shop' });
await concordat.transaction(async (tx) => {
  await tx
    .resource('orders')
    .query('insert into customer_order (id, customer_id, amount) values (?, 1, ?)', [randomUUID(), Number(amount)]);
  const paid = await fetch(`${payments}/pay`, { method: 'POST', headers: { [CONTEXT_KEY]: tx.context }, body: amount });
  if (!paid.ok) {
    throw new Error(`the payment failed: ${await paid.text()}`);
  }
});
console.log('ordered in Node and paid in Python');
