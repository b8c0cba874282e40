// The application's mysql2 connection, of either flavour, as far as a branch needs it: where it leads, and texts of ours on it.

import type { Clock } from '../../../lib/clock.ts';
import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import { EngineError } from '../../resource-manager.ts';
import { type MysqlConnection, statusOf } from '../protocol/driver.ts';
import { lostReason } from '../protocol/errors.ts';
import { cellsOf, type Result, type ResultList } from '../protocol/exchange.ts';
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

/** How a text of ours is sent past the gate of a lent connection. */
type MysqlSender = <T>(send: () => T) => T;

/**
 * The texts in order, behind whatever the application has asked for, in one round trip where the connection allows several. The first that
 * is refused ends them and is the last result.
 * @throws {EngineError} with `sessionLost`: no answer came, for so long or for ever.
 */
export async function askMysql(
  connection: MysqlConnection,
  texts: readonly string[],
  clock: Clock,
  timeoutMs = ENGINE_CALL_MS,
  through: MysqlSender = (send) => send(),
): Promise<ResultList> {
  const isJoined = connection.config.multipleStatements === true;
  const late = (): Error => new Error(`the database did not answer within ${timeoutMs} ms`);
  const results: Result[] = [];
  try {
    for (const sql of isJoined ? [texts.join(';')] : texts) {
      const sent = through(() => send(connection, sql));
      const answer = await within(sent, { clock, timeoutMs }, late);
      const several = isJoined && texts.length > 1 && Array.isArray(answer);
      results.push(...(several ? (answer as unknown[]).map(toResult) : [toResult(answer)]));
    }
    return results;
  } catch (error) {
    const refused = toServerError(error);
    if (refused === undefined) {
      const reason = lostReason(error instanceof Error ? error : undefined);
      throw new EngineError(reason, { sessionLost: true, cause: error });
    }
    return [...results, { kind: 'error', error: refused }];
  }
}

/** The first cell that a text answers; undefined: none, NULL, or no answer. */
export async function mysqlCell(connection: MysqlConnection, text: string, clock: Clock): Promise<string | undefined> {
  const [result] = await askMysql(connection, [text], clock).catch(() => []);
  return result === undefined ? undefined : (cellsOf(result)[0]?.[0]?.toString() ?? undefined);
}

function send(connection: MysqlConnection, sql: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    connection.query({ sql, rowsAsArray: true }, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

/** The status behind rows is not told by mysql2; rows that we ask for come from within a branch. */
function toResult(result: unknown): Result {
  if (Array.isArray(result)) {
    return {
      kind: 'cells',
      rows: (result as unknown[][]).map((row) => row.map(toCell)),
      status: STATUS_IN_TRANSACTION,
    };
  }
  return { kind: 'ok', affectedRows: 0, insertId: 0n, status: statusOf(result) ?? 0, transactionState: undefined };
}

function toCell(value: unknown): Buffer | null {
  return value === null ? null : Buffer.isBuffer(value) ? value : Buffer.from(String(value));
}

/** Undefined: not an answer of the server, or one that it says goodbye with. */
export function toServerError(error: unknown): ServerError | undefined {
  const { errno, sqlState, message, fatal } = error as Record<string, unknown>;
  return typeof errno === 'number' && errno > 0 && fatal !== true && typeof sqlState === 'string'
    ? { errno, sqlstate: sqlState.replace('#', ''), message: String(message) }
    : undefined;
}
