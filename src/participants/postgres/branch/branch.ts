// An open branch: executes until something dooms it, votes once, ends once.
import { type EvidenceRow, rowEvidence } from '../../../xa/evidence.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
import type { Xid } from '../../../xa/xid.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type OnePhaseResult,
  type Statement,
  type StatementResult,
} from '../../resource-manager.ts';
import type { BatchOutcome } from '../protocol/batch.ts';
import { DISGUISED } from '../protocol/errors.ts';
import { statementResult, statementStep } from '../protocol/values.ts';
import type { PgSession } from '../session/session.ts';
import { classifyStatement, type StatementKind } from '../sql/statement.ts';
import { type BranchHost, BranchWire } from './branch-wire.ts';
import { controlTag, failureOf, judgeOnePhase, judgePrepare, judgeReadOnly, judgeSilent, valueAt } from './judge.ts';
import { addNames, HOLDS_BUT_READ_ONLY, lookAt } from './reader.ts';

// Qualified, for the application may have put another schema in front. With an empty list of values it is a statement that the session
// keeps, which costs the engine next to nothing.
const XID_IF_ANY_STEP = { text: 'select pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text', values: [] };
const ENDED: Reason = { code: 'BRANCH_STATE', message: 'the branch is prepared or ended', retryable: false };
const ROLLED_BACK: Reason = { code: 'BRANCH_UNKNOWN', message: 'the branch was rolled back', retryable: true };

export class PgBranch implements BranchSession {
  readonly #host: BranchHost;
  readonly #wire: BranchWire;
  readonly #row: EvidenceRow;
  /** The transaction has a number, which it gets with its first write. */
  #hasWritten = false;
  /** Whatever its statements may have named; undefined: they may have done anything. Of interest until it has written. */
  #names: ReadonlySet<string> | undefined = new Set();
  /** It has locked a table by name. */
  #locks = false;
  #ended = false;
  #doom: Reason | undefined;
  #vote: Vote | undefined;
  #onePhase: FinishResult | undefined;
  #lost: Reason | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(host: BranchHost, session: PgSession, xid: Xid, options: BranchOptions) {
    this.#host = host;
    this.#row = { ...xid, opening: options.opening };
    this.#wire = new BranchWire(host, session, this.#row, options);
    session.setUser(({ reason, deliberate }) => {
      if (!this.#ended && !deliberate) {
        this.#doom ??= reason;
        this.#lost = reason;
        this.#listener?.(reason);
      }
    });
  }

  async execute(statement: Statement): Promise<StatementResult> {
    const { goesBack } = this.#accept(statement);
    const step = statementStep(statement);
    const outcome = await this.#wire.run(this.#hasWritten ? [step] : [step, XID_IF_ANY_STEP]);
    await this.#refuseControl(outcome, { goesBack, isOpen: true });
    const result = this.#resultOf(outcome);
    this.#hasWritten ||= valueAt(outcome, 1) !== undefined;
    return result;
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    const { changes, goesBack } = this.#accept(statement);
    const step = statementStep(statement);
    if (!changes && !this.#hasWritten) {
      // It probably only reads, and PREPARE would give it a number and a slot: look first, at the cost of a round trip.
      const looked = await this.#wire.look(this.#names, [step]);
      await this.#refuseControl(looked, { goesBack, isOpen: true });
      const result = this.#resultOf(looked);
      return { result, vote: await this.#voteOnce(() => this.#endReader(looked, 2)) };
    }
    const outcome = await this.#wire.runAndPrepare(step);
    await this.#refuseControl(outcome, { goesBack, isOpen: false });
    const result = this.#resultOf(outcome);
    return { result, vote: await this.#voteOnce(() => this.#judged(outcome)) };
  }

  prepare(): Promise<Vote> {
    return this.#voteOnce(async () => {
      if (!this.#wire.begun) {
        return { kind: 'read-only' };
      }
      return await this.#prepareOrCommit();
    });
  }

  async askOnePhase(): Promise<OnePhaseResult> {
    const isOver = this.#ended || this.#doom !== undefined;
    return isOver || !this.#hasWritten
      ? await this.commitOnePhase()
      : { kind: 'has-written', evidence: this.#evidence };
  }

  async commitOnePhase(): Promise<FinishResult> {
    this.#onePhase ??= await this.#commitOnce();
    await this.#letGo();
    return this.#onePhase;
  }

  async rollback(): Promise<void> {
    this.#doom ??= ROLLED_BACK;
    const { session } = this.#wire;
    if (session.busy && !this.#ended) {
      // A deadline overtook a running call. A backend that waits for a lock would not notice the cut connection for a while.
      session.destroy();
      await this.#host.abandon(this.#row, session.backend);
    }
    await this.#letGo();
    if (this.#wire.mayBePrepared) {
      await this.#host.rollbackPrepared(this.#row);
    }
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
    if (this.#lost !== undefined) {
      listener(this.#lost);
    }
  }

  /** @throws {EngineError} */
  #accept(statement: Statement): Extract<StatementKind, { kind: 'accepted' }> {
    if (this.#ended || this.#doom !== undefined) {
      throw new EngineError(this.#doom ?? ENDED, { sessionLost: !this.#wire.session.usable });
    }
    const kind = classifyStatement(statement);
    if (kind.kind === 'refused') {
      throw this.#doomed(kind.reason, undefined);
    }
    if (!this.#hasWritten) {
      this.#locks ||= kind.locks;
      this.#names = addNames(this.#names, kind.names);
    }
    return kind;
  }

  /**
   * Not refused by its words, and yet the engine answered it as transaction control: the branch is not ours any more. What it had written
   * is committed, if that was the answer: told as damage, with a row as for any other commit. @throws {EngineError}
   */
  async #refuseControl(
    outcome: BatchOutcome,
    expected: { readonly goesBack: boolean; readonly isOpen: boolean },
  ): Promise<void> {
    const tag = controlTag(outcome, expected);
    if (tag === undefined) {
      return;
    }
    const wrote = this.#hasWritten;
    this.#wire.session.destroy();
    const message = `the statement ended the branch: the engine answered ${tag}`;
    const error = this.#doomed({ code: 'STATEMENT_REFUSED', message, retryable: false }, undefined);
    if (!expected.isOpen) {
      // What was sent behind it may have been prepared in a transaction that it began.
      await this.#host.rollbackPrepared(this.#row);
    }
    if (!wrote || (tag !== 'COMMIT' && tag !== 'PREPARE TRANSACTION')) {
      throw error;
    }
    await this.#host.keepDamage(this.#row);
    const end = tag === 'COMMIT' ? 'it is committed' : 'it is prepared under another name: see pg_prepared_xacts';
    const damage = `the engine answered ${tag} to a statement of the branch, which had written before: ${end}`;
    throw new EngineError(error.reason, { sessionLost: true, damage });
  }

  /** The answer to the first statement of a batch. @throws {EngineError} */
  #resultOf(outcome: BatchOutcome): StatementResult {
    const result = outcome.kind === 'answered' && outcome.error !== DISGUISED ? outcome.results[0] : undefined;
    if (result === undefined) {
      const internal: Reason = { code: 'INTERNAL', message: 'the engine answered nothing', retryable: false };
      throw this.#doomed(failureOf(outcome) ?? internal, outcome.kind === 'too-large' ? undefined : outcome.error);
    }
    return statementResult(result);
  }

  /** The first reason stays: it is the one that explains the others. */
  #doomed(reason: Reason, cause: unknown): EngineError {
    this.#doom ??= reason;
    return new EngineError(reason, { sessionLost: !this.#wire.session.usable, cause });
  }

  async #voteOnce(vote: () => Promise<Vote>): Promise<Vote> {
    if (this.#vote === undefined) {
      const doom = this.#doom ?? (this.#ended ? ENDED : undefined);
      let voted: Vote = doom === undefined ? await vote() : { kind: 'rollback', reason: doom };
      if (voted.kind === 'prepared' && this.#doom !== undefined) {
        // A rollback overtook the prepare and met its answer on the way.
        voted = { kind: 'rollback', reason: this.#doom };
        await this.#host.rollbackPrepared(this.#row);
      }
      if (voted.kind === 'rollback') {
        this.#doom ??= voted.reason;
      }
      this.#vote = voted;
      await this.#letGo();
    }
    return this.#vote;
  }

  async #prepareOrCommit(): Promise<Vote> {
    return this.#hasWritten
      ? await this.#judged(await this.#wire.callWithRow('prepare'))
      : await this.#endReader(await this.#wire.look(this.#names, []), 1);
  }

  /**
   * Without a number the transaction wrote nothing: it ends at once, unless it holds locks that must last. A plain COMMIT would deliver
   * notifications before the decision, so that it is for a branch that can have sent none.
   */
  async #endReader(looked: BatchOutcome, at: number): Promise<Vote> {
    const found = looked.kind === 'answered' ? lookAt(looked.results[at]) : undefined;
    switch (this.#locks && found !== undefined ? 'holds' : found) {
      case 'read':
        return judgeReadOnly(await this.#wire.call('commit'));
      case 'may-have-sent':
        return judgeSilent(await this.#wire.callSilently());
      case 'holds':
        if (this.#wire.isReadOnly) {
          return { kind: 'rollback', reason: HOLDS_BUT_READ_ONLY };
        }
        return await this.#judged(await this.#wire.callWithRow('prepare'));
      case undefined:
        return { kind: 'rollback', reason: failureOf(looked) ?? ENDED };
    }
  }

  async #judged(outcome: BatchOutcome): Promise<Vote> {
    const vote = judgePrepare(outcome, this.#evidence);
    if (vote.kind === 'rollback' && outcome.kind === 'answered' && outcome.isUnreplicated) {
      await this.#host.rollbackPrepared(this.#row);
    }
    return vote;
  }

  get #evidence(): Evidence {
    return rowEvidence(this.#row.opening);
  }

  async #commitOnce(): Promise<FinishResult> {
    if (this.#doom !== undefined || this.#ended) {
      return { kind: 'done-otherwise', proof: `rolled back: ${(this.#doom ?? ENDED).message}` };
    }
    if (!this.#wire.begun) {
      return { kind: 'done' };
    }
    const wrote = this.#hasWritten;
    const outcome = wrote ? await this.#wire.callWithRow('commit') : await this.#wire.call('commit');
    if (outcome.kind === 'answered' && !outcome.isUnreplicated) {
      return judgeOnePhase(outcome);
    }
    return wrote
      ? await this.#host.proveOnePhase(this.#row, this.#wire.session.backend)
      : { kind: 'unknown', reason: failureOf(outcome) ?? ENDED };
  }

  /** Ends the transaction where it is still open, and gives the session back. */
  async #letGo(): Promise<void> {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    const { session } = this.#wire;
    if (session.usable && !session.busy && session.status !== 'I') {
      await this.#wire.call('rollback');
    } else if (session.usable && !session.busy && !this.#wire.isClean) {
      await this.#wire.clean();
    }
    session.setUser(undefined);
    this.#host.release(session, this.#wire.isClean);
  }
}
