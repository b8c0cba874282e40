// A session of ours as a branch has it: XA START with the first statement, statements, and the ways out.
import type { EvidenceRow } from '../../../xa/evidence.ts';
import type { FinishResult, Reason } from '../../../xa/vocabulary.ts';
import { type BranchOptions, EngineError, type Statement } from '../../resource-manager.ts';
import type { Engine } from '../protocol/engine.ts';
import { refusedError } from '../protocol/errors.ts';
import { type CommandRequest, errorOf, isInTransaction, type ResultList, textRequest } from '../protocol/exchange.ts';
import type { ServerError } from '../protocol/packets.ts';
import { idleTimeout } from '../session/fresh.ts';
import type { MysqlSessions } from '../session/pool.ts';
import type { MysqlSession, Ran } from '../session/port.ts';
import type { Session } from '../session/session.ts';
import { guardStatement } from '../sql/guard.ts';
import { beforeCallTexts, behindCallText, idleSeconds, markerText, startTexts } from '../sql/texts.ts';
import { endRefused, prepareWork, readOutcome, refusal, startRefused } from './work.ts';
import { Writes } from './writes.ts';

interface AssociationTools {
  /** Rolls a branch back that is not in its session any more, and proves how it ended. Never rejects. */
  readonly rollback: (row: EvidenceRow) => Promise<FinishResult>;
  /** Ends whatever session has the branch, and waits until the engine has let go of it. @throws {EngineError} */
  readonly fence: (row: EvidenceRow) => Promise<void>;
  readonly engine: Engine;
  readonly pool: MysqlSessions;
}

export class Association implements MysqlSession {
  mayHaveEnded = false;
  readonly #row: EvidenceRow;
  readonly #options: BranchOptions;
  readonly #session: Session;
  readonly #tools: AssociationTools;
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

  get id(): number {
    return this.#session.id;
  }

  get onePhaseIsVolatile(): boolean {
    return this.#session.onePhaseIsVolatile;
  }

  get marker(): 'none' | 'perhaps' {
    return this.#isMarked ? 'perhaps' : 'none';
  }

  whenLost(listener: ((reason: Reason) => void) | undefined): void {
    this.#session.whenLost = listener;
    if (this.#session.wire.lost !== undefined) {
      listener?.(this.#session.wire.lost);
    }
  }

  async settle(): Promise<undefined> {}

  /** In one write, XA START before the statement if it is the first. */
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

  /**
   * A procedure may hold XA statements, which the server lets it run. Whether it ended the branch is seen in the same round trip, and how,
   * by the row that was written before it.
   */
  async #call(work: CommandRequest): Promise<Ran> {
    const { engine } = this.#tools;
    const marker = this.#options.readOnly ? undefined : markerText(engine.database, this.#row, this.#isMarked);
    const failure = errorOf(await this.say(beforeCallTexts(marker)));
    if (failure !== undefined) {
      throw endRefused(failure);
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
    this.mayHaveEnded = true;
    await this.giveUp();
    const { reason } =
      error === undefined ? refusal('STATEMENT_REFUSED', 'the procedure ended the branch') : refusedError(error);
    const end = await this.#tools.rollback(this.#row);
    const options = { sessionLost: true };
    return new EngineError(reason, end.kind === 'done-otherwise' ? { ...options, damage: end.proof } : options);
  }

  async say(texts: readonly string[]): Promise<ResultList> {
    const answer = await this.#session.text(texts.join(';'));
    this.#writes.saw(answer);
    return answer;
  }

  /** Two requests: after a deadlock XA END is refused, and MySQL still insists on it before XA ROLLBACK. */
  async rollBack(texts: readonly [string, string]): Promise<ResultList> {
    const [, answer] = await this.#session.texts(texts);
    return answer ?? [];
  }

  get takesLocks(): boolean {
    return this.#takesLocks && !this.#options.readOnly;
  }

  async hasWritten(): Promise<boolean> {
    return !this.#options.readOnly && (await this.#writes.any((text) => this.say([text])));
  }

  /** One that is still in a transaction ends. */
  release(last: ResultList): void {
    this.keep();
    if (isInTransaction(last.at(-1))) {
      this.#tools.pool.drop(this.#session);
    } else {
      this.#tools.pool.give(this.#session);
    }
  }

  keep(): void {
    this.#state = 'over';
    this.#session.whenLost = undefined;
  }

  abandon(): void {
    this.keep();
    this.#tools.pool.drop(this.#session);
  }

  async giveUp(): Promise<void> {
    const wasStarted = this.#state === 'started';
    if (this.#session.wire.isBusy) {
      this.#session.giveUp();
    }
    this.abandon();
    if (wasStarted) {
      // Where the engine is away or refuses, it rolls back when it notices the dead connection, and recovery looks again.
      await this.#tools.fence(this.#row).catch(() => undefined);
    }
  }

  /** XA START, which goes out with the next exchange: from then on the server may know the branch. */
  #start(): CommandRequest {
    this.#state = 'started';
    const seconds = idleSeconds(this.#options);
    const texts = [...startTexts(this.#row, this.#options)];
    if (this.#session.idleTimeoutSeconds !== seconds) {
      texts.unshift(`SET SESSION ${idleTimeout(this.#tools.engine.kind, seconds)}`);
      this.#session.idleTimeoutSeconds = seconds;
    }
    return textRequest(texts.join(';'));
  }

  /** @throws {EngineError} XA START was refused; the session is gone, and with it what a statement behind it may have done. */
  #readStart(answer: ResultList): void {
    const error = errorOf(answer);
    if (error !== undefined) {
      this.abandon();
      throw startRefused(error);
    }
    this.#writes.saw(answer);
  }
}
