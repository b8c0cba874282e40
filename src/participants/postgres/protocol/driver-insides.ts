// What is used of `pg` that it does not promise to keep, for connections of our own and for those of the application: ADR 18 says why.
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { Client, ClientConfig, FieldDef } from 'pg';

/** Where our messages are written: several statements go out in one frame with one Sync, which `query()` cannot do. */
export interface WireConnection {
  readonly stream: Duplex;
  query(text: string): void;
  sendCopyFail(message: string): void;
}

/**
 * Its events: `commandComplete` and `errorMessage` of every statement, `readyForQuery` behind each query, `notice`, `parameterStatus`
 * and `end`. Messages are awaited on it, for `query()` tells neither whole command tags nor the transaction's status.
 */
export interface PgProtocol extends WireConnection {
  /** By name: the texts of the statements that the server has prepared. */
  readonly parsedStatements: Record<string, string>;
  emit(event: string, message: unknown): unknown;
  on(event: string, listener: (message: never) => void): unknown;
  prependListener(event: string, listener: (message: never) => void): unknown;
  once(event: string, listener: (message: never) => void): unknown;
  off(event: string, listener: (message: never) => void): unknown;
}

/** `Client` of pg, also as `pool.connect()` gives it. */
export interface PgClient {
  query(query: PgSubmittable): unknown;
  query(query: { readonly text: string; readonly rowMode: 'array' }): Promise<{ readonly rows: readonly unknown[][] }>;
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

/** What the client calls of a query that writes its messages itself. */
export interface PgSubmittable {
  submit(connection: unknown): void;
  handleRowDescription(message: { readonly fields: readonly FieldDef[] }): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleEmptyQuery(): void;
  handleError(error: Error): void;
  handleReadyForQuery(): void;
  handlePortalSuspended(): void;
  handleCopyInResponse(connection: WireConnection): void;
  handleCopyData(): void;
}

const METHODS = ['query', 'parse', 'bind', 'describe', 'execute', 'flush', 'close', 'sync', 'sendCopyFail', 'emit'];
const STREAM_METHODS = ['write', 'destroy', 'prependListener'];
const RANGE = 'install pg 8.21 or later, below 9';

/** The version of pg that a program's own sessions use; in a bundle it may not be there to read. */
function ownVersion(): string {
  try {
    return (createRequire(import.meta.url)('pg/package.json') as { readonly version: string }).version;
  } catch {
    return 'of an unknown version';
  }
}

/** The object is a client of pg, of whatever version. */
export function isPgClient(connection: object): connection is PgClient {
  return 'connectionParameters' in connection && 'processID' in connection && 'connection' in connection;
}

/** Why the application's client cannot be lent, in a sentence; undefined: it can. It does not tell its version: that is known by what it lacks. */
export function pgProblem(client: PgClient): string | undefined {
  if (typeof client.getTransactionStatus !== 'function') {
    return `this pg cannot tell whether a transaction is open (pg 8.20 and older): ${RANGE}`;
  }
  if (client.processID === null) {
    return 'the client of pg is not connected: await its connect() first';
  }
  const missing = missingInside(client);
  if (missing !== undefined) {
    return `this pg has no ${missing}, so it is not one of those that are tested: ${RANGE}`;
  }
  return client.pipeline === true
    ? 'a client with pipeline: true sends its next statement before it knows how the last one ended: open one without'
    : undefined;
}

/** The same of a client of our own, when it is connected. @throws {Error} with the version that is installed, and which to install. */
export function checkOwnDriver(client: Client): void {
  const missing = missingInside(client as unknown as PgClient);
  if (missing !== undefined) {
    throw new Error(`pg ${ownVersion()} has no ${missing}, which Concordat uses: ${RANGE}`);
  }
}

/** The first inside that is used and not there. */
function missingInside(client: PgClient): string | undefined {
  const { connection } = client;
  const has = (owner: unknown, name: string): boolean =>
    typeof (owner as Record<string, unknown> | undefined)?.[name] === 'function';
  const wanted: readonly (readonly [string, boolean])[] = [
    ['client.getTransactionStatus', has(client, 'getTransactionStatus')],
    ['client.readyForQuery', 'readyForQuery' in client],
    ['client.secretKey', 'secretKey' in client],
    ['connection.parsedStatements', typeof connection?.parsedStatements === 'object'],
    ...METHODS.map((name) => [`connection.${name}`, has(connection, name)] as const),
    ...STREAM_METHODS.map((name) => [`connection.stream.${name}`, has(connection?.stream, name)] as const),
  ];
  return wanted.find(([, isThere]) => !isThere)?.[0];
}
