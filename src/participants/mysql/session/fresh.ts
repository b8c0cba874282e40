// What every session of ours is set to, when it is opened and again after each branch, and how that is read back.
import { EngineError } from '../../resource-manager.ts';
import type { EngineKind } from '../protocol/engine.ts';
import type { ResultList } from '../protocol/exchange.ts';

export interface FreshSettings {
  readonly engine: EngineKind;
  readonly lockTimeoutMs: number;
  /** MariaDB: XA PREPARE detaches the branch from its session. */
  readonly detach: boolean;
}

/** The same collation at both engines. Servers and proxies may ignore what the handshake names, and `init_connect` may change it. */
export const NAMES = 'NAMES utf8mb4 COLLATE utf8mb4_unicode_ci';

/** A reset keeps them: they must be what they were when the session was opened. In hexadecimal, which every character set compares alike. */
const ORIGIN = ['HEX(DATABASE())', 'HEX(CURRENT_ROLE())'] as const;

/** Each of `ORIGIN`, as the server told it: digits, or NULL. */
export type SessionOrigin = readonly string[];

const UTC = "'+00:00'";

/** Read back once, and what each must be. */
const READ_BACK: readonly (readonly [expression: string, value: string])[] = [
  ['@@autocommit', '0'],
  ['@@time_zone', '+00:00'],
  ['@@character_set_client', 'utf8mb4'],
  ['@@character_set_connection', 'utf8mb4'],
  ['@@character_set_results', 'utf8mb4'],
];

/** Behind the reset with which a session is opened; answered with its origin. */
export function firstText(settings: FreshSettings): string {
  return `${settingsText(settings, UTC, 0)};SELECT ${ORIGIN.join(',')}`;
}

/**
 * Behind a reset of a session with that origin: refused, since there is no such time zone, where it has another one now. So there is one
 * answer without rows instead of two.
 * @param idleTimeoutSeconds 0: the server's default.
 */
export function freshText(settings: FreshSettings, origin: SessionOrigin, idleTimeoutSeconds: number): string {
  const isSame = ORIGIN.map((expression, i) => `${expression}<=>${origin[i]}`).join(' AND ');
  return settingsText(settings, `IF(${isSame},${UTC},'moved')`, idleTimeoutSeconds);
}

function settingsText(settings: FreshSettings, timeZone: string, idleTimeoutSeconds: number): string {
  const { engine } = settings;
  const lockSeconds = Math.max(1, Math.ceil(settings.lockTimeoutMs / 1_000));
  const assignments = [
    // XA START and the first statement leave together. Should XA START fail, the statement must not commit by itself.
    'autocommit=0',
    `innodb_lock_wait_timeout=${lockSeconds}`,
    // For metadata locks; the default is a day (MariaDB) or a year (MySQL), behind a branch in doubt.
    `lock_wait_timeout=${lockSeconds}`,
    // TIMESTAMP columns and NOW() are UTC to the client.
    `time_zone=${timeZone}`,
    ...(engine === 'mysql' ? ["session_track_transaction_info='STATE'"] : []),
    ...(settings.detach && engine === 'mariadb' ? ['pseudo_slave_mode=1'] : []),
    ...(idleTimeoutSeconds === 0 ? [] : [idleTimeout(engine, idleTimeoutSeconds)]),
    NAMES,
  ];
  return `SET SESSION ${assignments.join(',')}`;
}

/** The engine's own end of an idle session: MariaDB can tell an idle branch from an idle session. */
export function idleTimeout(engine: EngineKind, seconds: number): string {
  return `${engine === 'mariadb' ? 'idle_transaction_timeout' : 'wait_timeout'}=${seconds}`;
}

/** Behind `firstText`: the settings as the server has them now, and whether it has its binary log. */
export const READ_BACK_TEXT = `SELECT ${READ_BACK.map(([expression]) => expression).join(',')};SELECT @@GLOBAL.log_bin`;

/** The answer to `firstText`. */
export function readOrigin(answer: ResultList): SessionOrigin {
  return firstRow(answer[1]).map((digits) => (digits === 'NULL' ? digits : `'${digits}'`));
}

/** The answer to `READ_BACK_TEXT`. @throws {EngineError} PREFLIGHT_FAILED: a setting is not what it was set to. */
export function readSettings(answer: ResultList): { readonly hasBinlog: boolean } {
  const found = firstRow(answer[2]);
  for (const [i, [expression, value]] of READ_BACK.entries()) {
    if (found[i] !== value) {
      const message =
        `the server does not keep a session's settings: ${expression} was set to ${value} and is ${found[i]}. ` +
        'Next: connect to the database itself, or through a proxy that leaves sessions as they are';
      throw new EngineError({ code: 'PREFLIGHT_FAILED', message, retryable: false }, { sessionLost: true });
    }
  }
  return { hasBinlog: firstRow(answer[3])[0] === '1' };
}

function firstRow(result: ResultList[number] | undefined): readonly string[] {
  const row = result?.kind === 'cells' ? result.rows[0] : undefined;
  return (row ?? []).map((cell) => cell?.toString('utf8') ?? 'NULL');
}
