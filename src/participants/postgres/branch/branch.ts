// An open branch, in a session of our own or in the application's: executes until something dooms it, votes once, ends once.
import { type EvidenceRow, rowEvidence } from '../../../xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
import type { Xid } from '../../../xa/xid.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type OnePhaseResult,
  type Statement,
  type StatementResult,
} from '../../resource-manager.ts';
import type { BatchOutcome, BatchStep, StepResult } from '../protocol/batch.ts';
import { DISGUISED } from '../protocol/errors.ts';
import { statementResult, statementStep } from '../protocol/values.ts';
import type { PgBranchSession } from '../session/session-port.ts';
import { classifyStatement, type StatementKind } from '../sql/statement.ts';
import { type BranchHost, BranchWire } from './branch-wire.ts';
import { COMMITTING, controlTag, ENDED, failureOf, judgeOnePhase, valueAt } from './judge.ts';
import { Footprint, XID_IF_ANY_STEP } from './reader.ts';
import { endReader, prepared, type Voting } from './vote.ts';

const BRANCH_ROLLED_BACK: Reason = { code: 'BRANCH_UNKNOWN', message: 'the branch was rolled back', retryable: true };

export class PgBranch implements BranchSession {
  readonly #host: BranchHost;
  readonly #wire: BranchWire;
  readonly #row: EvidenceRow;
  readonly #footprint: Footprint;
  readonly #voting: Voting;
  #doom: Reason | undefined;
  /** A statement failed, and the engine takes nothing but the return to a savepoint. */
  #failed: Reason | undefined;
  #vote: Promise<Vote> | undefined;
  #onePhase: Promise<FinishResult> | undefined;
  #ending: Promise<void> | undefined;
  #lost: Reason | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  /** @param footprint where the application's statements come past the branch: what they do is noted there. */
  constructor(
    host: BranchHost,
    session: PgBranchSession,
    xid: Xid,
    options: BranchOptions,
    footprint = new Footprint(true),
  ) {
    this.#host = host;
    this.#footprint = footprint;
    this.#row = { ...xid, opening: options.opening };
    this.#wire = new BranchWire(host, session, this.#row, options);
    this.#voting = { host, wire: this.#wire, row: this.#row, footprint };
    session.setUser(({ reason, deliberate }) => {
      if (this.#ending === undefined && !deliberate) {
        this.#doom ??= this.#failed ?? reason;
        this.#lost = reason;
        this.#listener?.(reason);
      }
    });
  }

  /** Why it can only be rolled back; undefined: nothing is known. */
  get doom(): Reason | undefined {
    return this.#doom ?? this.#failed;
  }

  /** Opens it before its first statement, with `steps` behind. @throws {EngineError} it can only be rolled back. */
  async begin(steps: readonly BatchStep[]): Promise<readonly StepResult[]> {
    const outcome = await this.#wire.begin(steps);
    const reason = failureOf(outcome);
    if (outcome.kind !== 'answered' || reason !== undefined) {
      throw this.#doomed(reason ?? ENDED, undefined);
    }
    return outcome.results;
  }

  async execute(statement: Statement): Promise<StatementResult> {
    const { goesBack } = this.#accept(statement);
    const step = statementStep(statement);
    const outcome = await this.#wire.run(this.#footprint.hasWritten ? [step] : [step, XID_IF_ANY_STEP]);
    await this.#refuseControl(outcome, { goesBack, isOpen: true });
    const result = this.#resultOf(outcome);
    this.#failed = undefined; // Whatever failed was after the savepoint that it went back to.
    this.#footprint.hasWritten ||= valueAt(outcome, 1) !== undefined;
    return result;
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    const { changes, goesBack } = this.#accept(statement);
    const step = statementStep(statement);
    if (!changes && !this.#footprint.hasWritten) {
      // It probably only reads, and PREPARE would give it a number and a slot: look first, at the cost of a round trip.
      const looked = await this.#wire.look(this.#footprint.names, [step]);
      await this.#refuseControl(looked, { goesBack, isOpen: true });
      const result = this.#resultOf(looked);
      return { result, vote: await this.#voteOnce(() => endReader(this.#voting, looked, 2)) };
    }
    const outcome = await this.#wire.runAndPrepare(step);
    await this.#refuseControl(outcome, { goesBack, isOpen: false });
    const result = this.#resultOf(outcome);
    return { result, vote: await this.#voteOnce(() => prepared(this.#voting, outcome)) };
  }

  prepare(): Promise<Vote> {
    return this.#voteOnce(async () => {
      if (!this.#wire.begun) {
        return { kind: 'read-only' };
      }
      const reason = await this.#wire.session.takeOver();
      if (reason !== undefined) {
        return { kind: 'rollback', reason };
      }
      return this.#footprint.hasWritten
        ? await prepared(this.#voting, await this.#wire.callWithRow('prepare'))
        : await endReader(this.#voting, await this.#wire.look(this.#footprint.names, []), 1);
    });
  }

  async askOnePhase(): Promise<OnePhaseResult> {
    await this.#takeOver();
    const isOver = this.#ending !== undefined || this.doom !== undefined;
    return isOver || !this.#footprint.hasWritten
      ? await this.commitOnePhase()
      : { kind: 'has-written', evidence: rowEvidence(this.#row.opening) };
  }

  commitOnePhase(): Promise<FinishResult> {
    this.#onePhase ??= this.#commitOnce().then(async (result) => {
      await this.#letGo();
      return result;
    });
    return this.#onePhase;
  }

  async rollback(): Promise<void> {
    this.#doom ??= this.#failed ?? BRANCH_ROLLED_BACK;
    if (this.#wire.session.busy && this.#ending === undefined) {
      await this.#wire.cutOff(); // A deadline overtook a running call.
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
    const kind = classifyStatement(statement);
    const doom = kind.kind === 'accepted' && kind.goesBack ? this.#doom : this.doom;
    if (this.#ending !== undefined || doom !== undefined) {
      throw new EngineError(doom ?? ENDED, { sessionLost: !this.#wire.session.usable });
    }
    if (kind.kind === 'refused') {
      throw this.#doomed(kind.reason, undefined);
    }
    this.#footprint.add(kind);
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
    const wrote = this.#footprint.hasWritten;
    this.#wire.session.destroy();
    const message = `the statement ended the branch: the engine answered ${tag}`;
    const error = this.#doomed({ code: 'STATEMENT_REFUSED', message, retryable: false }, undefined);
    if (!expected.isOpen) {
      // What was sent behind it may have been prepared in a transaction that it began.
      await this.#host.rollbackPrepared(this.#row);
    }
    const end = wrote ? COMMITTING.get(tag) : undefined;
    if (end === undefined) {
      throw error;
    }
    await this.#host.keepDamage(this.#row);
    const damage = `the engine answered ${tag} to a statement of the branch, which had written before: ${end}`;
    throw new EngineError(error.reason, { sessionLost: true, damage });
  }

  /** The answer to the first statement of a batch. @throws {EngineError} */
  #resultOf(outcome: BatchOutcome): StatementResult {
    const result = outcome.kind === 'answered' && outcome.error !== DISGUISED ? outcome.results[0] : undefined;
    if (result === undefined && this.#isOfStatement(outcome)) {
      const reason = failureOf(outcome) ?? ENDED;
      this.#failed ??= reason;
      throw new EngineError(reason, { sessionLost: false, cause: outcome.error });
    }
    if (result === undefined) {
      const internal: Reason = { code: 'INTERNAL', message: 'the engine answered nothing', retryable: false };
      throw this.#doomed(failureOf(outcome) ?? internal, outcome.kind === 'too-large' ? undefined : outcome.error);
    }
    return statementResult(result);
  }

  /** The transaction has failed and is still there, so that a savepoint of it is, too. */
  #isOfStatement(outcome: BatchOutcome): outcome is Extract<BatchOutcome, { kind: 'answered' }> {
    const isAnswered = outcome.kind === 'answered' && outcome.error !== undefined && outcome.error !== DISGUISED;
    return isAnswered && outcome.status === 'E' && this.#wire.session.usable;
  }

  /** The first reason stays: it is the one that explains the others. */
  #doomed(reason: Reason, cause: unknown): EngineError {
    this.#doom ??= this.#failed ?? reason;
    return new EngineError(reason, { sessionLost: !this.#wire.session.usable, cause });
  }

  #voteOnce(vote: () => Promise<Vote>): Promise<Vote> {
    this.#vote ??= this.#castVote(vote);
    return this.#vote;
  }

  async #castVote(vote: () => Promise<Vote>): Promise<Vote> {
    const doom = this.doom ?? (this.#ending === undefined ? undefined : ENDED);
    let voted: Vote = doom === undefined ? await vote() : { kind: 'rollback', reason: doom };
    if (voted.kind === 'prepared' && this.#doom !== undefined) {
      // A rollback overtook the prepare and met its answer on the way.
      voted = { kind: 'rollback', reason: this.#doom };
      await this.#host.rollbackPrepared(this.#row);
    }
    if (voted.kind === 'rollback') {
      this.#doom ??= voted.reason;
    }
    await this.#letGo(voted.kind === 'prepared');
    return voted;
  }

  /** Nothing comes any more, and whether it has written is certain. */
  async #takeOver(): Promise<void> {
    if (this.doom !== undefined || this.#ending !== undefined || !this.#wire.begun) {
      return;
    }
    let reason = await this.#wire.session.takeOver();
    if (reason === undefined && !this.#footprint.isCertain) {
      const asked = await this.#wire.ask(XID_IF_ANY_STEP);
      reason = failureOf(asked);
      this.#footprint.hasWritten ||= valueAt(asked, 0) !== undefined;
      this.#footprint.isCertain = reason === undefined;
    }
    this.#doom ??= reason;
  }

  async #commitOnce(): Promise<FinishResult> {
    await this.#takeOver();
    if (this.doom !== undefined || this.#ending !== undefined) {
      return { kind: 'done-otherwise', proof: `rolled back: ${(this.doom ?? ENDED).message}` };
    }
    if (!this.#wire.begun) {
      return { kind: 'done' };
    }
    const wrote = this.#footprint.hasWritten;
    const outcome = wrote ? await this.#wire.callWithRow('commit') : await this.#wire.call('commit');
    if (outcome.kind === 'answered' && !outcome.isUnreplicated) {
      return judgeOnePhase(outcome);
    }
    return wrote
      ? await this.#host.proveOnePhase(this.#row, this.#wire.session.backend)
      : { kind: 'unknown', reason: failureOf(outcome) ?? ENDED };
  }

  /** Ends the transaction where it is still open, and gives the session back. */
  #letGo(isPrepared = false): Promise<void> {
    this.#ending ??= this.#release(isPrepared);
    return this.#ending;
  }

  async #release(isPrepared: boolean): Promise<void> {
    const { session } = this.#wire;
    if (session.usable && session.busy) {
      await this.#wire.cutOff();
    }
    if (session.usable && !session.busy && session.status !== 'I') {
      await this.#wire.call('rollback');
    } else if (session.usable && !session.busy && !this.#wire.isClean) {
      await this.#wire.clean();
    }
    session.setUser(undefined);
    await this.#host.release({ isClean: this.#wire.isClean, isPrepared });
  }
}
