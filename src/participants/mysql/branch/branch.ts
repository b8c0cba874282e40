// The BranchSession of MySQL and MariaDB: what a branch answers to prepare, one phase and rollback.
import { assert } from '../../../lib/assert.ts';
import { type EvidenceRow, rowEvidence } from '../../../xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
import {
  type BranchOptions,
  type BranchSession,
  EngineError,
  type OnePhaseResult,
  type Statement,
  type StatementResult,
} from '../../resource-manager.ts';
import { ERRNO, refusedError } from '../protocol/errors.ts';
import { type Answer, errorOf, isInTransaction } from '../protocol/exchange.ts';
import type { Session } from '../session/session.ts';
import { guardStatement } from '../sql/guard.ts';
import { endText, finishText, guardedMarkerText, markerText, onePhaseText, prepareText } from '../sql/texts.ts';
import type { Association } from './association.ts';
import { lockReleased, refusal } from './work.ts';

export interface BranchTools {
  readonly association: Association;
  readonly database: string;
  /** The branch is prepared and its session can do nothing but finish it. */
  readonly pin: (row: EvidenceRow, session: Session) => void;
  /** The branch is prepared, and the engine has let go of its session. */
  readonly detached: (row: EvidenceRow) => void;
  /** The branch is not active any more. */
  readonly ended: (row: EvidenceRow) => void;
}

export class MysqlBranch implements BranchSession {
  readonly #row: EvidenceRow;
  readonly #readOnly: boolean;
  readonly #tools: BranchTools;
  /** The first failure. The servers would prepare a branch in spite of it, so the mark is ours to keep. */
  #doom: EngineError | undefined;
  #vote: Promise<Vote> | undefined;
  #finish: Promise<FinishResult> | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(row: EvidenceRow, options: BranchOptions, tools: BranchTools) {
    this.#row = row;
    this.#readOnly = options.readOnly;
    this.#tools = tools;
    tools.association.whenLost((reason) => {
      this.#doom ??= new EngineError(reason, { sessionLost: true });
      this.#listener?.(reason);
    });
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
  }

  async execute(statement: Statement): Promise<StatementResult> {
    const { result } = await this.#run(statement, undefined);
    return result;
  }

  async executeAndPrepare(statement: Statement): Promise<{ readonly result: StatementResult; readonly vote: Vote }> {
    if (guardStatement(statement.sql).kind !== 'write' || this.#readOnly) {
      const result = await this.execute(statement);
      return { result, vote: await this.prepare() };
    }
    const { result, tail } = await this.#run(statement, this.#prepareTexts(guardedMarkerText));
    if (errorOf(tail)?.errno === ERRNO.columnNull) {
      // The guard stopped the text: the statement changed nothing, or answered with rows. The branch is as it was.
      return { result, vote: await this.prepare() };
    }
    this.#vote = this.#voteOn(tail);
    return { result, vote: await this.#vote };
  }

  prepare(): Promise<Vote> {
    this.#vote ??= this.#prepare();
    return this.#vote;
  }

  async askOnePhase(): Promise<OnePhaseResult> {
    if (this.#finish === undefined) {
      try {
        if (!(await this.#endIfReadOnly('end'))) {
          return { kind: 'has-written', evidence: rowEvidence(this.#row.opening) };
        }
        this.#finish = Promise.resolve({ kind: 'done' });
      } catch (error) {
        this.#fail(error); // The commit meets the doom, and rolls back.
      }
    }
    return await this.commitOnePhase();
  }

  commitOnePhase(): Promise<FinishResult> {
    this.#finish ??= this.#commitOnePhase();
    return this.#finish;
  }

  async rollback(): Promise<void> {
    const { association } = this.#tools;
    if (association.isBusy) {
      // Whatever the session is doing must not end in a prepare: it is ended, and waited for.
      await association.giveUp();
    } else {
      await association.abort();
    }
    this.#doom ??= refusal('BRANCH_STATE', 'the branch was rolled back');
    this.#tools.ended(this.#row);
  }

  async #run(statement: Statement, tail: string | undefined): ReturnType<Association['run']> {
    if (this.#doom !== undefined) {
      throw this.#doom;
    }
    if (this.#vote !== undefined || this.#finish !== undefined) {
      throw refusal('BRANCH_STATE', 'the branch is prepared or ended');
    }
    try {
      return await this.#tools.association.run(statement, tail);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async #prepare(): Promise<Vote> {
    try {
      if (await this.#endIfReadOnly('keep')) {
        return { kind: 'read-only' };
      }
      return await this.#voteOn(await this.#tools.association.text(this.#prepareTexts(markerText)));
    } catch (error) {
      return await this.#voteRollback(error);
    }
  }

  #prepareTexts(marker: typeof markerText): string {
    const { association, database } = this.#tools;
    return [marker(database, this.#row, association.isMarked), endText(this.#row), prepareText(this.#row)].join(';');
  }

  /** The answer to marker, XA END, XA PREPARE: prepared only if each of them was carried out. Never rejects. */
  async #voteOn(answer: Answer): Promise<Vote> {
    const error = errorOf(answer);
    if (error !== undefined) {
      return await this.#voteRollback(error.errno === ERRNO.columnNull ? lockReleased() : refusedError(error));
    }
    assert(answer.length === 3, 'three statements were carried out');
    const { association, pin, detached, ended } = this.#tools;
    // A server that detaches the branch (MySQL's default) says here that the session has no transaction any more.
    if (isInTransaction(answer.at(-1))) {
      pin(this.#row, association.keep());
    } else {
      detached(this.#row);
      association.release(answer);
    }
    ended(this.#row);
    return { kind: 'prepared', evidence: rowEvidence(this.#row.opening) };
  }

  /** @throws {EngineError} damage: the branch was not rolled back. */
  async #voteRollback(error: unknown): Promise<Vote> {
    const failure = this.#fail(error);
    const { reason } = failure;
    if (failure.damage !== undefined) {
      throw failure;
    }
    await this.#tools.association.abort();
    this.#tools.ended(this.#row);
    return { kind: 'rollback', reason };
  }

  async #commitOnePhase(): Promise<FinishResult> {
    const { association, database, ended } = this.#tools;
    let isSent = false;
    try {
      if (await this.#endIfReadOnly('end')) {
        return { kind: 'done' };
      }
      isSent = true;
      const commit = association.onePhaseIsVolatile
        ? [prepareText(this.#row), finishText('commit', this.#row)]
        : [onePhaseText(this.#row)];
      await this.#endWith([markerText(database, this.#row, association.isMarked), endText(this.#row), ...commit]);
      return { kind: 'done' };
    } catch (error) {
      const { reason, sessionLost } = this.#fail(error);
      if (isSent && sessionLost) {
        // It may still be committed while we speak. The evidence tells, once the session has been fenced.
        association.abandon();
      }
      const isProven = await association.abort();
      ended(this.#row);
      return isSent && !isProven
        ? { kind: 'unknown', reason }
        : { kind: 'done-otherwise', proof: `the branch was rolled back: ${reason.message}` };
    }
  }

  /**
   * Ends a branch that has nothing to lose. It must not be prepared: it would be listed, and vanish in a crash.
   * @param locks whether those that it asked for without writing are kept to the end of the transaction: with its row it is a writer.
   * @throws {EngineError} the branch failed before, or fails now.
   */
  async #endIfReadOnly(locks: 'keep' | 'end'): Promise<boolean> {
    const { association, ended } = this.#tools;
    if (this.#doom !== undefined) {
      throw this.#doom;
    }
    if (association.state === 'over') {
      throw refusal('BRANCH_STATE', 'the branch is over');
    }
    if (association.state === 'new') {
      association.release([]);
      ended(this.#row);
      return true;
    }
    if ((locks === 'keep' && association.takesLocks) || (await association.hasWritten())) {
      return false;
    }
    await this.#endWith([endText(this.#row), onePhaseText(this.#row)]);
    return true;
  }

  /** @throws {EngineError} a text was refused, or the session was lost. */
  async #endWith(texts: readonly string[]): Promise<void> {
    const { association, ended } = this.#tools;
    const answer = await association.text(texts.join(';'));
    const error = errorOf(answer);
    if (error !== undefined) {
      throw error.errno === ERRNO.columnNull ? lockReleased() : refusedError(error);
    }
    association.release(answer);
    ended(this.#row);
  }

  /** @throws whatever is not an answer of the engine: a bug. */
  #fail(error: unknown): EngineError {
    if (!(error instanceof EngineError)) {
      throw error;
    }
    this.#doom ??= error;
    return this.#doom;
  }
}
