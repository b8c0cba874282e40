// The application's pg client, as far as a branch needs it: recognised by its shape, asked in simple queries, cancelled.
import { connect, type Socket } from 'node:net';
import type { ClientConfig } from 'pg';
import type { Clock } from '../../../lib/clock.ts';
import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import type { PgError } from '../protocol/batch.ts';
import { isPgError, lostReason, statementReason } from '../protocol/errors.ts';

interface PgResult {
  readonly command: string | null;
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Events of pg's protocol connection; `commandComplete` and `errorMessage` of every statement, `readyForQuery` after each query. */
export interface PgProtocol {
  readonly stream: Socket;
  /** By name: the texts of the statements that the server has prepared. */
  readonly parsedStatements: Record<string, string>;
  emit(event: string, message: unknown): unknown;
  on(event: string, listener: (message: never) => void): unknown;
  prependListener(event: string, listener: (message: never) => void): unknown;
  once(event: string, listener: (message: never) => void): unknown;
  off(event: string, listener: (message: never) => void): unknown;
}

/** A setting of our own that ends with the transaction: it tells ours from one that the application chained to it. */
export const MARK = 'concordat.branch';

/** In one text, so that nothing of the application comes in between; its end fails, with a name that says why. */
export const PARK = 'rollback;begin;rollback to savepoint "the global transaction was rolled back"';

/** A setting that the server tells of by itself when it changes. */
export interface PgReport {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** `Client` of pg, also as `pool.connect()` gives it. */
export interface PgClient {
  query(query: { readonly text: string; readonly rowMode: 'array' }): Promise<PgResult | PgResult[]>;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  off(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  readonly connection: PgProtocol;
  readonly connectionParameters: Pick<ClientConfig, 'host' | 'port' | 'user' | 'database' | 'password' | 'ssl'>;
  readonly password: ClientConfig['password'];
  readonly processID: number | null;
  readonly secretKey: number | null;
  /** False while a query runs or waits. */
  readonly readyForQuery?: boolean;
  readonly pipeline?: boolean;
  /** Since pg 8.21; null before the first query. */
  getTransactionStatus?(): 'I' | 'T' | 'E' | null;
}

export function isPgClient(connection: object): connection is PgClient {
  return 'connectionParameters' in connection && 'processID' in connection && 'connection' in connection;
}

/** Why this client cannot be lent, in a sentence; undefined: it can. What is looked for is what `PgGate` and the loan need. */
export function pgProblem(client: PgClient): string | undefined {
  if (typeof client.getTransactionStatus !== 'function') {
    return 'this pg cannot tell whether a transaction is open (pg 8.20 and older): install pg 8.21 or later, below 9';
  }
  const { connection } = client;
  const methods = ['query', 'parse', 'bind', 'sync', 'emit'].every(
    (name) => typeof (connection as unknown as Record<string, unknown>)[name] === 'function',
  );
  if (!methods || typeof connection.parsedStatements !== 'object') {
    return 'this pg is not one of those that are tested: install pg 8.21 or later, below 9';
  }
  if (client.pipeline === true) {
    return 'a client with pipeline: true sends its next statement before it knows how the last one ended: open one without';
  }
  return client.processID === null ? 'the client of pg is not connected: await its connect() first' : undefined;
}

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

export type PgAnswer =
  | { readonly kind: 'answered'; readonly results: readonly PgResult[] }
  | { readonly kind: 'failed'; readonly error: PgError }
  | { readonly kind: 'lost'; readonly error: unknown };

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

/** How a query of ours is sent past the gate of a lent client. @throws before it is sent. */
export type PgSender = <T>(send: () => T) => T;

/** One simple query behind whatever the application has asked for. Never rejects; a late one may not have been sent at all. */
export async function askPg(
  client: PgClient,
  text: string,
  clock: Clock,
  timeoutMs = ENGINE_CALL_MS,
  through: PgSender = (send) => send(),
): Promise<PgAnswer> {
  try {
    const late = (): Error => new Error(`the database did not answer within ${timeoutMs} ms`);
    let isLate = false;
    const asking = whenIdle(client, () =>
      isLate ? Promise.reject(late()) : through(() => client.query({ text, rowMode: 'array' })),
    );
    const answer = await within(asking, { clock, timeoutMs }, () => {
      isLate = true;
      return late();
    });
    return { kind: 'answered', results: Array.isArray(answer) ? answer : [answer] };
  } catch (error) {
    return isPgError(error) ? { kind: 'failed', error } : { kind: 'lost', error };
  }
}

/** What the last statement was answered with. */
export function lastTag(answer: PgAnswer): string | undefined {
  return answer.kind === 'answered' ? (answer.results.at(-1)?.command ?? undefined) : undefined;
}

/** The first cell of the statement at `index`. */
export function pgCell(answer: PgAnswer, index: number): string | undefined {
  return (answer.kind === 'answered' ? answer.results[index]?.rows[0]?.[0] : undefined) ?? undefined;
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

/** Why a text did not do what it was sent for; undefined: it did. */
export function failureOf(answer: PgAnswer): Reason | undefined {
  switch (answer.kind) {
    case 'answered':
      return undefined;
    case 'failed':
      return statementReason(answer.error);
    case 'lost':
      return lostReason(answer.error);
  }
}
