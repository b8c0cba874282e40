// The shop of compose.yaml, a service: each POST /orders charges the customer at one database and records the order at the other.
// It lies beside unary-client.mjs in the image, a client made of the proto files alone.
import { createServer } from 'node:http';
import { runTransaction } from './unary-client.mjs';

const [coordinator = 'localhost:7420', port = '8080'] = process.argv.slice(2);
const PRICE = 25;

const server = createServer(async (request, response) => {
  if (request.method !== 'POST' || request.url !== '/orders') {
    response.writeHead(404).end('POST /orders places an order\n');
    return;
  }
  try {
    const { gtrid, outcome } = await runTransaction(coordinator, [
      {
        resource: 'accounts',
        statements: [{ sql: `update customer set deposit = deposit - ${PRICE} where id = 1` }],
      },
      {
        resource: 'orders',
        statements: [{ sql: `insert into customer_order (customer_id, amount) values (1, ${PRICE})` }],
      },
    ]);
    response.writeHead(outcome === 'OUTCOME_COMMITTED' ? 201 : 500).end(`${gtrid} ${outcome}\n`);
  } catch (error) {
    // Whether it was committed is not known here: docs/protocol.md says what the error proves.
    response.writeHead(503).end(`${error instanceof Error ? error.message : error}\n`);
  }
});
server.listen(Number(port), () => process.stdout.write(`the shop listens on port ${port}\n`));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => server.close(() => process.exit(0)));
}
