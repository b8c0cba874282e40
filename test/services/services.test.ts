// The helpers of examples/services: one transaction over two services, whichever framework the second one has.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  credentials,
  Server as GrpcServer,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinTransactions as joinExpress } from '../../examples/services/express.ts';
import { joinTransactions as joinFastify } from '../../examples/services/fastify.ts';
import { fetchWithin } from '../../examples/services/fetch.ts';
import { joined, within } from '../../examples/services/grpc.ts';
import { CONTEXT_KEY, type Concordat, type TransactionWork } from '../../src/client/index.ts';
import { caught } from '../client/fixture.ts';
import { type RealCluster, startCluster } from '../client/real-cluster.ts';
import { library, useNpmFolder } from '../support/npm-folder.ts';

useNpmFolder(import.meta.dirname);

/** What the tests use of the frameworks. */
type FastifyApp = Parameters<typeof joinFastify>[0] & {
  post(path: string, handler: (request: { tx?: TransactionWork }) => Promise<object>): void;
  listen(options: { readonly port: number; readonly host: string }): Promise<string>;
  close(): Promise<void>;
};
type ExpressApp = Parameters<typeof createServer>[1] & {
  use(handler: ReturnType<typeof joinExpress>): void;
  post(path: string, handler: (request: { tx?: TransactionWork }, response: Json) => Promise<unknown>): void;
};
interface Json {
  json(body: object): void;
}

let cluster: RealCluster;
let beginner: Concordat;
let service: Concordat;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  beginner = await cluster.connect();
  service = await cluster.connect();
  await beginner.transaction((tx) => tx.resource('accounts').query('set deposit 100'));
});

afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
  await cluster?.[Symbol.asyncDispose]();
});

/** The work of the service: in the transaction of its caller, or nothing. */
async function pay(tx: TransactionWork | undefined): Promise<object> {
  const paid = (await tx?.resource('accounts').query('add deposit -10'))?.rowCount ?? 0;
  return { paid };
}

async function deposit(): Promise<unknown> {
  const { rows } = await beginner.transaction((tx) => tx.resource('accounts').query('get deposit'));
  return rows[0]?.['value'];
}

async function fastifyService(): Promise<string> {
  const app = library<(options: object) => FastifyApp>(import.meta.dirname, 'fastify')({});
  joinFastify(app, service);
  app.post('/pay', (request) => pay(request.tx));
  closing.push(() => app.close());
  return await app.listen({ port: 0, host: '127.0.0.1' });
}

async function expressService(): Promise<string> {
  const app = library<() => ExpressApp>(import.meta.dirname, 'express')();
  app.use(joinExpress(service));
  app.post('/pay', async (request, response) => response.json(await pay(request.tx)));
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each([
  ['Fastify', fastifyService],
  ['Express', expressService],
] as const)(
  'a service in %s works in the transaction of its caller, and refuses one that it cannot read',
  async (_, start) => {
    const url = `${await start()}/pay`;
    const before = Number(await deposit());
    const answer = await beginner.transaction(async (tx) => {
      await tx.resource('orders').query('set order $1', [tx.gtrid]);
      return await (await fetchWithin(tx, url, { method: 'POST' })).json();
    });
    expect(answer).toEqual({ paid: 1 });
    expect(await deposit()).toBe(before - 10);

    const changedItsMind = beginner.transaction(async (tx) => {
      await fetchWithin(tx, url, { method: 'POST' });
      throw new Error('out of stock');
    });
    expect(await caught(changedItsMind)).toMatchObject({ message: 'out of stock' });
    expect(await deposit()).toBe(before - 10);

    expect(await (await fetch(url, { method: 'POST' })).json()).toEqual({ paid: 0 });
    for (const context of ['', '2;aaaaaaaaaa.1.1;more', 'nonsense']) {
      expect(await fetch(url, { method: 'POST', headers: { [CONTEXT_KEY]: context } })).toMatchObject({ status: 400 });
    }
  },
);

test('an answer that is no success rolls the transaction of the caller back', async () => {
  const server = createServer((_, response) => response.writeHead(503).end('not now'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const before = await deposit();
  const failed = beginner.transaction(async (tx) => {
    await tx.resource('accounts').query('add deposit -1');
    await fetchWithin(tx, url);
  });
  expect(await caught(failed)).toMatchObject({ message: `GET ${url} answered 503: not now` });
  expect(await deposit()).toBe(before);
});

test('a service of grpc-js works in the transaction of its caller, and refuses one that it cannot read', async () => {
  const json = {
    requestSerialize: (value: object) => Buffer.from(JSON.stringify(value)),
    requestDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as object,
    responseSerialize: (value: object) => Buffer.from(JSON.stringify(value)),
    responseDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as object,
  };
  const definition: ServiceDefinition = {
    Pay: { path: '/shop.Payments/Pay', requestStream: false, responseStream: false, ...json },
  };
  const server = new GrpcServer();
  server.addService(definition, {
    Pay: async (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => {
      try {
        done(null, await pay(joined(service, call)));
      } catch (error) {
        done(error as ServiceError);
      }
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  closing.push(() => server.forceShutdown());
  const { makeGenericClientConstructor, Metadata } = await import('@grpc/grpc-js');
  const stub = new (makeGenericClientConstructor(definition, 'Payments'))(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
  );
  closing.push(() => stub.close());
  const call = (metadata: InstanceType<typeof Metadata>): Promise<unknown> =>
    new Promise((resolve, reject) =>
      stub['Pay']?.({}, metadata, (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer))),
    );

  const before = Number(await deposit());
  expect(await beginner.transaction((tx) => call(within(tx)))).toEqual({ paid: 1 });
  expect(await deposit()).toBe(before - 10);
  expect(await call(new Metadata())).toEqual({ paid: 0 });
  const unread = new Metadata();
  unread.set(CONTEXT_KEY, '7;aaaaaaaaaa.1.1');
  expect(await caught(call(unread))).toMatchObject({ code: 3, details: expect.stringContaining('has version 7') });
});
