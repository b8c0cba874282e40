// The application's mysql2 connection, of either flavour, as far as a branch needs it: recognised by its shape, asked in texts.

import type { Clock } from '../../../lib/clock.ts';
import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import { type MysqlConnection, statusOf } from '../protocol/driver.ts';
import { type ServerError, STATUS_IN_TRANSACTION } from '../protocol/packets.ts';
import type { MysqlAddress } from '../session/options.ts';

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

/** How a text of ours is sent past the gate of a lent connection. */
export type MysqlSender = <T>(send: () => T) => T;

/** The texts in order, behind whatever the application has asked for; in one round trip where the connection allows several. Never rejects. */
export async function askMysql(
  connection: MysqlConnection,
  texts: readonly string[],
  clock: Clock,
  timeoutMs = ENGINE_CALL_MS,
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
  return { rows: [], inTransaction: ((statusOf(result) ?? 0) & STATUS_IN_TRANSACTION) !== 0 };
}

/** Undefined: not an answer of the server, or one that it says goodbye with. */
export function toServerError(error: unknown): ServerError | undefined {
  const { errno, sqlState, message, fatal } = error as Record<string, unknown>;
  return typeof errno === 'number' && errno > 0 && fatal !== true && typeof sqlState === 'string'
    ? { errno, sqlstate: sqlState.replace('#', ''), message: String(message) }
    : undefined;
}
