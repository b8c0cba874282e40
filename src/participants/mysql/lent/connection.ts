// The application's mysql2 connection, of either flavour, as far as a branch needs it: recognised by its shape, asked in texts.

import type { Clock } from '../../../lib/clock.ts';
import { within } from '../../../lib/wait.ts';
import { CALL_TIMEOUT_MS } from '../../lent/application-branch.ts';
import type { ServerError } from '../protocol/packets.ts';
import type { MysqlAddress } from '../session/options.ts';

interface MysqlConfig {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly multipleStatements?: boolean;
  readonly connectAttributes?: { readonly _client_version?: string };
  readonly ssl?: false | { readonly rejectUnauthorized?: boolean; readonly ca?: unknown };
}

/** A command of mysql2, as far as it is looked at. */
export interface MysqlCommand {
  sql?: string;
  /** Of a Prepare, before it has one. */
  readonly query?: string;
  /** Of an Execute. */
  readonly statement?: { readonly query?: string };
  onResult?: ((error: unknown, ...rest: unknown[]) => void) | undefined;
  start(packet: unknown, connection: unknown): unknown;
  execute(packet: Packet | undefined, connection: unknown): boolean;
  emit(event: string, ...values: unknown[]): boolean;
  on(event: string, listener: (value: never) => void): unknown;
  once(event: string, listener: (value: never) => void): unknown;
  readonly constructor: { readonly name: string };
}

interface Packet {
  isError(): boolean;
  isEOF(): boolean;
  eofStatusFlags(): number;
}

/** The callback flavour, which the promise flavour wraps. */
export interface MysqlConnection {
  readonly config: MysqlConfig;
  readonly threadId: number;
  /** Through it goes everything that is sent. */
  addCommand(command: MysqlCommand): MysqlCommand;
  query(
    options: { readonly sql: string; readonly rowsAsArray: boolean },
    callback: (error: unknown, result?: unknown) => void,
  ): unknown;
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  off(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
  destroy(): void;
}

/** The connection inside either flavour; undefined: something else. */
export function mysqlConnection(connection: object): MysqlConnection | undefined {
  const inner = 'connection' in connection ? connection.connection : connection;
  const isOne =
    typeof inner === 'object' &&
    inner !== null &&
    'threadId' in inner &&
    'config' in inner &&
    'serverCapabilityFlags' in inner;
  return isOne ? (inner as unknown as MysqlConnection) : undefined;
}

/** Why this connection cannot be lent, in a sentence; undefined: it can. What is looked for is what `MysqlGate` and the loan need. */
export function mysqlProblem(connection: MysqlConnection): string | undefined {
  const version = connection.config.connectAttributes?._client_version;
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  const isTested = version === undefined || (major === OLDEST[0] && minor >= OLDEST[1]);
  const { createQuery } = connection.constructor as { createQuery?: (...options: unknown[]) => object };
  if (isTested && typeof connection.addCommand === 'function' && typeof createQuery === 'function') {
    const command = createQuery('', [], () => undefined, connection.config);
    // A bundler that renames classes leaves nothing to tell commands apart by.
    return command.constructor.name === 'Query'
      ? undefined
      : 'the classes of mysql2 were renamed by a bundler: leave mysql2 out of the bundle, or keep its names';
  }
  return `mysql2 ${version ?? ''} is not one of those that are tested: install mysql2 ${OLDEST.join('.')} or later, below ${OLDEST[0] + 1}`;
}

/** @throws {TypeError} how it is encrypted cannot be repeated for another connection. */
export function mysqlAddress({ config }: MysqlConnection): MysqlAddress {
  if (config.ssl && config.ssl.ca !== undefined) {
    throw new TypeError('a connection with an ssl.ca of its own: say with the option url where phase two connects');
  }
  return {
    host: config.host ?? 'localhost',
    port: config.port ?? 3306,
    ...(config.socketPath === undefined ? {} : { socketPath: config.socketPath }),
    user: config.user ?? 'root',
    password: config.password ?? '',
    database: config.database ?? '',
    tls: !config.ssl ? 'off' : config.ssl.rejectUnauthorized === false ? 'encrypt' : 'verify',
  };
}

/** What a text answered: its rows, or the server's status bits after it. */
export interface MysqlResult {
  readonly rows: readonly (readonly unknown[])[];
  readonly inTransaction: boolean;
}

export type MysqlAnswer =
  | { readonly kind: 'answered'; readonly results: readonly MysqlResult[] }
  /** One of the texts was refused; those before it were carried out, those behind it were not. */
  | { readonly kind: 'failed'; readonly error: ServerError }
  | { readonly kind: 'lost'; readonly error: Error };

const SERVER_STATUS_IN_TRANS = 1;
/** Major and minor number of the oldest mysql2 that the tests run with. */
const OLDEST: readonly [number, number] = [3, 20];

/** How a text of ours is sent past the gate of a lent connection. */
export type MysqlSender = <T>(send: () => T) => T;

/** The texts in order, behind whatever the application has asked for; in one round trip where the connection allows several. Never rejects. */
export async function askMysql(
  connection: MysqlConnection,
  texts: readonly string[],
  clock: Clock,
  timeoutMs = CALL_TIMEOUT_MS,
  through: MysqlSender = (send) => send(),
): Promise<MysqlAnswer> {
  const isJoined = connection.config.multipleStatements === true;
  const batches = isJoined ? [texts.join(';')] : texts;
  const results: MysqlResult[] = [];
  try {
    for (const sql of batches) {
      const late = (): Error => new Error(`the database did not answer within ${timeoutMs} ms`);
      const answer = await within(
        through(() => send(connection, sql)),
        { clock, timeoutMs },
        late,
      );
      const several = isJoined && texts.length > 1 && Array.isArray(answer);
      results.push(...(several ? (answer as unknown[]).map(toResult) : [toResult(answer)]));
    }
    return { kind: 'answered', results };
  } catch (error) {
    const refused = toServerError(error);
    return refused === undefined
      ? { kind: 'lost', error: error instanceof Error ? error : new Error(String(error)) }
      : { kind: 'failed', error: refused };
  }
}

function send(connection: MysqlConnection, sql: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    connection.query({ sql, rowsAsArray: true }, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

function toResult(result: unknown): MysqlResult {
  if (Array.isArray(result)) {
    return { rows: result as unknown[][], inTransaction: true };
  }
  const { serverStatus } = result as { readonly serverStatus?: number };
  return { rows: [], inTransaction: ((serverStatus ?? 0) & SERVER_STATUS_IN_TRANS) !== 0 };
}

/** Undefined: not an answer of the server, or one that it says goodbye with. */
export function toServerError(error: unknown): ServerError | undefined {
  const { errno, sqlState, message, fatal } = error as Record<string, unknown>;
  return typeof errno === 'number' && errno > 0 && fatal !== true && typeof sqlState === 'string'
    ? { errno, sqlstate: sqlState.replace('#', ''), message: String(message) }
    : undefined;
}
