// All that is used of mysql2 beyond what it documents, by our own connections and by those that applications lend, and the checks that it
// is there. ADR 19 says why it is used.
import type { Socket } from 'node:net';

/** The version of our own connections, as package.json pins it. */
export const OWN_DRIVER = '3.24.5';
/** Major and minor number of the oldest mysql2 of applications that the tests run with. */
const OLDEST: readonly [number, number] = [3, 20];

/** A packet as a command gets it: its payload lies between `offset` and `end`. */
export interface DriverPacket {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  isError(): boolean;
  isEOF(): boolean;
  eofStatusFlags(): number;
}

/** What our own connections put into mysql2's queue. At the head of it, it is called once without a packet, then with each packet. */
interface RawCommand {
  /** True when the command is over. */
  execute(packet: Pick<DriverPacket, 'buffer' | 'offset' | 'end'> | undefined): boolean;
  onResult(error: Error): void;
}

/** A connection of our own. */
export interface RawConnection {
  readonly threadId: number;
  readonly stream: Socket;
  /** MariaDB says more of each column, because mysql2 has asked for it. Absent before 3.23, which does not ask. */
  readonly _mariadbExtendedMetadata?: boolean;
  sequenceId: number;
  addCommand(command: RawCommand): void;
  write(bytes: Buffer): void;
  destroy(): void;
  on(event: 'error' | 'end', listener: (error?: Error) => void): void;
  once(event: 'connect', listener: () => void): void;
}

/** A command of mysql2 on its way, as far as the gate of a lent connection looks at it. */
export interface DriverCommand {
  sql?: string;
  /** Of a Prepare, before it has one. */
  readonly query?: string;
  /** Of an Execute. */
  readonly statement?: { readonly query?: string };
  onResult?: ((error: unknown, ...rest: unknown[]) => void) | undefined;
  start(packet: unknown, connection: unknown): unknown;
  execute(packet: DriverPacket | undefined, connection: unknown): boolean;
  emit(event: string, ...values: unknown[]): boolean;
  on(event: string, listener: (value: never) => void): unknown;
  once(event: string, listener: (value: never) => void): unknown;
  /** By its name commands are told apart. */
  readonly constructor: { readonly name: string };
}

interface DriverConfig {
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

/** What lends a connection to whoever asks, and must not get it back while it is lent to a branch. */
interface DriverPool {
  releaseConnection(connection: object): void;
}

/** An application's connection: the callback flavour, which the promise flavour wraps. */
export interface MysqlConnection {
  readonly config: DriverConfig;
  readonly threadId: number;
  readonly _pool?: DriverPool | null;
  /** Through it goes everything that is sent. */
  addCommand(command: DriverCommand): DriverCommand;
  query(
    options: { readonly sql: string; readonly rowsAsArray: boolean },
    callback: (error: unknown, result?: unknown) => void,
  ): DriverCommand | undefined;
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

type Shape = Readonly<Record<string, 'function' | 'object' | 'number' | 'boolean' | 'string'>>;

const BOTH: Shape = { addCommand: 'function', destroy: 'function', on: 'function', threadId: 'number' };
const OWN: Shape = {
  ...BOTH,
  ...{ write: 'function', stream: 'object', sequenceId: 'number' },
};
const EXTENDED: Shape = { _mariadbExtendedMetadata: 'boolean' };
const LENT: Shape = { ...BOTH, query: 'function', off: 'function', config: 'object' };
const COMMAND: Shape = {
  ...{
    start: 'function',
    execute: 'function',
    onResult: 'function',
    emit: 'function',
    on: 'function',
    once: 'function',
  },
  sql: 'string',
};
const PACKET: Shape = { isError: 'function', isEOF: 'function', eofStatusFlags: 'function' };

/** Whether this mysql2 may ask MariaDB for more of each column: one that does, and does not say so, would be misread. */
function asksForMore(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  return version === undefined || major !== 3 || minor >= 23;
}

/** Why a connected connection of our own cannot be used; undefined: it can. */
export function ownDriverProblem(connection: object): string | undefined {
  const version = versionOf(connection);
  const lacking = lackingIn(connection, asksForMore(version) ? { ...OWN, ...EXTENDED } : OWN);
  return lacking === undefined ? undefined : lacks(version, lacking, OWN_DRIVER);
}

/** Why an application's connection cannot be lent, as far as that is seen without asking anything on it; undefined: it can. */
export function lentDriverProblem(connection: MysqlConnection): string | undefined {
  const version = versionOf(connection);
  const wanted = `${OLDEST.join('.')} or later, below ${OLDEST[0] + 1}`;
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version !== undefined && (major !== OLDEST[0] || minor < OLDEST[1])) {
    return `mysql2 ${version} is not one of those that are tested: install mysql2 ${wanted}`;
  }
  const { createQuery } = connection.constructor as { createQuery?: (...options: unknown[]) => object };
  const lacking = lackingIn(connection, LENT) ?? (typeof createQuery === 'function' ? undefined : 'createQuery');
  if (lacking !== undefined || createQuery === undefined) {
    return lacks(version, lacking, wanted);
  }
  const command = createQuery('', [], () => undefined, connection.config);
  if (command.constructor.name !== 'Query') {
    // A bundler that renames classes leaves nothing to tell commands apart by.
    return 'the classes of mysql2 were renamed by a bundler: leave mysql2 out of the bundle, or keep its names';
  }
  const missing = lackingIn(command, COMMAND);
  return missing === undefined ? undefined : lacks(version, `${missing} of a command`, wanted);
}

/** The same of what only an answer shows. Never rejects: a connection that does not answer has no such problem. */
export function lentAnswerProblem(connection: MysqlConnection): Promise<string | undefined> {
  const wanted = `${OLDEST.join('.')} or later, below ${OLDEST[0] + 1}`;
  return new Promise((resolve) => {
    let lacking: string | undefined;
    const command = connection.query({ sql: 'DO 0', rowsAsArray: true }, (error, result) => {
      lacking ??= error || statusOf(result) !== undefined ? undefined : 'serverStatus of an answer';
      resolve(lacking === undefined ? undefined : lacks(versionOf(connection), lacking, wanted));
    });
    if (command === undefined) {
      return; // The connection is closed, which the callback hears.
    }
    const execute = command.execute;
    command.execute = (packet, itsConnection) => {
      const missing = packet === undefined ? undefined : lackingIn(packet, PACKET);
      lacking ??= missing === undefined ? undefined : `${missing} of a packet`;
      return execute.call(command, packet, itsConnection);
    };
  });
}

/** The server's status bits after a statement without rows; undefined: rows, which may have a column of that name. */
export function statusOf(result: unknown): number | undefined {
  const answer = result as { readonly serverStatus?: unknown; readonly constructor?: { readonly name: string } } | null;
  return answer?.constructor?.name === 'ResultSetHeader' && typeof answer.serverStatus === 'number'
    ? answer.serverStatus
    : undefined;
}

function lackingIn(thing: object, shape: Shape): string | undefined {
  return Object.entries(shape).find(([name, type]) => typeof (thing as Record<string, unknown>)[name] !== type)?.[0];
}

function versionOf(connection: object): string | undefined {
  return (connection as Partial<MysqlConnection>).config?.connectAttributes?._client_version;
}

function lacks(version: string | undefined, lacking: string | undefined, wanted: string): string {
  return `mysql2 ${version ?? 'of an unknown version'} has no ${lacking}, which Concordat relies on: install mysql2 ${wanted}`;
}
