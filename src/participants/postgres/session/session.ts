// One connection: connected and set up once, one batch at a time, destroyed at the first doubt.
import type { Client } from 'pg';
import type { Clock } from '../../../lib/clock.ts';
import {
  Batch,
  type BatchOutcome,
  type BatchRequest,
  type BatchStep,
  type BlockStatus,
  type StepResult,
} from '../protocol/batch.ts';
import { lostReason } from '../protocol/errors.ts';
import { NamedStatements } from '../protocol/named-statements.ts';
import type { Backend, BatchOptions, PgBranchSession, SessionEnd } from './session-port.ts';
import { type BranchEnd, cleanSteps, isClean, type SessionState } from './session-state.ts';

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** How long an idle session may take to say goodbye. */
const GOODBYE_TIMEOUT_MS = 1_000;
export class PgSession implements PgBranchSession {
  readonly idleTimeoutMs: number;
  backend: Backend = { pid: 0, startedAt: '' };
  /** Of the engine, as it said when the session was opened. */
  identity = '';
  state: SessionState = { role: 'none', encoding: 'UTF8', settings: undefined };
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #names = new NamedStatements();
  readonly #reported = new Map<string, string>();
  readonly #endListeners: ((end: SessionEnd) => void)[] = [];
  #user: ((end: SessionEnd) => void) | undefined;
  #current: Batch | undefined;
  #status: BlockStatus = 'I';
  #answeredAtMs: number;
  #ended = false;
  #destroyed = false;
  #silent = false;
  #firstError: unknown;

  /** Made by `openSession`. */
  constructor(client: Client, settings: { readonly clock: Clock; readonly idleTimeoutMs: number }) {
    this.#client = client;
    this.#clock = settings.clock;
    this.#answeredAtMs = settings.clock.now();
    this.idleTimeoutMs = settings.idleTimeoutMs;
    // Without a listener an idle session that the server ends would end the process.
    client.on('error', (error) => {
      this.#firstError ??= error;
    });
    const { connection } = client;
    connection.on('readyForQuery', (message: { readonly status: BlockStatus }) => {
      this.#status = message.status;
      this.#answeredAtMs = this.#clock.now();
      const batch = this.#current;
      this.#current = undefined;
      if (batch?.ready(message.status)) {
        this.destroy();
      }
    });
    connection.on('parameterStatus', (message: ParameterStatus) => {
      this.#reported.set(message.parameterName, message.parameterValue);
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
  get status(): BlockStatus {
    return this.#status;
  }

  /** A setting that the server tells by itself with the answer that changed it; undefined: none has, since the session was opened. */
  reported(setting: 'application_name' | 'client_encoding'): string | undefined {
    return this.#reported.get(setting);
  }

  /** When the server was last heard. */
  get answeredAtMs(): number {
    return this.#answeredAtMs;
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
  async run(request: BatchRequest, options: BatchOptions = {}): Promise<BatchOutcome> {
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
  #named(request: BatchRequest): BatchRequest {
    return request.kind === 'steps' && this.wirePid === this.backend.pid
      ? { ...request, steps: this.#names.plan(request.steps), dropped: this.#names.takeDropped() }
      : request;
  }

  /** Nobody but its branch speaks in it. */
  async takeOver(): Promise<undefined> {}

  async stop(): Promise<boolean> {
    if (this.busy) {
      // A backend that waits for a lock does not notice the cut connection for a while: whoever stops it ends that, too.
      this.destroy();
    }
    return this.usable;
  }

  behindEnd(end: BranchEnd): readonly BatchStep[] {
    return cleanSteps(this.state, end);
  }

  isCleanBy(steps: readonly BatchStep[], results: readonly StepResult[]): boolean {
    return isClean(steps, results);
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
    const deliberate = this.#destroyed && !this.#silent;
    const end = { reason: lostReason(this.#firstError), deliberate, silent: this.#silent };
    const user = this.#user;
    this.#user = undefined;
    for (const listener of [...this.#endListeners.splice(0), ...(user === undefined ? [] : [user])]) {
      listener(end);
    }
  }
}
