// The association of a session with an open branch: XA START with the first statement, statements, and the ways out of it.
import type { Clock } from '../../../lib/clock.ts';
import type { EvidenceRow } from '../../../xa/evidence.ts';
import type { FinishResult, Reason } from '../../../xa/vocabulary.ts';
import { type BranchOptions, EngineError, type Statement, type StatementResult } from '../../resource-manager.ts';
import type { Control } from '../finish/control.ts';
import { endOwner, findOwner } from '../finish/look.ts';
import type { Engine } from '../protocol/engine.ts';
import { ERRNO, refusedError, refusedReason } from '../protocol/errors.ts';
import { type Answer, errorOf, isInTransaction, type Request, textRequest } from '../protocol/exchange.ts';
import type { ServerError } from '../protocol/packets.ts';
import { idleTimeout } from '../session/fresh.ts';
import type { Sessions } from '../session/pool.ts';
import { isLost, type Session } from '../session/session.ts';
import { guardStatement } from '../sql/guard.ts';
import { beforeCallText, behindCallText, endText, finishText, markerText, startText } from '../sql/texts.ts';
import { lockReleased, prepareWork, readOutcome, refusal } from './work.ts';
import { Writes } from './writes.ts';

export interface AssociationTools {
  /** Rolls a branch back that is not in its session any more, and proves how it ended. Never rejects. */
  readonly rollback: (row: EvidenceRow) => Promise<FinishResult>;
  readonly engine: Engine;
  readonly control: Control;
  readonly clock: Clock;
  readonly pool: Sessions;
}

/** What `run` brings back: the statement's result, and the answer to the text behind it. */
export interface Ran {
  readonly result: StatementResult;
  readonly tail: Answer;
}

/** The lock of its name is taken: the branch was opened before, and its session lives. */
const TAKEN = 'another session works in this branch, or has prepared it';

/** Calls are made one at a time, except `giveUp`, which may overtake the others. */
export class Association {
  readonly #row: EvidenceRow;
  readonly #options: BranchOptions;
  readonly #session: Session;
  readonly #tools: AssociationTools;
  /** `new`: the server knows nothing of the branch. `started`: it may. `over`: the session is not ours any more. */
  #state: 'new' | 'started' | 'over' = 'new';
  readonly #writes: Writes;
  #takesLocks: boolean;
  #isMarked = false;

  constructor(row: EvidenceRow, options: BranchOptions, session: Session, tools: AssociationTools) {
    this.#row = row;
    this.#options = options;
    this.#session = session;
    this.#tools = tools;
    this.#writes = new Writes(tools.engine);
    // Plain reads lock what they read there.
    this.#takesLocks = options.isolation === 'serializable';
  }

  get state(): 'new' | 'started' | 'over' {
    return this.#state;
  }

  get isBusy(): boolean {
    return this.#state !== 'over' && this.#session.wire.isBusy;
  }

  /** One phase has to be made of two, see `Session`. */
  get onePhaseIsVolatile(): boolean {
    return this.#session.onePhaseIsVolatile;
  }

  whenLost(listener: (reason: Reason) => void): void {
    this.#session.whenLost = listener;
  }

  /**
   * Sends a statement in one write: XA START before it if it is the first, `tail` behind it.
   * @throws {EngineError} the statement was refused or failed, or the branch with it; the branch can only be rolled back.
   */
  async run(statement: Statement, tail: string | undefined): Promise<Ran> {
    const guarded = guardStatement(statement.sql);
    if (guarded.kind === 'refused') {
      throw refusal('STATEMENT_REFUSED', guarded.problem);
    }
    const isWrite = guarded.kind === 'write';
    this.#takesLocks ||= guarded.takesLocks;
    const work = await prepareWork(this.#session, statement);
    if (this.#state === 'new' && !isWrite && guarded.kind !== 'read') {
      // Unlike rows that were written, it could take effect by itself if XA START failed: it waits for the answer.
      const [answer] = await this.#session.exchange([this.#start()]);
      this.#readStart(answer ?? []);
    }
    if (guarded.kind === 'call') {
      return await this.#call(work);
    }
    const isFirst = this.#state === 'new';
    // Without XA START in front, DO 0 makes ROW_COUNT() tell of this statement only.
    const before = isFirst ? [this.#start()] : tail === undefined ? [] : [textRequest('DO 0')];
    const after = tail === undefined ? [] : [textRequest(tail)];
    const answers = await this.#session.exchange([...before, work, ...after]);
    if (isFirst) {
      this.#readStart(answers[0] ?? []);
    }
    const own = answers[before.length] ?? [];
    for (const answer of answers) {
      this.#writes.saw(answer);
    }
    const { result, wrote } = readOutcome(own, isWrite);
    if (wrote) {
      this.#writes.wrote();
    }
    if (!isInTransaction(own.at(-1))) {
      throw refusal('STATEMENT_REFUSED', 'the statement ended the branch');
    }
    return { result, tail: answers.at(-1) ?? [] };
  }

  /** Its row was written before it ended: it is there, unless the branch went back to a savepoint before that. */
  get isMarked(): boolean {
    return this.#isMarked;
  }

  /**
   * A procedure may hold XA statements, which the server lets it run. Whether it ended the branch is seen in the same round trip, and how,
   * by the row that was written before it.
   */
  async #call(work: Request): Promise<Ran> {
    const { engine } = this.#tools;
    const marker = this.#options.readOnly ? undefined : markerText(engine.database, this.#row, this.#isMarked);
    const failure = errorOf(await this.text(beforeCallText(marker)));
    if (failure !== undefined) {
      throw failure.errno === ERRNO.columnNull ? lockReleased() : refusedError(failure);
    }
    if (marker !== undefined) {
      this.#isMarked = true;
      this.#writes.wrote();
    }
    const [own = [], behind = []] = await this.#session.exchange([work, textRequest(behindCallText(engine.database))]);
    this.#writes.saw(own);
    this.#writes.saw(behind);
    if (errorOf(behind) !== undefined) {
      throw await this.#endedBy(errorOf(own));
    }
    return { result: readOutcome(own, false).result, tail: behind };
  }

  /** The procedure ended the branch, or something in it did: a deadlock, for instance. How is asked of the engine. */
  async #endedBy(error: ServerError | undefined): Promise<EngineError> {
    await this.giveUp();
    const { reason } =
      error === undefined ? refusal('STATEMENT_REFUSED', 'the procedure ended the branch') : refusedError(error);
    const end = await this.#tools.rollback(this.#row);
    const options = { sessionLost: true };
    return new EngineError(reason, end.kind === 'done-otherwise' ? { ...options, damage: end.proof } : options);
  }

  /** One text of ours. @throws {EngineError} with `sessionLost`; a refusal is the answer's last result. */
  async text(sql: string): Promise<Answer> {
    const answer = await this.#session.text(sql);
    this.#writes.saw(answer);
    return answer;
  }

  /** It asked for locks that its application may rely on until the end, though it may have written nothing. */
  get takesLocks(): boolean {
    return this.#takesLocks && !this.#options.readOnly;
  }

  /** False only if the engine shows that nothing was written, by whatever means. @throws {EngineError} with `sessionLost` */
  async hasWritten(): Promise<boolean> {
    return !this.#options.readOnly && (await this.#writes.any((text) => this.text(text)));
  }

  /** The branch is over or needs its session no more: the session goes back, unless it is still in a transaction. */
  release(last: Answer): void {
    this.#end();
    if (isInTransaction(last.at(-1))) {
      this.#tools.pool.drop(this.#session);
    } else {
      this.#tools.pool.give(this.#session);
    }
  }

  /** The branch keeps its session beyond this association. */
  keep(): Session {
    this.#end();
    return this.#session;
  }

  /** Rolls the branch back in its session, or ends the session. Resolves with whether the engine confirmed it. Never rejects. */
  async abort(): Promise<boolean> {
    if (this.#state === 'over') {
      return false;
    }
    if (this.#state === 'new') {
      this.release([]);
      return true;
    }
    try {
      // Two requests: after a deadlock XA END is refused, and MySQL still insists on it before XA ROLLBACK.
      const [, answer] = await this.#session.texts([endText(this.#row), finishText('rollback', this.#row)]);
      if (answer !== undefined && errorOf(answer) === undefined) {
        this.release(answer);
        return true;
      }
    } catch (error) {
      if (!isLost(error)) {
        throw error;
      }
    }
    await this.giveUp();
    return false;
  }

  /** Ends the session without asking what becomes of its last request. */
  abandon(): void {
    this.#end();
    this.#tools.pool.drop(this.#session);
  }

  /** Ends the session and waits until the engine has rolled back, if the engine can be asked. Never rejects. */
  async giveUp(): Promise<void> {
    const { control } = this.#tools;
    const { id } = this.#session;
    const wasStarted = this.#state === 'started';
    if (this.#session.wire.isBusy) {
      this.#session.giveUp();
    }
    this.abandon();
    if (!wasStarted) {
      return;
    }
    try {
      // Only while the server itself says that this session holds the branch: after its restart another may have the number.
      if ((await findOwner(control, this.#row)) === id) {
        await endOwner(this.#tools, this.#row, id);
      }
    } catch {
      // The engine is away or refuses: it rolls back when it notices the dead connection, and recovery looks again.
    }
  }

  /** XA START, which goes out with the next exchange: from then on the server may know the branch. */
  #start(): Request {
    this.#state = 'started';
    const seconds = Math.max(1, Math.ceil(this.#options.idleTimeoutMs / 1_000));
    const texts = [startText(this.#row, this.#options)];
    if (this.#session.idleTimeoutSeconds !== seconds) {
      texts.unshift(`SET SESSION ${idleTimeout(this.#tools.engine.kind, seconds)}`);
      this.#session.idleTimeoutSeconds = seconds;
    }
    return textRequest(texts.join(';'));
  }

  /** @throws {EngineError} XA START was refused; the session is gone, and with it what a statement behind it may have done. */
  #readStart(answer: Answer): void {
    const error = errorOf(answer);
    if (error !== undefined) {
      this.#end();
      this.#tools.pool.drop(this.#session);
      const isTaken = error.errno === ERRNO.xaDupId || error.errno === ERRNO.outOfRange;
      const reason = refusedReason(error, isTaken ? 'BRANCH_EXISTS' : 'STATEMENT_FAILED');
      throw new EngineError(isTaken ? { ...reason, message: TAKEN } : reason, { sessionLost: true });
    }
    this.#writes.saw(answer);
  }

  #end(): void {
    this.#state = 'over';
    this.#session.whenLost = undefined;
  }
}
