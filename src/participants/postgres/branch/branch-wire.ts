// What a branch sends through its session, its own or a lent one: BEGIN ahead of its first statement, the role and the settings that its
// end needs, and a fence when a prepare's answer is lost.

import type { EvidenceRow } from '../../../xa/evidence.ts';
import { RESULT_BYTES_MAX, RESULT_ROWS_MAX } from '../../../xa/limits.ts';
import type { FinishResult } from '../../../xa/vocabulary.ts';
import { type BranchOptions, characteristics } from '../../resource-manager.ts';
import type { BatchOutcome, BatchStep } from '../protocol/batch.ts';
import { DISGUISED } from '../protocol/errors.ts';
import type { Backend, BatchOptions, PgBranchSession } from '../session/session-port.ts';
import { type BranchEnd, RESTORE_CHECKS_AT, restoreSteps } from '../session/session-state.ts';
import { gidLiteral, sessionTag } from '../sql/gid.ts';
import { insertRowStep } from '../tables/rows.ts';
import { BRANCH_TABLE } from '../tables/tables.ts';
import { lookSteps } from './reader.ts';

/** What a branch asks of its adapter when its own session cannot tell any more. Bounded, and never rejecting. */
export interface BranchHost {
  readonly callTimeoutMs: number;
  /** The session has done its part for the branch, as `end` says. */
  release(end: SessionRelease): void | Promise<void>;
  /** Ends a server process that may still execute what the branch sent; resolves when it is gone, or could not be ended now. */
  abandon(row: EvidenceRow, backend: Backend): Promise<void>;
  rollbackPrepared(row: EvidenceRow): Promise<void>;
  /** How a one-phase commit ended whose answer was lost. */
  proveOnePhase(row: EvidenceRow, backend: Backend): Promise<FinishResult>;
  /** Writes the row of a branch that its own statement committed, so that whoever asks later finds it. */
  keepDamage(row: EvidenceRow): Promise<void>;
}

export interface SessionRelease {
  /** Otherwise it may carry something over to the next branch. */
  readonly isClean: boolean;
  /** The branch is prepared, and waits for its decision. */
  readonly isPrepared: boolean;
}

/** What a branch wants done in one round trip. */
interface Work {
  readonly steps: readonly BatchStep[];
  /** Behind them, what ends the transaction or asks about its end. */
  readonly close: readonly BatchStep[];
  /** The role and the limits that the application may have changed are ours again before `close`. */
  readonly restores: boolean;
  /** How `close` ends the transaction, if it does. */
  readonly end: BranchEnd | undefined;
}

const COMMIT: BatchStep = { text: 'commit', values: [] };
const ROLLBACK: BatchStep = { text: 'rollback', values: [] };
/** Takes a lock that the row needs anyway, and fails outside of a transaction: then the row would be committed by itself. */
const STILL_OPEN: BatchStep = { text: `lock table only ${BRANCH_TABLE} in row exclusive mode`, values: [] };
const LIMITS = { rowsMax: RESULT_ROWS_MAX, bytesMax: RESULT_BYTES_MAX };

export class BranchWire {
  readonly session: PgBranchSession;
  readonly #host: BranchHost;
  readonly #row: EvidenceRow;
  readonly #options: BranchOptions;
  #begun = false;
  #isClean = false;
  #mayBePrepared = false;

  constructor(host: BranchHost, session: PgBranchSession, row: EvidenceRow, options: BranchOptions) {
    this.session = session;
    this.#host = host;
    this.#row = row;
    this.#options = options;
  }

  /** BEGIN, and `steps` behind it. */
  begin(steps: readonly BatchStep[]): Promise<BatchOutcome> {
    return this.#call({ steps, close: [], restores: false, end: undefined });
  }

  /** A question of ours to the open branch. */
  ask(step: BatchStep): Promise<BatchOutcome> {
    return this.#call({ steps: [step], close: [], restores: false, end: undefined });
  }

  /** Whatever still runs ends now, and with it what it could still prepare. */
  async cutOff(): Promise<void> {
    if (!(await this.session.stop())) {
      await this.#host.abandon(this.#row, this.session.backend);
    }
  }

  /** BEGIN was sent. */
  get begun(): boolean {
    return this.#begun;
  }

  /** PREPARE TRANSACTION was sent, and no answer has told what became of it. */
  get mayBePrepared(): boolean {
    return this.#mayBePrepared;
  }

  get isReadOnly(): boolean {
    return this.#options.readOnly;
  }

  /** Behind the end of the branch the session was cleaned: the next one finds nothing of it. */
  get isClean(): boolean {
    return !this.#begun || this.#isClean;
  }

  /** A statement of the application, as long as it takes, and what is asked along with it; the results are theirs alone. */
  run(steps: readonly BatchStep[]): Promise<BatchOutcome> {
    return this.#run({ steps, close: [], restores: false, end: undefined }, { limits: LIMITS });
  }

  /** The last statement of the application and the prepare behind it. */
  runAndPrepare(step: BatchStep): Promise<BatchOutcome> {
    const close = [STILL_OPEN, insertRowStep(this.#row), this.#prepareStep];
    return this.#run({ steps: [step], close, restores: true, end: 'prepared' }, { limits: LIMITS });
  }

  /** What a branch without a number did beside reading, asked behind its last statement if that is given: see `lookAt`. */
  look(names: Iterable<string> | undefined, steps: readonly BatchStep[]): Promise<BatchOutcome> {
    const options = steps.length > 0 ? { limits: LIMITS } : { timeoutMs: this.#host.callTimeoutMs };
    return this.#run({ steps, close: lookSteps(names), restores: true, end: undefined }, options);
  }

  /** The row and the end of a branch that wrote, answered in time. */
  callWithRow(end: 'prepare' | 'commit'): Promise<BatchOutcome> {
    const prepares = end === 'prepare';
    const close = [insertRowStep(this.#row), prepares ? this.#prepareStep : COMMIT];
    return this.#call({ steps: [], close, restores: true, end: prepares ? 'prepared' : 'committed' });
  }

  /** Ends a branch that wrote nothing, unless it has sent notifications: PREPARE TRANSACTION refuses those. */
  callSilently(): Promise<BatchOutcome> {
    const close = [this.#prepareStep, { text: `commit prepared ${gidLiteral(this.#row)}` }];
    return this.#call({ steps: [], close, restores: true, end: 'prepared' });
  }

  /** The end of a branch without a row, answered in time. */
  call(end: 'commit' | 'rollback'): Promise<BatchOutcome> {
    return end === 'commit'
      ? this.#call({ steps: [], close: [COMMIT], restores: false, end: 'committed' })
      : this.#call({ steps: [], close: [ROLLBACK], restores: false, end: 'rolled-back' });
  }

  /** Cleans the session of a branch that ended without it. */
  async clean(): Promise<void> {
    const steps = this.session.behindEnd('committed');
    const outcome = await this.session.run({ kind: 'steps', steps }, { timeoutMs: this.#host.callTimeoutMs });
    this.#isClean = outcome.kind === 'answered' && this.session.isCleanBy(steps, outcome.results);
  }

  get #prepareStep(): BatchStep {
    return { text: `prepare transaction ${gidLiteral(this.#row)}` };
  }

  #call(work: Work): Promise<BatchOutcome> {
    return this.#run(work, { timeoutMs: this.#host.callTimeoutMs });
  }

  /** One round trip: what opens the branch if nothing has yet, the work, and what cleans the session behind an end. */
  async #run({ steps, close, restores, end }: Work, options: BatchOptions): Promise<BatchOutcome> {
    const opening = this.#begun ? [] : this.#opening();
    this.#begun = true;
    this.#isClean = false;
    const { state } = this.session;
    const ahead = [...opening, ...steps, ...(restores ? restoreSteps(state, sessionTag(this.#row)) : [])];
    const behind = end === undefined ? [] : this.session.behindEnd(end);
    const outcome = await this.#watched(end === 'prepared', () =>
      this.session.run({ kind: 'steps', steps: [...ahead, ...close, ...behind] }, options),
    );
    if (outcome.kind !== 'answered') {
      return outcome;
    }
    const { results } = outcome;
    const own = ahead.length + close.length;
    const check = opening.length + steps.length + RESTORE_CHECKS_AT;
    const failedAtCheck = restores && results.length === check && outcome.error?.code === '22012';
    const isOpen = end === undefined && outcome.error === undefined && outcome.status === 'T';
    this.#isClean = end !== undefined && this.session.isCleanBy(behind, results.slice(own));
    return {
      ...outcome,
      results: [...results.slice(opening.length, opening.length + steps.length), ...results.slice(ahead.length, own)],
      // What fails behind the end leaves a session that is not clean, and changes nothing about the branch.
      error:
        failedAtCheck || (isOpen && isDisguised(this.session, sessionTag(this.#row)))
          ? DISGUISED
          : results.length < own
            ? outcome.error
            : undefined,
    };
  }

  async #watched(prepares: boolean, run: () => Promise<BatchOutcome>): Promise<BatchOutcome> {
    this.#mayBePrepared = prepares;
    const outcome = await run();
    if (outcome.kind === 'answered') {
      this.#mayBePrepared = false;
    } else if (prepares) {
      // The vote does not wait for it: a branch that is found prepared later is rolled back by reconciliation.
      void this.cutOff();
    }
    return outcome;
  }

  #opening(): readonly BatchStep[] {
    const idleTimeoutMs = wholeMs(this.#options.idleTimeoutMs);
    // With an empty list of values: a statement that the session keeps.
    const begin = { text: ['begin', ...characteristics(this.#options)].join(' '), values: [] };
    // LOCAL: both end with the transaction, also at PREPARE, so that the pooled session is as it was. Not set_config, which the session
    // could keep: a query would take the snapshot of the branch before the application's first lock.
    const tag = { text: `set local application_name = '${sessionTag(this.#row)}'` };
    const idle = { text: `set local idle_in_transaction_session_timeout = ${idleTimeoutMs}` };
    return idleTimeoutMs === this.session.idleTimeoutMs ? [begin, tag] : [begin, tag, idle];
  }
}

/** Whoever looks for the session of the branch does not find it; or its texts are not what they were when they were sent. */
export function isDisguised(session: Pick<PgBranchSession, 'reported' | 'state'>, tag: string): boolean {
  const { encoding } = session.state;
  return (
    (session.reported('application_name') ?? tag) !== tag ||
    (session.reported('client_encoding') ?? encoding) !== encoding
  );
}

/** PostgreSQL's timeouts are whole milliseconds, and 0 switches them off. */
export function wholeMs(ms: number): number {
  return Math.min(Math.max(1, Math.round(ms)), 2 ** 31 - 1);
}
