// One transaction over two services: the order service begins it, the payment service joins it over HTTP, and only the first commits.
//
//   npm start                       # in another terminal
//   npm run example two-services    # or: npm run example two-services -- <coordinator>
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CONTEXT_KEY, connect } from '../src/client/index.ts';

const coordinator = process.argv[2] ?? 'localhost:7420';

// The payment service. It works in the transaction of whoever calls, and answers when its part is done.
await using payments = await connect(coordinator, { application: 'payments' });
const server = createServer(async (request, response) => {
  try {
    const tx = payments.join(String(request.headers[CONTEXT_KEY]));
    await tx.resource('accounts').query('update customer set deposit = deposit - $1 where id = 1', [25]);
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
const { port } = server.address() as AddressInfo;

// The order service.
await using orders = await connect(coordinator, { application: 'orders' });
try {
  await orders.transaction(async (tx) => {
    await tx
      .resource('orders')
      .query(`insert into customer_order (id, customer_id, amount) values ('${randomUUID()}', 1, 25)`);
    const paid = await fetch(`http://127.0.0.1:${port}/pay`, {
      method: 'POST',
      headers: { [CONTEXT_KEY]: tx.context },
    });
    if (!paid.ok) {
      throw new Error(`the payment failed: ${await paid.text()}`);
    }
  });
  console.log('ordered at one service and paid at the other');
} finally {
  server.close();
  server.closeAllConnections();
}
