// A request that comes twice has the effect of one: the key of the request and its answer are a row of the same transaction (S12, S19).
//
// A table of keys outside of the work's transaction lies, whichever of the two is written first. Here both are committed, or neither.
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Concordat, ConcordatError } from '../../src/client/index.ts';
import { type Tables, teach } from './lesson.ts';
import { SHOP } from './shop.ts';

export const SHOP_ONCE: Tables = {
  accounts: SHOP.accounts,
  orders: [
    ...SHOP.orders,
    // As docs/client.md has it, which a service creates once.
    `create table if not exists concordat_once (id varbinary(255) primary key, fingerprint varchar(255) character set utf8mb4,
      result longtext character set utf8mb4, gtrid varchar(64) not null, created_at datetime not null default current_timestamp, key (created_at))`,
    "delete from concordat_once where id like 'course:%'",
  ],
};

/** `POST /order` with the header `idempotency-key`: 201 and the order; the same order again for the same key; 422 for another body. */
export function shopServer(concordat: Concordat): Server {
  return createServer(async (request, response) => {
    const reply = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const text = await bodyOf(request);
    const { title, amount } = JSON.parse(text) as { readonly title: string; readonly amount: number };
    const key = `course:${String(request.headers['idempotency-key'])}`;
    try {
      const { value, first } = await concordat.transaction(
        (tx) =>
          tx.once(
            'orders',
            key,
            async () => {
              const order = randomUUID();
              await tx
                .resource('accounts')
                .query('update course_customer set deposit = deposit - $1 where id = 1', [amount]);
              await tx.resource('orders').query('insert into course_order values (?, 1, ?, ?)', [order, title, amount]);
              if (title === 'error') {
                throw new Error('error: nothing is kept, and the key is free again');
              }
              return { order };
            },
            { fingerprint: createHash('sha256').update(text).digest('hex') },
          ),
        { timeoutMs: 10_000, retries: 2 },
      );
      reply(first ? 201 : 200, value);
    } catch (error) {
      const isReused = error instanceof ConcordatError && error.code === 'KEY_REUSED';
      reply(isReused ? 422 : 500, { error: error instanceof Error ? error.message : String(error) });
    }
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) {
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

export interface Shop extends AsyncDisposable {
  /** Sends an order, and tells what came back. */
  order(key: string, title: string, amount: number): Promise<{ readonly status: number; readonly body: unknown }>;
}

/** The server on a free port of this machine, with a client for it. */
export async function openShop(concordat: Concordat): Promise<Shop> {
  const server = shopServer(concordat);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/order`;
  return {
    order: async (key, title, amount) => {
      const body = JSON.stringify({ title, amount });
      const answer = await fetch(url, { method: 'POST', headers: { 'idempotency-key': key }, body });
      return { status: answer.status, body: await answer.json() };
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

await teach(import.meta, SHOP_ONCE, async ({ concordat, accounts, orders, show }) => {
  await using shop = await openShop(concordat);
  await show('an order', () => shop.order('k1', 'book', 10));
  await show('its request again', () => shop.order('k1', 'book', 10));
  await show('its key with another body', () => shop.order('k1', 'house', 900));
  await show('five at once', () => Promise.all(Array.from({ length: 5 }, () => shop.order('k2', 'pen', 1))));
  await show('one that fails', () => shop.order('k3', 'error', 10));
  await show('deposit', () => accounts.rows('select deposit from course_customer where id = 1'));
  await show('orders', () => orders.rows('select title, amount from course_order'));
});
