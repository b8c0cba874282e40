// A pool of pg that lends, within a transaction, the one connection that the transaction has there.
import { AsyncResource } from 'node:async_hooks';
import { facadeOf } from './facade.ts';
import type { Handle, Lease } from './lease.ts';
import type { LeaseSource } from './leases.ts';

/** Of a client that a pool lends. */
interface PgPoolClient {
  query(...values: unknown[]): unknown;
  once(event: 'drain', listener: () => void): unknown;
  release(error?: unknown): void;
}

type Connected = (error: unknown, client?: object, release?: () => void) => void;

export interface PgPoolLike {
  connect(): Promise<PgPoolClient>;
  connect(done: Connected): void;
  query(...values: unknown[]): unknown;
  readonly totalCount: number;
}

/** A query that writes its messages itself, a cursor for instance. */
interface Submittable {
  submit(connection: unknown): void;
  handleError?(error: unknown, connection?: unknown): void;
}

export function pgPool(pool: PgPoolLike, leases: LeaseSource<PgPoolClient>): PgPoolLike {
  const facade: PgPoolLike = facadeOf(
    pool,
    {
      connect: (done?: Connected) => {
        let place: ReturnType<typeof leases.here>;
        try {
          place = leases.here();
        } catch (error) {
          return done === undefined ? Promise.reject(error) : process.nextTick(done, error);
        }
        if (place === undefined) {
          return done === undefined ? pool.connect() : pool.connect(done);
        }
        const { lease, level } = place;
        const connecting = lease.connection().then((client) => handleOf(client, lease, level));
        if (done === undefined) {
          return connecting;
        }
        const bound = AsyncResource.bind(done);
        connecting.then(
          (client) => bound(undefined, client, () => client.release()),
          (error: unknown) => bound(error),
        );
        return undefined;
      },
      // It takes a connection by `connect`, and gives it back.
      query: (...values: unknown[]) => pool.query.apply(facade, values),
    },
    'target',
  );
  return facade;
}

function handleOf(client: PgPoolClient, lease: Lease<PgPoolClient>, level: Handle['level']): PgPoolClient {
  const handle: Handle = { level };
  return facadeOf(
    client,
    {
      release: () => lease.release(handle),
      query: (...values: unknown[]) => query(client, lease, handle, values),
    },
    'target',
  );
}

function query(client: PgPoolClient, lease: Lease<PgPoolClient>, handle: Handle, values: unknown[]): unknown {
  const done = (): void => lease.answered(handle);
  const [first] = values;
  if (isSubmittable(first)) {
    const failed = (error: unknown): void => first.handleError?.(error);
    whenItsTurn(lease, handle, () => void submit(client, values, done), failed);
    return first;
  }
  const at = values.findLastIndex((value) => typeof value === 'function');
  if (at === -1) {
    return answer(client, lease, handle, values).finally(done);
  }
  const callback = AsyncResource.bind(values[at] as (...answer: unknown[]) => void);
  const answered = (...answer: unknown[]): void => {
    done();
    callback(...answer);
  };
  const send = (): void => void client.query(...values.with(at, answered));
  whenItsTurn(lease, handle, send, (error) => callback(error));
  return undefined;
}

/** @throws why it is refused; then `answered` changes nothing, for the handle owns no turn. */
async function answer(
  client: PgPoolClient,
  lease: Lease<PgPoolClient>,
  handle: Handle,
  values: unknown[],
): Promise<unknown> {
  const turn = lease.turn(handle);
  if (turn !== undefined) {
    await turn;
  }
  return await client.query(...values);
}

function whenItsTurn<Connection extends object>(
  lease: Lease<Connection>,
  handle: Handle,
  send: () => void,
  refuse: (error: unknown) => void,
): void {
  let turn: Promise<void> | undefined;
  try {
    turn = lease.turn(handle);
  } catch (error) {
    process.nextTick(refuse, error);
    return;
  }
  if (turn === undefined) {
    send();
  } else {
    turn.then(send, refuse);
  }
}

/** It tells nobody else when it is over: then the client has nothing more to do. */
function submit(client: PgPoolClient, values: unknown[], done: () => void): void {
  client.once('drain', done);
  client.query(...values);
}

function isSubmittable(value: unknown): value is Submittable {
  return typeof value === 'object' && value !== null && 'submit' in value && typeof value.submit === 'function';
}
