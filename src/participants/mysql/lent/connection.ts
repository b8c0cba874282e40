// The application's mysql2 connection, of either flavour, as far as a branch needs it: where it leads, and texts of ours on it.

import type { Clock } from '../../../lib/clock.ts';
import type { Random } from '../../../lib/random.ts';
import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import { EngineError } from '../../resource-manager.ts';
import { startRefused } from '../branch/work.ts';
import { type MysqlConnection, statusOf } from '../protocol/driver.ts';
import { ERRNO, lostReason } from '../protocol/errors.ts';
import { cellsOf, errorOf, type Result, type ResultList } from '../protocol/exchange.ts';
import { type ServerError, STATUS_AUTOCOMMIT, STATUS_IN_TRANSACTION } from '../protocol/packets.ts';
import type { MysqlAddress } from '../session/options.ts';
import { questionLiteral } from '../sql/texts.ts';

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
  return firstCell(await askMysql(connection, [text], clock).catch(() => []));
}

/**
 * The same of a text that reads tables. Where the session's `autocommit` is off that begins a transaction, and XA START is refused inside
 * of one: there it is asked within a branch of our own, which is gone again. All of it is asked for at once, so that nothing of the
 * application comes in between and is rolled back with it.
 * @throws {EngineError} the application has a transaction open.
 */
export async function mysqlTableCell(
  connection: MysqlConnection,
  text: string,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<string | undefined> {
  const [answer] = await askMysql(connection, ['DO 0'], clock).catch(() => []);
  if (answer?.kind !== 'ok' || (answer.status & STATUS_AUTOCOMMIT) !== 0) {
    return await mysqlCell(connection, text, clock);
  }
  const xid = questionLiteral(random.base32(12));
  const texts = [`XA START ${xid}`, text, `XA END ${xid}`, `XA ROLLBACK ${xid}`];
  const answers = texts.map((each) => askMysql(connection, [each], clock).catch(() => []));
  const [started = [], told = []] = await Promise.all(answers);
  const refused = errorOf(started);
  if (refused !== undefined) {
    throw enlistRefused(refused);
  }
  return firstCell(told);
}

function firstCell([result]: ResultList): string | undefined {
  return result === undefined ? undefined : (cellsOf(result)[0]?.[0]?.toString() ?? undefined);
}

/** What the server says to XA START, and to SET TRANSACTION before it, while something else is open. */
const SAYS_OPEN: readonly number[] = [ERRNO.xaOutside, ERRNO.xaRmFail, ERRNO.transactionInProgress];
const OPEN_WORK =
  'the connection has a transaction of the application open. Next: commit it or roll it back, then enlist the connection; ' +
  'while autocommit is off, a SELECT has begun one, too';

/** Why a branch was not opened on an application's connection. */
export function enlistRefused(error: ServerError): EngineError {
  const refused = startRefused(error);
  return SAYS_OPEN.includes(error.errno)
    ? new EngineError({ ...refused.reason, message: OPEN_WORK }, { sessionLost: refused.sessionLost })
    : refused;
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
