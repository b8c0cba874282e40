// What every session of ours is set to, when it is opened and again after each branch, and how that is read back.
import { EngineError } from '../resource-manager.ts';
import type { EngineKind } from './engine.ts';
import type { Answer } from './exchange.ts';

export interface FreshSettings {
  readonly engine: EngineKind;
  readonly lockTimeoutMs: number;
  /** MariaDB: XA PREPARE detaches the branch from its session. */
  readonly detach: boolean;
}

/** The same collation at both engines. Servers and proxies may ignore what the handshake names, and `init_connect` may change it. */
export const NAMES = 'NAMES utf8mb4 COLLATE utf8mb4_unicode_ci';

/** Read back, and what each must be; undefined: whatever it was when the session was opened. A reset keeps database and role. */
const READ_BACK: readonly (readonly [expression: string, value: string | undefined])[] = [
  ['@@autocommit', '0'],
  ['@@time_zone', '+00:00'],
  ['@@character_set_client', 'utf8mb4'],
  ['@@character_set_connection', 'utf8mb4'],
  ['@@character_set_results', 'utf8mb4'],
  ['DATABASE()', undefined],
  ['CURRENT_ROLE()', undefined],
];

/** @param idleTimeoutSeconds 0: the server's default. */
export function freshText(settings: FreshSettings, idleTimeoutSeconds: number): string {
  const { engine } = settings;
  const lockSeconds = Math.max(1, Math.ceil(settings.lockTimeoutMs / 1_000));
  const assignments = [
    // XA START and the first statement leave together. Should XA START fail, the statement must not commit by itself.
    'autocommit=0',
    `innodb_lock_wait_timeout=${lockSeconds}`,
    // For metadata locks; the default is a day (MariaDB) or a year (MySQL), behind a branch in doubt.
    `lock_wait_timeout=${lockSeconds}`,
    // TIMESTAMP columns and NOW() are UTC to the client.
    "time_zone='+00:00'",
    ...(engine === 'mysql' ? ["session_track_transaction_info='STATE'"] : []),
    ...(settings.detach && engine === 'mariadb' ? ['pseudo_slave_mode=1'] : []),
    ...(idleTimeoutSeconds === 0 ? [] : [idleTimeout(engine, idleTimeoutSeconds)]),
    NAMES,
  ];
  return `SET SESSION ${assignments.join(',')};SELECT ${READ_BACK.map(([expression]) => expression).join(',')}`;
}

/** The engine's own end of an idle session: MariaDB can tell an idle branch from an idle session. */
export function idleTimeout(engine: EngineKind, seconds: number): string {
  return `${engine === 'mariadb' ? 'idle_transaction_timeout' : 'wait_timeout'}=${seconds}`;
}

/**
 * What a session says of itself behind `freshText`, as one text to compare.
 * @throws {EngineError} PREFLIGHT_FAILED: a setting is not what it was set to.
 */
export function readBack(answer: Answer): string {
  const row = answer[1]?.kind === 'cells' ? answer[1].rows[0] : undefined;
  const said = READ_BACK.map(([, value], i) => ({ value, found: row?.[i]?.toString('utf8') ?? 'NULL' }));
  const wrong = said.findIndex(({ value, found }) => value !== undefined && found !== value);
  if (wrong !== -1) {
    const [expression, value] = READ_BACK[wrong] ?? [];
    const message =
      `the server does not keep a session's settings: ${expression} was set to ${value} and is ${said[wrong]?.found}. ` +
      'Next: connect to the database itself, or through a proxy that leaves sessions as they are';
    throw new EngineError({ code: 'PREFLIGHT_FAILED', message, retryable: false }, { sessionLost: true });
  }
  return said.map(({ found }) => found).join('\n');
}
