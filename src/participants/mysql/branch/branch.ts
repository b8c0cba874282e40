// A branch of MySQL or MariaDB, in whichever session: what it answers to prepare, one phase and rollback.
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
import { ERRNO } from '../protocol/errors.ts';
import { errorOf, isInTransaction, type ResultList } from '../protocol/exchange.ts';
import type { MysqlSession, Ran } from '../session/port.ts';
import { isLost } from '../session/session.ts';
import { guardStatement } from '../sql/guard.ts';
import {
  endText,
  finishText,
  guardedMarkerText,
  markerText,
  onePhaseText,
  prepareText,
  proofText,
} from '../sql/texts.ts';
import { Doom } from './doom.ts';
import { endRefused, refusal } from './work.ts';

interface MysqlBranchTools {
  readonly session: MysqlSession;
  /** Where the adapter's tables are: a statement of the branch may change the current database. */
  readonly database: string;
  /** The branch is prepared and its session can do nothing but finish it. */
  readonly pin: (row: EvidenceRow, session: MysqlSession) => void;
  /** The branch is prepared, and the engine has let go of its session. */
  readonly detached: (row: EvidenceRow) => void;
  /** The branch is not active any more. */
  readonly ended: (row: EvidenceRow) => void;
}

export class MysqlBranch implements BranchSession {
  readonly #row: EvidenceRow;
  readonly #readOnly: boolean;
  readonly #tools: MysqlBranchTools;
  readonly #doom = new Doom();
  #vote: Promise<Vote> | undefined;
  #finish: Promise<FinishResult> | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(row: EvidenceRow, options: Pick<BranchOptions, 'readOnly'>, tools: MysqlBranchTools) {
    this.#row = row;
    this.#readOnly = options.readOnly;
    this.#tools = tools;
    tools.session.whenLost((reason) => {
      this.#doom.set(new EngineError(reason, { sessionLost: true }));
      this.#listener?.(reason);
    });
  }

  /** Nothing that could prepare or commit it was asked for. */
  get isActive(): boolean {
    return this.#vote === undefined && this.#finish === undefined && this.#tools.session.state !== 'over';
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
    const why = this.#doom.why;
    if (why?.sessionLost && this.isActive) {
      listener(why.reason);
    }
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
    const { result, tail } = await this.#run(statement, this.#prepareTexts(guardedMarkerText).join(';'));
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
    const { session, ended } = this.#tools;
    const rolledBack = refusal('BRANCH_STATE', 'the branch was rolled back');
    if (session.isBusy) {
      // Whatever the session is doing must not end in a prepare: it is ended, and waited for.
      await session.giveUp();
    } else {
      await this.#abort(this.#doom.why ?? rolledBack);
    }
    this.#doom.set(rolledBack);
    ended(this.#row);
  }

  async #run(statement: Statement, tail: string | undefined): Promise<Ran> {
    if (this.#vote !== undefined || this.#finish !== undefined) {
      throw this.#doom.why ?? refusal('BRANCH_STATE', 'the branch is prepared or ended');
    }
    return await this.#doom.run(statement, () => this.#tools.session.run(statement, tail));
  }

  async #prepare(): Promise<Vote> {
    try {
      if (await this.#endIfReadOnly('keep')) {
        return { kind: 'read-only' };
      }
      return await this.#voteOn(await this.#tools.session.say(this.#prepareTexts(markerText)));
    } catch (error) {
      return await this.#voteRollback(error);
    }
  }

  #prepareTexts(write: typeof markerText): readonly string[] {
    const { session, database } = this.#tools;
    return [proofText(session.marker, database, this.#row, write), endText(this.#row), prepareText(this.#row)];
  }

  /** The answer to proof, XA END, XA PREPARE: prepared only if each of them was carried out. Never rejects. */
  async #voteOn(answer: ResultList): Promise<Vote> {
    const error = errorOf(answer);
    if (error !== undefined) {
      return await this.#voteRollback(endRefused(error));
    }
    assert(answer.length === 3, 'three statements were carried out');
    const { session, pin, detached, ended } = this.#tools;
    // A server that detaches the branch (MySQL's default) says here that the session has no transaction any more.
    if (isInTransaction(answer.at(-1))) {
      session.keep();
      pin(this.#row, session);
    } else {
      detached(this.#row);
      session.release(answer);
    }
    ended(this.#row);
    return { kind: 'prepared', evidence: rowEvidence(this.#row.opening) };
  }

  /** @throws {EngineError} damage: the branch was not rolled back. */
  async #voteRollback(error: unknown): Promise<Vote> {
    const failure = this.#fail(error);
    if (failure.damage !== undefined) {
      throw failure;
    }
    await this.#abort(failure);
    this.#tools.ended(this.#row);
    return { kind: 'rollback', reason: failure.reason };
  }

  async #commitOnePhase(): Promise<FinishResult> {
    const { session, database, ended } = this.#tools;
    let isSent = false;
    try {
      if (await this.#endIfReadOnly('end')) {
        return { kind: 'done' };
      }
      isSent = true;
      const commit = session.onePhaseIsVolatile
        ? [prepareText(this.#row), finishText('commit', this.#row)]
        : [onePhaseText(this.#row)];
      await this.#endWith([proofText(session.marker, database, this.#row), endText(this.#row), ...commit]);
      return { kind: 'done' };
    } catch (error) {
      const failure = this.#fail(error);
      if (isSent && failure.sessionLost) {
        // It may still be committed while we speak. The evidence tells, once the session has been fenced.
        session.abandon();
      }
      const isProven = await this.#abort(failure);
      ended(this.#row);
      return (isSent || session.mayHaveEnded) && !isProven
        ? { kind: 'unknown', reason: failure.reason }
        : { kind: 'done-otherwise', proof: `the branch was rolled back: ${failure.message}` };
    }
  }

  /**
   * Ends a branch that has nothing to lose. It must not be prepared: it would be listed, and vanish in a crash.
   * @param locks whether those that it asked for without writing are kept to the end of the transaction: with its row it is a writer.
   * @throws {EngineError} the branch failed before, or fails now.
   */
  async #endIfReadOnly(locks: 'keep' | 'end'): Promise<boolean> {
    const { session, ended } = this.#tools;
    const unsettled = await session.settle();
    const doom = this.#doom.why ?? unsettled;
    if (doom !== undefined) {
      throw doom;
    }
    if (session.state === 'over') {
      throw refusal('BRANCH_STATE', 'the branch is over');
    }
    if (session.state === 'new') {
      session.release([]);
      ended(this.#row);
      return true;
    }
    if ((locks === 'keep' && session.takesLocks) || (await session.hasWritten())) {
      return false;
    }
    await this.#endWith([endText(this.#row), onePhaseText(this.#row)]);
    return true;
  }

  /** @throws {EngineError} a text was refused, or the session was lost. */
  async #endWith(texts: readonly string[]): Promise<void> {
    const { session, ended } = this.#tools;
    const answer = await session.say(texts, 'last');
    const error = errorOf(answer);
    if (error !== undefined) {
      throw endRefused(error);
    }
    session.release(answer);
    ended(this.#row);
  }

  /** Rolls the branch back in its session, or ends the session. Resolves with whether the engine confirmed it. Never rejects. */
  async #abort(why: EngineError): Promise<boolean> {
    const { session } = this.#tools;
    if (session.state === 'over') {
      return false;
    }
    if (session.state === 'new') {
      session.release([]);
      return true;
    }
    try {
      const answer = await session.rollBack([endText(this.#row), finishText('rollback', this.#row)], why.reason);
      const error = errorOf(answer);
      if (error === undefined) {
        session.release(answer);
        return true;
      }
      if (error.errno === ERRNO.xaNotA) {
        session.abandon(); // It has ended already. How is not known here.
        return false;
      }
    } catch (error) {
      if (!isLost(error)) {
        throw error;
      }
    }
    await session.giveUp();
    return false;
  }

  /** @throws whatever is not an answer of the engine: a bug. */
  #fail(error: unknown): EngineError {
    if (!(error instanceof EngineError)) {
      throw error;
    }
    return this.#doom.set(error);
  }
}
