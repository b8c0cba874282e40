// An open branch: BEGIN travels with its first statement, PREPARE TRANSACTION with its last; a doubt dooms it.
import { RESULT_BYTES_MAX, RESULT_ROWS_MAX } from '../../xa/limits.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Xid } from '../../xa/xid.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type Statement,
  type StatementResult,
} from '../resource-manager.ts';
import type { BatchOutcome, Request, Step, StepResult } from './batch.ts';
import { lostReason, statementReason } from './errors.ts';
import { formatEvidence, gidLiteral, sessionTag } from './gid.ts';
import type { Backend, PgSession } from './session.ts';
import { classifyStatement } from './statement.ts';
import { rowCountOf, statementResult, statementStep } from './values.ts';

/** What a branch asks of its adapter when its own session cannot tell any more. Bounded, and never rejecting. */
export interface BranchHost {
  readonly callTimeoutMs: number;
  /** The session is out of any transaction and as clean as it was. */
  release(session: PgSession): void;
  /** The branch will not use the adapter again. */
  forget(branch: PgBranch): void;
  /** Ends a server process that may still execute what the branch sent; resolves when it is gone, or could not be ended now. */
  abandon(xid: Xid, backend: Backend): Promise<void>;
  rollbackPrepared(xid: Xid): Promise<void>;
  /** How a one-phase commit ended whose answer was lost. */
  proveOnePhase(xid: Xid, xid8: string, backend: Backend): Promise<FinishResult>;
}

const LIMITS = { rowsMax: RESULT_ROWS_MAX, bytesMax: RESULT_BYTES_MAX };
const XID_IF_ANY = 'select pg_catalog.pg_current_xact_id_if_assigned()::text';
const ENDED: Reason = { code: 'BRANCH_STATE', message: 'the branch is prepared or ended', retryable: false };
const ROLLED_BACK: Reason = { code: 'BRANCH_UNKNOWN', message: 'the branch was rolled back', retryable: true };

export class PgBranch implements BranchSession {
  readonly #host: BranchHost;
  readonly #session: PgSession;
  readonly #xid: Xid;
  readonly #options: BranchOptions;
  #begun = false;
  /** A statement changed rows: a transaction number exists. */
  #wrote = false;
  #soiled = false;
  #ended = false;
  /** PREPARE TRANSACTION was sent and its answer was lost. */
  #mayBePrepared = false;
  #doom: Reason | undefined;
  #vote: Vote | undefined;
  #onePhase: FinishResult | undefined;
  #lost: Reason | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(host: BranchHost, session: PgSession, xid: Xid, options: BranchOptions) {
    this.#host = host;
    this.#session = session;
    this.#xid = xid;
    this.#options = options;
    session.onEnd(({ reason, deliberate }) => {
      if (!this.#ended && !deliberate) {
        this.#doom ??= reason;
        this.#lost = reason;
        this.#listener?.(reason);
      }
    });
  }

  async execute(statement: Statement): Promise<StatementResult> {
    this.#accept(statement);
    const outcome = await this.#run([statementStep(statement)]);
    return this.#statementResult(outcome, statement);
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    const changes = this.#accept(statement);
    if (!changes && !this.#wrote) {
      // It probably only reads, and PREPARE would give it a number and a slot: ask first, at the cost of a round trip.
      const outcome = await this.#run([statementStep(statement), { text: XID_IF_ANY }]);
      const result = this.#statementResult(outcome, statement);
      return { result, vote: await this.#voteOnce(() => this.#prepareWith(xidOf(outcome, 1))) };
    }
    const outcome = await this.#run(
      [
        statementStep(statement),
        { text: 'select pg_catalog.pg_current_xact_id()::text' },
        { text: this.#prepareText() },
      ],
      true,
    );
    const result = this.#statementResult(outcome, statement);
    return { result, vote: await this.#voteOnce(async () => this.#judge(outcome, xidOf(outcome, 1))) };
  }

  prepare(): Promise<Vote> {
    return this.#voteOnce(async () => {
      if (!this.#begun) {
        return { kind: 'read-only' };
      }
      if (!this.#wrote) {
        const outcome = await this.#call({ kind: 'simple', text: XID_IF_ANY });
        return this.#refusalOf(outcome) ?? (await this.#prepareWith(xidOf(outcome, 0)));
      }
      const outcome = await this.#call({ kind: 'simple', text: `${XID_IF_ANY};${this.#prepareText()}` }, true);
      return this.#judge(outcome, xidOf(outcome, 0));
    });
  }

  async commitOnePhase(announce: (evidence: Evidence) => void): Promise<FinishResult> {
    this.#onePhase ??= await this.#commitOnePhase(announce);
    await this.#letGo();
    return this.#onePhase;
  }

  async rollback(): Promise<void> {
    const prepared = this.#vote?.kind === 'prepared';
    this.#doom ??= ROLLED_BACK;
    if (this.#session.busy && !this.#ended) {
      // A deadline overtook a running call. A backend that waits for a lock would not notice the cut connection for a while.
      this.#session.destroy();
      await this.#host.abandon(this.#xid, this.#session.backend);
    }
    await this.#letGo();
    if (this.#mayBePrepared && !prepared) {
      this.#mayBePrepared = false;
      await this.#host.rollbackPrepared(this.#xid);
    }
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
    if (this.#lost !== undefined) {
      listener(this.#lost);
    }
  }

  /** True: the statement changes rows if it finds any. @throws {EngineError} */
  #accept(statement: Statement): boolean {
    if (this.#ended || this.#doom !== undefined) {
      throw new EngineError(this.#doom ?? ENDED, { sessionLost: !this.#session.usable });
    }
    const kind = classifyStatement(statement);
    if (kind.kind === 'refused') {
      this.#doom = kind.reason;
      throw new EngineError(kind.reason, { sessionLost: false });
    }
    this.#soiled ||= kind.soils;
    return kind.changes;
  }

  /** Statements of the branch, behind its BEGIN if that was not sent yet. */
  async #run(steps: readonly Step[], prepares = false): Promise<BatchOutcome> {
    const opening = this.#begun ? [] : this.#opening();
    this.#begun = true;
    this.#mayBePrepared ||= prepares;
    const outcome = await this.#session.run({ kind: 'steps', steps: [...opening, ...steps] }, { limits: LIMITS });
    this.#fenceIfLost(outcome);
    return outcome.kind === 'answered' ? { ...outcome, results: outcome.results.slice(opening.length) } : outcome;
  }

  async #call(request: Request, prepares = false): Promise<BatchOutcome> {
    this.#mayBePrepared ||= prepares;
    const outcome = await this.#session.run(request, { timeoutMs: this.#host.callTimeoutMs });
    this.#fenceIfLost(outcome);
    return outcome;
  }

  #fenceIfLost(outcome: BatchOutcome): void {
    if (outcome.kind !== 'answered' && this.#mayBePrepared) {
      // The vote does not wait for it: a branch that is found prepared later is rolled back by reconciliation.
      void this.#host.abandon(this.#xid, this.#session.backend);
    }
  }

  #opening(): readonly Step[] {
    const { isolation, readOnly, idleTimeoutMs } = this.#options;
    const level = isolation === 'default' ? '' : ` isolation level ${isolation.replace('-', ' ')}`;
    return [
      { text: `begin${level}${readOnly ? ' read only' : ''}` },
      // LOCAL: both end with the transaction, also at PREPARE, so that the pooled session is as it was.
      { text: `set local idle_in_transaction_session_timeout = ${Math.max(1, Math.round(idleTimeoutMs))}` },
      { text: `set local application_name = '${sessionTag(this.#xid)}'` },
    ];
  }

  #prepareText(): string {
    return `prepare transaction ${gidLiteral(this.#xid)}`;
  }

  /** The first result of a batch that began with a statement of the application. @throws {EngineError} */
  #statementResult(outcome: BatchOutcome, statement: Statement): StatementResult {
    const result = outcome.kind === 'answered' ? outcome.results[0] : undefined;
    const reason = result === undefined ? this.#failureOf(outcome) : this.#escapeOf(outcome, result);
    if (reason !== undefined) {
      this.#doom ??= reason;
      throw new EngineError(reason, {
        sessionLost: !this.#session.usable,
        cause: outcome.kind === 'too-large' ? undefined : outcome.error,
      });
    }
    if (result === undefined) {
      throw new EngineError(
        { code: 'INTERNAL', message: `no answer to ${statement.sql.length} characters`, retryable: false },
        { sessionLost: false },
      );
    }
    this.#wrote ||= /^(INSERT|UPDATE|DELETE|MERGE) /.test(result.tag) && rowCountOf(result.tag) > 0;
    return statementResult(result);
  }

  /** A statement that was not refused and yet took the session out of its transaction: the branch ended behind our back. */
  #escapeOf(outcome: BatchOutcome, result: StepResult): Reason | undefined {
    if (outcome.kind !== 'answered' || outcome.status === 'T' || outcome.error !== undefined) {
      return undefined;
    }
    if (outcome.results.at(-1)?.tag === 'PREPARE TRANSACTION') {
      return undefined;
    }
    this.#session.destroy();
    return { code: 'STATEMENT_REFUSED', message: `the statement ended the branch (${result.tag})`, retryable: false };
  }

  /** Why a batch did not do what it was sent for; undefined when it did. */
  #failureOf(outcome: BatchOutcome): Reason | undefined {
    switch (outcome.kind) {
      case 'answered':
        return outcome.error === undefined ? undefined : statementReason(outcome.error);
      case 'too-large':
        return { code: 'LIMIT_RESULT', message: outcome.message, retryable: false };
      default:
        return lostReason(outcome.error);
    }
  }

  #refusalOf(outcome: BatchOutcome): Vote | undefined {
    const reason = this.#failureOf(outcome);
    return reason === undefined ? undefined : { kind: 'rollback', reason };
  }

  async #voteOnce(vote: () => Promise<Vote>): Promise<Vote> {
    if (this.#vote === undefined) {
      const doomed = this.#doom ?? (this.#ended ? ENDED : undefined);
      const voted = doomed === undefined ? await vote() : undefined;
      // A rollback may have overtaken the prepare: whatever the engine answered, the branch is not to be committed.
      const reason = doomed ?? (voted?.kind === 'prepared' ? this.#doom : undefined);
      this.#vote = reason === undefined ? (voted ?? { kind: 'rollback', reason: ENDED }) : { kind: 'rollback', reason };
      if (this.#vote.kind === 'rollback') {
        this.#doom ??= this.#vote.reason;
      }
      await this.#letGo();
    }
    return this.#vote;
  }

  /** The transaction's number is known, or that it has none and so wrote nothing. */
  async #prepareWith(xid8: string | undefined): Promise<Vote> {
    if (xid8 === undefined) {
      const outcome = await this.#call({ kind: 'simple', text: 'commit' });
      const refusal = this.#refusalOf(outcome);
      const tag = outcome.kind === 'answered' ? outcome.results[0]?.tag : undefined;
      return refusal ?? (tag === 'COMMIT' ? { kind: 'read-only' } : unexpected(tag));
    }
    return this.#judge(await this.#call({ kind: 'simple', text: this.#prepareText() }, true), xid8);
  }

  /** Prepared only if the tag says so: in a failed transaction PREPARE TRANSACTION succeeds and answers ROLLBACK. */
  #judge(outcome: BatchOutcome, xid8: string | undefined): Vote {
    this.#mayBePrepared = outcome.kind !== 'answered';
    const refusal = this.#refusalOf(outcome);
    const tag = outcome.kind === 'answered' ? outcome.results.at(-1)?.tag : undefined;
    if (refusal !== undefined) {
      return refusal;
    }
    return tag === 'PREPARE TRANSACTION' && xid8 !== undefined
      ? { kind: 'prepared', evidence: formatEvidence(xid8) }
      : unexpected(tag);
  }

  async #commitOnePhase(announce: (evidence: Evidence) => void): Promise<FinishResult> {
    if (this.#doom !== undefined || this.#ended) {
      return { kind: 'done-otherwise', proof: `rolled back: ${(this.#doom ?? ENDED).message}` };
    }
    if (!this.#begun) {
      return { kind: 'done' };
    }
    const asked = await this.#call({ kind: 'simple', text: XID_IF_ANY });
    const failed = this.#failureOf(asked);
    if (failed !== undefined) {
      // Nothing was committed yet, and without its session the branch cannot be.
      this.#doom ??= failed;
      return { kind: 'done-otherwise', proof: `rolled back: ${failed.message}` };
    }
    const xid8 = xidOf(asked, 0);
    if (xid8 !== undefined) {
      announce(formatEvidence(xid8));
    }
    const outcome = await this.#call({ kind: 'simple', text: 'commit' });
    if (outcome.kind !== 'answered') {
      return xid8 === undefined
        ? { kind: 'unknown', reason: this.#failureOf(outcome) ?? ENDED }
        : await this.#host.proveOnePhase(this.#xid, xid8, this.#session.backend);
    }
    const tag = outcome.results[0]?.tag;
    if (outcome.error === undefined && tag === 'COMMIT') {
      return { kind: 'done' };
    }
    const why =
      outcome.error === undefined ? `the answer was ${tag}` : `${outcome.error.code} ${outcome.error.message}`;
    return { kind: 'done-otherwise', proof: `COMMIT rolled back: ${why}` };
  }

  /** Gives the session back, clean or not at all. */
  async #letGo(): Promise<void> {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    const session = this.#session;
    this.#host.forget(this);
    if (session.usable && !session.busy && session.status !== 'I') {
      await session.run({ kind: 'simple', text: 'rollback' }, { timeoutMs: this.#host.callTimeoutMs });
    }
    if (this.#soiled) {
      await session.close();
    } else {
      this.#host.release(session);
    }
  }
}

/** The single value of the statement at `index`; undefined: null, or not answered. */
function xidOf(outcome: BatchOutcome, index: number): string | undefined {
  return (outcome.kind === 'answered' ? outcome.results[index]?.rows[0]?.[0] : undefined) ?? undefined;
}

function unexpected(tag: string | undefined): Vote {
  const message = `the engine rolled the branch back (it answered ${tag ?? 'nothing'})`;
  return { kind: 'rollback', reason: { code: 'STATEMENT_FAILED', message, retryable: false } };
}
