// One connection: connected and set up once, one batch at a time, destroyed at the first doubt.
import { Client, type ClientConfig } from 'pg';
import type { Clock } from '../../lib/clock.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { EngineError } from '../resource-manager.ts';
import { Batch, type BatchLimits, type BatchOutcome, type Request, type TransactionStatus } from './batch.ts';
import { connectReason, lostReason } from './errors.ts';
import { NamedStatements } from './named-statements.ts';

export interface SessionSettings {
  readonly client: ClientConfig;
  readonly applicationName: string;
  /** `SET ROLE` to this at connect; undefined: the role that logs in. */
  readonly role: string | undefined;
  /** Milliseconds that a statement waits for a lock: what breaks a deadlock that spans several databases. */
  readonly lockTimeoutMs: number;
  /** The session's own limit on idling inside a transaction; a branch with another one sets it for itself. */
  readonly idleTimeoutMs: number;
  /** Milliseconds for the way to a usable session. */
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

export interface RunOptions {
  readonly limits?: BatchLimits;
  /** The connection is destroyed when the answer takes longer. */
  readonly timeoutMs?: number;
}

/** How long an idle session may take to say goodbye. */
const GOODBYE_TIMEOUT_MS = 1_000;
const KEEPALIVE_DELAY_MS = 10_000;
/** How often a backend that executes looks whether its client is still there; without it a lost client's batch runs to its end. */
const CLIENT_CHECK_INTERVAL_MS = 1_000;

/** @throws {EngineError} `ENGINE_UNAVAILABLE` */
export async function openSession(settings: SessionSettings): Promise<PgSession> {
  const client = new Client({
    ...settings.client,
    application_name: settings.applicationName,
    lock_timeout: settings.lockTimeoutMs,
    idle_in_transaction_session_timeout: settings.idleTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    connectionTimeoutMillis: settings.connectTimeoutMs,
  });
  const early: unknown[] = [];
  const noteEarly = (error: unknown) => void early.push(error);
  client.on('error', noteEarly);
  try {
    await client.connect();
  } catch (error) {
    client.connection.stream.destroy();
    throw new EngineError(connectReason(error), { sessionLost: true, cause: error });
  }
  const session = new PgSession(client, settings);
  const setUp = await session.run(
    { kind: 'steps', steps: [setUpStep(settings)] },
    { timeoutMs: settings.connectTimeoutMs },
  );
  const row = setUp.kind === 'answered' ? setUp.results[0]?.rows[0] : undefined;
  const refused = setUp.kind === 'answered' ? setUp.error : undefined;
  if (setUp.kind !== 'answered' || row === undefined) {
    session.destroy();
    const cause = setUp.kind === 'lost' ? setUp.error : refused;
    throw new EngineError(connectReason(cause), { sessionLost: true, cause });
  }
  session.backend = { pid: Number(row[0]), startedAt: row[1] ?? '' };
  session.identity = row[2] ?? '';
  // Not every platform of the server has it; where it is refused, `fence` ends such sessions instead.
  const check = `set client_connection_check_interval = ${CLIENT_CHECK_INTERVAL_MS}`;
  await session.run({ kind: 'simple', text: check }, { timeoutMs: settings.connectTimeoutMs });
  client.off('error', noteEarly);
  return session;
}

/** What the engine says it is: the cluster, and the database in it. */
const IDENTITY = `'postgresql:' || (select system_identifier from pg_control_system())
  || ':' || (select oid from pg_database where datname = current_database())`;

/** The formats that the value decoder reads, whatever the role's defaults are; and no limit on idle pooled sessions. */
function setUpStep(settings: SessionSettings): { readonly text: string; readonly values: readonly (string | null)[] } {
  return {
    text: `select a.pid::text, a.backend_start::text, ${IDENTITY},
      set_config('DateStyle', 'ISO, MDY', false), set_config('IntervalStyle', 'postgres', false),
      set_config('bytea_output', 'hex', false), set_config('extra_float_digits', '1', false),
      set_config('idle_session_timeout', '0', false), set_config('role', coalesce($1::text, 'none'), false)
      from pg_stat_get_activity(pg_backend_pid()) a`,
    values: [settings.role ?? null],
  };
}

/** Which server process serves a session; both together are never reused. */
export interface Backend {
  readonly pid: number;
  readonly startedAt: string;
}

export interface SessionEnd {
  readonly reason: Reason;
  /** We ended it ourselves, by `destroy`, `close` or a limit; false: the engine, the network, or silence. */
  readonly deliberate: boolean;
}

export class PgSession {
  readonly idleTimeoutMs: number;
  backend: Backend = { pid: 0, startedAt: '' };
  /** Of the engine, as it said when the session was opened. */
  identity = '';
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #names = new NamedStatements();
  readonly #endListeners: ((end: SessionEnd) => void)[] = [];
  #user: ((end: SessionEnd) => void) | undefined;
  #current: Batch | undefined;
  #status: TransactionStatus = 'I';
  #ended = false;
  #destroyed = false;
  #silent = false;
  #firstError: unknown;

  /** Made by `openSession`. */
  constructor(client: Client, settings: SessionSettings) {
    this.#client = client;
    this.#clock = settings.clock;
    this.idleTimeoutMs = settings.idleTimeoutMs;
    // Without a listener an idle session that the server ends would end the process.
    client.on('error', (error) => {
      this.#firstError ??= error;
    });
    const { connection } = client;
    connection.on('readyForQuery', (message: { readonly status: TransactionStatus }) => {
      this.#status = message.status;
      const batch = this.#current;
      this.#current = undefined;
      if (batch?.ready(message.status)) {
        this.destroy();
      }
    });
    connection.on('notice', (notice: unknown) => this.#current?.noticed(notice));
    connection.on('end', () => this.#end());
    // Before the driver's own listener: a packet beyond the limit is not to be parsed.
    connection.stream.prependListener('data', (data: Buffer) => {
      if (this.#current?.received(data.length)) {
        this.destroy();
      }
    });
  }

  get usable(): boolean {
    return !this.#ended && !this.#destroyed;
  }

  /** As the engine told with its last answer. */
  get status(): TransactionStatus {
    return this.#status;
  }

  get busy(): boolean {
    return this.#current !== undefined;
  }

  /** The process id in the connection's cancel key: another than the backend's when a pooler stands in between. */
  get wirePid(): number {
    return (this.#client as unknown as { readonly processID: number | null }).processID ?? 0;
  }

  /** Called once when the session ends for whatever reason; at once if it has ended. For whoever keeps it all its life. */
  onEnd(listener: (end: SessionEnd) => void): void {
    this.#endListeners.push(listener);
    if (this.#ended) {
      this.#tellEnd();
    }
  }

  /** The same for whoever uses it now, in place of the one before. */
  setUser(listener: ((end: SessionEnd) => void) | undefined): void {
    this.#user = listener;
    if (this.#ended) {
      this.#tellEnd();
    }
  }

  /** One batch; never two at once. Never rejects. */
  async run(request: Request, options: RunOptions = {}): Promise<BatchOutcome> {
    if (!this.usable || this.#current !== undefined) {
      const busy = this.#current === undefined ? 'the session has ended' : 'the session is busy';
      return { kind: 'lost', error: this.#firstError ?? new Error(busy) };
    }
    const batch = new Batch(this.#named(request), options.limits);
    this.#current = batch;
    this.#client.query(batch);
    const settled = batch.outcome.then((outcome) => {
      this.#names.settled(outcome);
      return outcome;
    });
    if (options.timeoutMs === undefined) {
      return await settled;
    }
    const timer = this.#clock.after(options.timeoutMs, () => {
      this.#silent = true;
      this.#firstError ??= new Error(`no answer within ${options.timeoutMs} ms`);
      this.destroy();
    });
    try {
      return await settled;
    } finally {
      timer.cancel();
    }
  }

  /** Behind a pooler the next batch may meet another server process, which knows no names of ours. */
  #named(request: Request): Request {
    return request.kind === 'steps' && this.wirePid === this.backend.pid
      ? { ...request, steps: this.#names.plan(request.steps), dropped: this.#names.takeDropped() }
      : request;
  }

  /** Cuts the connection: the engine rolls back what is not prepared as soon as it notices. */
  destroy(): void {
    this.#destroyed = true;
    this.#client.connection.stream.destroy();
  }

  /** Ends an idle session in good order. */
  async close(): Promise<void> {
    if (this.usable && !this.busy) {
      this.#destroyed = true;
      const stuck = this.#clock.after(GOODBYE_TIMEOUT_MS, () => this.#client.connection.stream.destroy());
      await this.#client.end().catch(() => undefined);
      stuck.cancel();
    } else {
      this.destroy();
    }
  }

  #end(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#firstError ??= new Error('the connection was closed');
    const batch = this.#current;
    this.#current = undefined;
    batch?.lost(this.#firstError);
    this.#tellEnd();
  }

  #tellEnd(): void {
    const end = { reason: lostReason(this.#firstError), deliberate: this.#destroyed && !this.#silent };
    const user = this.#user;
    this.#user = undefined;
    for (const listener of [...this.#endListeners.splice(0), ...(user === undefined ? [] : [user])]) {
      listener(end);
    }
  }
}
