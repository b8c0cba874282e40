// The way to a usable session: connected, named, set up, and asked who answers.
import type { Client, ClientConfig } from 'pg';
import type { Clock } from '../../../lib/clock.ts';
import { notInstalled } from '../../reasons.ts';
import { EngineError } from '../../resource-manager.ts';
import type { BatchStep } from '../protocol/batch.ts';
import { checkOwnDriver } from '../protocol/driver-insides.ts';
import { connectReason, isPgError } from '../protocol/errors.ts';
import { PgSession } from './session.ts';
import { FORMATS, setConfigColumns, startupOptions } from './session-state.ts';

export interface SessionSettings {
  readonly client: ClientConfig;
  readonly applicationName: string;
  /** `SET ROLE` to this at connect; undefined: the role that logs in. */
  readonly role: string | undefined;
  /** Milliseconds that a statement waits for a lock: what breaks a deadlock that spans several databases. */
  readonly lockTimeoutMs: number;
  /** The session's own limit on idling inside a transaction; a branch with another one sets it for itself. */
  readonly idleTimeoutMs: number;
  /** Settings that sessions of this purpose have beside those of all. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Milliseconds for the way to a usable session. */
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  /** Shared by the sessions of an adapter: what one finds out about the server, or a pooler before it, the next one knows. */
  readonly startup?: StartupMemory;
}

interface StartupMemory {
  /** Settings are refused when a session starts (a pooler, an older server): they are made when it has started. */
  refusesOptions: boolean;
}

const KEEPALIVE_DELAY_MS = 10_000;
/** How often a backend that executes looks whether its client is still there; without it a lost client's batch runs to its end. */
const CHECK_INTERVAL = { client_connection_check_interval: '1000' };
/** A startup parameter that a pooler does not pass on, that the server does not know, or whose value its platform does not allow. */
const OPTIONS_REFUSED: ReadonlySet<string> = new Set(['08P01', '42704', '22023', '42501']);

/** @throws {EngineError} `ENGINE_UNAVAILABLE`; `PREFLIGHT_FAILED`: there is no pg. */
export async function openSession(settings: SessionSettings): Promise<PgSession> {
  const memory = settings.startup ?? { refusesOptions: false };
  if (!memory.refusesOptions) {
    try {
      return await open(settings, true);
    } catch (error) {
      const cause = error instanceof EngineError ? error.cause : undefined;
      if (!isPgError(cause) || !OPTIONS_REFUSED.has(cause.code)) {
        throw error;
      }
    }
  }
  const session = await open(settings, false);
  memory.refusesOptions = true;
  return session;
}

async function open(settings: SessionSettings, withOptions: boolean): Promise<PgSession> {
  const { client: given, connectTimeoutMs: timeoutMs, role = 'none' } = settings;
  const ours = {
    ...FORMATS,
    ...settings.settings,
    lock_timeout: String(settings.lockTimeoutMs),
    idle_in_transaction_session_timeout: String(settings.idleTimeoutMs),
  };
  const options = [given.options, withOptions ? startupOptions({ ...ours, ...CHECK_INTERVAL }) : undefined];
  const Driver = await driver();
  const client = new Driver({
    ...given,
    options: options.filter((part) => part !== undefined).join(' '),
    application_name: settings.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    connectionTimeoutMillis: timeoutMs,
  });
  const early: unknown[] = [];
  const noteEarly = (error: unknown) => void early.push(error);
  client.on('error', noteEarly);
  try {
    await client.connect();
    checkOwnDriver(client);
  } catch (error) {
    client.connection.stream.destroy();
    throw new EngineError(connectReason(error), { sessionLost: true, cause: error });
  }
  const session = new PgSession(client, settings);
  const checks = !withOptions && (await takes(session, CHECK_INTERVAL, timeoutMs)) ? CHECK_INTERVAL : {};
  const later = withOptions ? undefined : { ...ours, ...checks };
  const setUp = await session.run({ kind: 'steps', steps: [setUpStep(role, later ?? {})] }, { timeoutMs });
  const row = setUp.kind === 'answered' ? setUp.results[0]?.rows[0] : undefined;
  const refused = setUp.kind === 'answered' ? setUp.error : undefined;
  if (setUp.kind !== 'answered' || row === undefined) {
    session.destroy();
    const cause = setUp.kind === 'lost' ? setUp.error : refused;
    throw new EngineError(connectReason(cause), { sessionLost: true, cause });
  }
  session.backend = { pid: Number(row[0]), startedAt: row[1] ?? '' };
  session.identity = row[2] ?? '';
  session.state = { ...session.state, role, settings: later };
  client.off('error', noteEarly);
  return session;
}

/** Loaded when it is first needed: an application that lends connections of mysql2 only need not have it. */
async function driver(): Promise<typeof Client> {
  try {
    return (await import('pg')).default.Client;
  } catch (cause) {
    throw notInstalled('pg', cause);
  }
}

/** Not every platform of the server has these; where they are refused, `fence` ends sessions instead. */
async function takes(
  session: PgSession,
  settings: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<boolean> {
  const text = `select ${setConfigColumns(settings, 1).join(', ')}`;
  const step = { text, values: Object.values(settings) };
  const outcome = await session.run({ kind: 'steps', steps: [step] }, { timeoutMs });
  return outcome.kind === 'answered' && outcome.error === undefined;
}

/** What the engine says it is: the cluster, and the database in it. */
export const IDENTITY = `'postgresql:' || (select system_identifier from pg_control_system())
  || ':' || (select oid from pg_database where datname = current_database())`;

function setUpStep(role: string, settings: Readonly<Record<string, string>>): BatchStep {
  const columns = [`set_config('role', $1, false)`, ...setConfigColumns(settings, 2)];
  return {
    text: `select a.pid::text, a.backend_start::text, ${IDENTITY}, ${columns.join(', ')}
      from pg_stat_get_activity(pg_backend_pid()) a`,
    values: [role, ...Object.values(settings)],
  };
}
