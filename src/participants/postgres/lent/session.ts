// The application's PostgreSQL client as the session of a branch: what the application does on it meanwhile, and ours in between.

import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { formatXid } from '../../../xa/xid.ts';
import {
  ASKED_TO_END,
  ENDED_BY_APPLICATION,
  LEFT_OPEN,
  type LentSessionParts,
  OBEY_MS,
  OPEN_ALREADY,
} from '../../lent/application-branch.ts';
import { Loan } from '../../lent/lending.ts';
import { EngineError } from '../../resource-manager.ts';
import { isDisguised } from '../branch/branch-wire.ts';
import { failureOf, valueAt } from '../branch/judge.ts';
import type { Footprint } from '../branch/reader.ts';
import {
  Batch,
  type BatchOutcome,
  type BatchRequest,
  type BatchStep,
  type BlockStatus,
  type StepResult,
} from '../protocol/batch.ts';
import type { PgClient } from '../protocol/driver-insides.ts';
import { lostReason } from '../protocol/errors.ts';
import type { Backend, BatchOptions, PgBranchSession, SessionEnd } from '../session/session-port.ts';
import type { SessionState } from '../session/session-state.ts';
import { sessionTag } from '../sql/gid.ts';
import { ApplicationSide } from './application-side.ts';
import { cancelPg, whenIdle } from './connection.ts';

/** A setting of our own that ends with the transaction: it tells ours from one that the application chained to it. */
const MARK = 'concordat.branch';

/** Behind a rollback, so that nothing that the application still sends is committed: its end fails, with a name that says why. */
const PARK: readonly BatchStep[] = [
  { text: 'begin' },
  { text: 'rollback to savepoint "the global transaction was rolled back"' },
];
/** What COMMIT PREPARED is told in this session, when the branch's own settings are over. */
const LEVEL: BatchStep = { text: 'show client_min_messages' };
/** Levels at which no warning is told, not even that a wait for the synchronous standby was cut off. */
const DEAF: ReadonlySet<string | null | undefined> = new Set(['error', 'fatal', 'panic']);

export class LentPgSession implements PgBranchSession {
  /** Every branch sets its own. */
  readonly idleTimeoutMs = undefined;
  /** The branch belongs to the role that logged in. */
  state: SessionState = { role: 'none', encoding: 'UTF8', settings: undefined };
  /** Until the application has asked for the end, a rollback leaves the client in a transaction that has failed. */
  isAtWork = true;
  readonly #parts: LentSessionParts<PgClient>;
  readonly #client: PgClient;
  readonly #footprint: Footprint;
  readonly #tag: string;
  readonly #loan: Loan;
  readonly #reported = new Map<string, string>();
  readonly #application: ApplicationSide;
  #user: ((end: SessionEnd) => void) | undefined;
  #current: Batch | undefined;
  #taking: Promise<Reason | undefined> | undefined;
  #isGone = false;
  #hasBegun = false;
  /** Why BEGIN was not sent, and never will be: the client is as it was. */
  #notBegun: unknown;
  #isParking = false;
  #isParked = false;
  #isGivenBack = false;
  #hearsWarnings = true;

  /** What the application's statements do is noted in `footprint`. @throws {TypeError} it is lent already. */
  constructor(parts: LentSessionParts<PgClient>, footprint: Footprint) {
    this.#parts = parts;
    this.#client = parts.connection;
    this.#footprint = footprint;
    this.#tag = sessionTag({ ...parts.xid, opening: parts.options.opening });
    this.#loan = new Loan(parts.connection);
    this.#application = new ApplicationSide(this.#client, footprint, {
      onDoomed: (reason) => this.#tell(reason),
      onGone: (cause) => this.#gone(cause),
      isDisguised: () => isDisguised(this, this.#tag),
    });
    this.#listen('on');
  }

  /** What the application does on the client. */
  get application(): ApplicationSide {
    return this.#application;
  }

  get released(): Promise<void> {
    return this.#loan.released;
  }

  /** The engine has committed work of the branch at the application's own word: how that is known. */
  get committedOutside(): string | undefined {
    return this.#application.committed;
  }

  /** Rolled back while the application was still at work. */
  get isParked(): boolean {
    return this.#isParked;
  }

  /** Nothing runs on the client, no transaction is open on it, and it would tell that a commit was not replicated. */
  get canFinish(): boolean {
    return this.usable && !this.busy && this.status === 'I' && this.#hearsWarnings;
  }

  get backend(): Backend {
    return { pid: this.#client.processID ?? 0, startedAt: '' };
  }

  get usable(): boolean {
    return !this.#isGone;
  }

  /** BEGIN was sent: until then nothing on the client is the branch's. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get busy(): boolean {
    return this.#hasBegun && this.#client.readyForQuery === false;
  }

  get status(): BlockStatus {
    return this.#hasBegun ? this.#clientStatus : 'I';
  }

  reported(setting: 'application_name' | 'client_encoding'): string | undefined {
    return this.#reported.get(setting);
  }

  setUser(listener: ((end: SessionEnd) => void) | undefined): void {
    this.#user = listener;
  }

  /** Behind BEGIN, in the same round trip; `opened` takes the answers. */
  openingSteps(): readonly BatchStep[] {
    return [{ text: `set local ${MARK} = '${formatXid(this.#parts.xid)}'` }, { text: 'show client_encoding' }];
  }

  /** From now on the application speaks. */
  opened(results: readonly StepResult[]): void {
    this.state = { ...this.state, encoding: results[1]?.rows[0]?.[0] ?? this.state.encoding };
    if (this.state.encoding !== 'UTF8') {
      this.#footprint.add({ locks: false, names: undefined }); // The server reads other names than we.
    }
    this.#application.begin();
  }

  async run(request: BatchRequest, { timeoutMs = ENGINE_CALL_MS }: BatchOptions = {}): Promise<BatchOutcome> {
    if (this.#notBegun !== undefined) {
      return { kind: 'lost', error: this.#notBegun };
    }
    const { clock } = this.#parts;
    const batch = new Batch(request, undefined);
    let isLate = false;
    const running = whenIdle(this.#client, () => {
      // Nothing of the application may run or wait when the branch begins: what it has begun would become part of it.
      if (!this.#hasBegun && this.#clientStatus !== 'I') {
        throw new EngineError(OPEN_ALREADY, { sessionLost: false });
      }
      if (isLate || this.#isGone) {
        throw new Error('the connection was closed');
      }
      this.#hasBegun = true;
      this.#current = batch;
      this.#application.asOurs(() => this.#client.query(batch));
      return batch.outcome;
    });
    try {
      return await within(running, { clock, timeoutMs }, () => {
        isLate = true;
        return new Error(`the database did not answer within ${timeoutMs} ms`);
      });
    } catch (error) {
      this.#notBegun = this.#hasBegun ? undefined : error;
      return { kind: 'lost', error };
    }
  }

  takeOver(): Promise<Reason | undefined> {
    this.#taking ??= this.#takeOver();
    return this.#taking;
  }

  /** What the application still sends is refused, with `why`. */
  refuse(why: string): void {
    this.#application.refuse(why);
  }

  async stop(): Promise<boolean> {
    this.#application.pause();
    // A statement of the application runs, for instance in a queue for a lock: if it is a short one, it may end by itself.
    if (this.#current !== undefined || !(await this.#isIdleWithin(OBEY_MS))) {
      await cancelPg(this.#client, this.#parts.clock);
    }
    return (await this.#isIdleWithin(OBEY_MS)) && this.usable;
  }

  behindEnd(): readonly BatchStep[] {
    this.#isParking = this.isAtWork && this.#taking === undefined;
    return this.#isParking ? PARK : [LEVEL];
  }

  isCleanBy(_: readonly BatchStep[], results: readonly StepResult[]): boolean {
    this.#isParked = this.#isParking;
    if (!this.#isParked) {
      this.#hearsWarnings = results.length > 0 && !DEAF.has(results[0]?.rows[0]?.[0]);
    }
    return true;
  }

  destroy(): void {
    this.#client.connection.stream.destroy();
  }

  /** The client is the application's again. Never rejects. */
  async giveBack(): Promise<void> {
    if (!this.#isGivenBack) {
      this.#isGivenBack = true;
      if (this.#isParked) {
        await this.run({ kind: 'steps', steps: [{ text: 'rollback' }] });
      }
      this.#listen('off');
      this.#application.end();
      this.#loan.end();
    }
  }

  get #clientStatus(): BlockStatus {
    return this.#client.getTransactionStatus?.() ?? 'I';
  }

  async #takeOver(): Promise<Reason | undefined> {
    await this.#isIdleWithin(ENGINE_CALL_MS);
    const application = this.#application;
    application.pause();
    if (application.closed !== undefined) {
      return ENDED_BY_APPLICATION;
    }
    application.refuse(ASKED_TO_END);
    if (this.status === 'E' && application.firstError !== undefined) {
      return application.firstError;
    }
    if (application.depth > 0) {
      return LEFT_OPEN;
    }
    if (!application.mayHaveEnded) {
      return undefined;
    }
    const asked = await this.run({ kind: 'steps', steps: [{ text: `select current_setting('${MARK}', true)` }] });
    return failureOf(asked) ?? (valueAt(asked, 0) === formatXid(this.#parts.xid) ? undefined : ENDED_BY_APPLICATION);
  }

  #isIdleWithin(timeoutMs: number): Promise<boolean> {
    const idle = whenIdle(this.#client, () => true);
    return within(idle, { clock: this.#parts.clock, timeoutMs }, () => undefined).catch(() => false);
  }

  #listen(verb: 'on' | 'off'): void {
    const { connection } = this.#client;
    connection[verb]('notice', this.#onNotice);
    connection[verb]('parameterStatus', this.#onReport);
    connection[verb]('readyForQuery', this.#onReady);
  }

  readonly #onNotice = (notice: unknown): void => this.#current?.noticed(notice);

  readonly #onReport = (report: { readonly parameterName: string; readonly parameterValue: string }): void => {
    this.#reported.set(report.parameterName, report.parameterValue);
  };

  readonly #onReady = ({ status }: { readonly status: BlockStatus }): void => {
    const batch = this.#current;
    this.#current = undefined;
    batch?.ready(status);
  };

  #gone(cause: Error): void {
    if (!this.#isGone) {
      this.#isGone = true;
      this.#current?.lost(cause);
      this.#current = undefined;
      this.#tell(lostReason(cause));
    }
  }

  #tell(reason: Reason): void {
    this.#user?.({ reason, deliberate: false, silent: false });
  }
}
