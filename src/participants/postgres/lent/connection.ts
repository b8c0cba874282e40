// The application's pg client outside of what a branch says on it: where it is connected, one question, a cancel request.
import { connect } from 'node:net';
import type { ClientConfig } from 'pg';
import type { Clock } from '../../../lib/clock.ts';
import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { PgClient } from '../protocol/driver-insides.ts';

/** Where the client is connected, for further connections of our own. */
export function pgConfig(client: PgClient): ClientConfig {
  const { host, port, user, database, ssl } = client.connectionParameters;
  const password = client.password ?? client.connectionParameters.password;
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(database === undefined ? {} : { database }),
    ...(password === undefined || password === null ? {} : { password }),
    ...(ssl === undefined || ssl === null ? {} : { ssl }),
  };
}

/**
 * Calls `send` in the turn in which nothing of the application's runs or waits, so that it goes out in that turn. pg refuses, from its
 * next version on, a query behind another.
 */
export async function whenIdle<T>(client: PgClient, send: () => T): Promise<Awaited<T>> {
  const { connection } = client;
  while (client.readyForQuery === false && !connection.stream.destroyed) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        connection.off('readyForQuery', done);
        connection.off('end', done);
        resolve();
      };
      connection.once('readyForQuery', done);
      // A server that ends the session in the middle of a query never says that it is ready.
      connection.once('end', done);
    });
  }
  return await send();
}

/** The first value of a query outside of any loan; undefined: null, refused, or not answered in time. Never rejects. */
export async function pgValue(client: PgClient, text: string, clock: Clock): Promise<string | undefined> {
  const asking = whenIdle(client, () => client.query({ text, rowMode: 'array' }));
  const answer = await within(asking, { clock, timeoutMs: ENGINE_CALL_MS }, () => undefined).catch(() => undefined);
  return (answer?.rows[0]?.[0] as string | null | undefined) ?? undefined;
}

const CANCEL_REQUEST = 80_877_102;
const CANCEL_WAIT_MS = 2_000;

/** Asks the server to cancel what the client's session is executing, as psql does on ^C. Resolves when the request is sent. Never rejects. */
export function cancelPg(client: PgClient, clock: Clock): Promise<void> {
  const { host, port } = client.connectionParameters;
  const { processID, secretKey } = client;
  if (processID === null || secretKey === null || typeof secretKey !== 'number') {
    return Promise.resolve();
  }
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(CANCEL_REQUEST, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const place = host?.startsWith('/') === true ? { path: `${host}/.s.PGSQL.${port}` } : { host, port: port ?? 5_432 };
  const socket = connect(place as { host: string; port: number });
  const sent = new Promise<void>((resolve) => {
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.on('connect', () => socket.write(request));
  });
  return within(sent, { clock, timeoutMs: CANCEL_WAIT_MS }, () => undefined).then(
    () => void socket.destroy(),
    () => void socket.destroy(),
  );
}
