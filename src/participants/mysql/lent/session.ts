// The session of a branch in a connection that an application has lent, from XA START until the application has it again.

import { atMost, within } from '../../../lib/wait.ts';
import type { EvidenceRow } from '../../../xa/evidence.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { FORMAT_ID } from '../../../xa/xid.ts';
import {
  ASKED_TO_END,
  ENDED_BY_APPLICATION,
  LEFT_OPEN,
  type LentSessionParts,
  notHere,
  OBEY_MS,
  rolledBackWhy,
} from '../../lent/application-branch.ts';
import { EngineError } from '../../resource-manager.ts';
import type { MysqlConnection } from '../protocol/driver.ts';
import type { Engine } from '../protocol/engine.ts';
import { ERRNO, lostReason } from '../protocol/errors.ts';
import { cellsOf, errorOf, type ResultList } from '../protocol/exchange.ts';
import type { MysqlSession } from '../session/port.ts';
import { branchLock, endText, finishText, idleSeconds, markerText, startTexts, xidLiteral } from '../sql/texts.ts';
import { enlistRefused } from './connection.ts';
import { MysqlLoan } from './loan.ts';

/** The end of the branch was refused with one of these: the session does not have it any more, or has let go of its locks. */
const ENDED_ELSEWHERE: readonly number[] = [ERRNO.xaNotA, ERRNO.xaRmFail, ERRNO.outOfRange];

export class LentMysqlSession implements MysqlSession {
  /** Written behind XA START, so that it can only be in the branch: whatever ends the branch takes the row along or leaves it as its proof. */
  readonly marker = 'there';
  /** No branch whose row is there only reads. */
  readonly takesLocks = false;
  readonly run = notHere;
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #row: EvidenceRow;
  readonly #engine: Engine;
  readonly loan: MysqlLoan;
  readonly #unlocked = Promise.withResolvers<void>();
  #beginning: Promise<void> | undefined;
  #state: MysqlSession['state'] = 'new';
  #isVolatile = false;
  /** Calls of ours that are under way. */
  #busy = 0;
  #mayHaveEnded = false;
  #isAtWork = true;
  #rollingBack: Promise<ResultList> | undefined;
  /** Rolled back while the application was still at work, see `rollBack`. */
  #isParked = false;
  /** The branch's locks went with its last words. */
  #isUnlocked = false;
  #isBack = false;
  /** The application's own, in seconds; undefined: it was not changed, or may have been. */
  #waitTimeout: number | undefined;

  /** @throws {TypeError} the connection is lent already. */
  constructor(parts: LentSessionParts<MysqlConnection>, engine: Engine) {
    this.#parts = parts;
    this.#row = { ...parts.xid, opening: parts.options.opening };
    this.#engine = engine;
    this.loan = new MysqlLoan(parts);
  }

  get id(): number {
    return this.#parts.connection.threadId;
  }

  get state(): MysqlSession['state'] {
    return this.#state;
  }

  get isBusy(): boolean {
    return this.#state !== 'over' && this.#busy > 0;
  }

  get onePhaseIsVolatile(): boolean {
    return this.#isVolatile;
  }

  get mayHaveEnded(): boolean {
    return this.#mayHaveEnded;
  }

  get released(): Promise<void> {
    return this.loan.released;
  }

  /** Resolves when the session has let go of the branch's locks, as far as that was asked for. */
  get unlocked(): Promise<void> {
    return this.#unlocked.promise;
  }

  whenLost(listener: ((reason: Reason) => void) | undefined): void {
    this.loan.listener = listener;
    if (this.loan.lost !== undefined) {
      listener?.(this.loan.lost);
    }
  }

  /** @throws {EngineError} nothing is open, and the connection is given back. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin();
    return this.#beginning;
  }

  async #begin(): Promise<void> {
    const { options } = this.#parts;
    const row = this.#row;
    this.#state = 'started';
    let error: EngineError | undefined;
    try {
      const answer = await this.loan.ask([
        ...startTexts(row, options, ['@@session.wait_timeout', '@@GLOBAL.log_bin']),
        ...(options.readOnly ? [] : [markerText(this.#engine.database, row)]),
        // Who may not end the session, another account, waits no longer than this for the server to do so when the application hangs.
        // Behind everything that may be refused: then the setting is the application's still.
        `SET SESSION wait_timeout=CAST(LEAST(@@session.wait_timeout,${idleSeconds(options)}) AS UNSIGNED)`,
      ]);
      const [, waitTimeout, binlog] = answer.flatMap(cellsOf)[0]?.map((cell) => cell?.toString()) ?? [];
      this.#waitTimeout = waitTimeout === undefined ? undefined : Number(waitTimeout);
      this.#isVolatile = this.#engine.kind === 'mariadb' && binlog !== '0';
      const refused = errorOf(answer);
      if (refused !== undefined) {
        error = enlistRefused(refused);
        // If XA START was refused, what the application has open is its own: only a branch of ours could be ended by this.
        await this.loan.ask([endText(row)]);
        await this.loan.ask([finishText('rollback', row)]);
        this.#leave();
      }
    } catch (lost) {
      error ??= lost as EngineError;
      await this.giveUp();
    }
    if (error !== undefined) {
      throw error;
    }
    this.loan.onLeft = () => this.#left();
  }

  /**
   * Whether a connection that is not the participant's own has written can only be asked for dearly (0.5 to 1.5 ms measured at MariaDB),
   * so it counts as written unless the engine was told to allow no writes.
   */
  async hasWritten(): Promise<boolean> {
    return !this.#parts.options.readOnly;
  }

  async settle(): Promise<EngineError | undefined> {
    const { gate } = this.loan;
    this.#busy += 1;
    await atMost(gate.idle(), { clock: this.#parts.clock, timeoutMs: ENGINE_CALL_MS });
    this.#busy -= 1;
    this.#close(ASKED_TO_END);
    const reason = this.#mayHaveEnded ? ENDED_BY_APPLICATION : gate.depth > 0 ? LEFT_OPEN : undefined;
    return reason === undefined ? undefined : new EngineError(reason, { sessionLost: false });
  }

  /** Where that costs no round trip, the branch's locks go with its last words. */
  async say(texts: readonly string[], place?: 'last'): Promise<ResultList> {
    const isLast = place === 'last' && this.#parts.connection.config.multipleStatements === true;
    this.#busy += 1;
    try {
      const answer = await this.loan.ask(isLast ? [...texts, ...this.#freeTexts()] : texts);
      if (this.loan.isSilent) {
        throw new EngineError(lostReason(undefined), { sessionLost: true }); // It is being ended: too late for an answer.
      }
      const error = errorOf(answer);
      this.#isUnlocked = isLast && error === undefined;
      this.#mayHaveEnded ||= error !== undefined && ENDED_ELSEWHERE.includes(error.errno);
      return answer.slice(0, texts.length);
    } finally {
      this.#busy -= 1;
    }
  }

  /**
   * The locks are free then; but while the application is at work its connection goes into a branch in which nothing can be written, so
   * that nothing that it still sends is committed: it is refused before that, with `why`. Once: said again, both would
   * meet that other branch.
   */
  rollBack(texts: readonly [string, string], why: Reason): Promise<ResultList> {
    this.#rollingBack ??= this.#rollBack(texts, why);
    return this.#rollingBack;
  }

  async #rollBack([end, rollback]: readonly [string, string], why: Reason): Promise<ResultList> {
    await this.#beginning?.catch(() => undefined);
    if (this.#state === 'over') {
      return [];
    }
    this.#close(this.#isAtWork ? rolledBackWhy(why) : ASKED_TO_END);
    // A statement of the application may run, for instance in a queue for a lock, and this stands behind it: not for long.
    await this.loan.ask([end], OBEY_MS);
    this.#isParked = this.#isAtWork;
    const park = [freeText(this.#row), 'SET TRANSACTION READ ONLY', `XA START ${placeholderLiteral(this.#row)}`];
    // Asked for all at once: nothing of the application comes in between. The branch may have ended by itself, that fails nothing here.
    const [answer, ...parking] = [rollback, ...(this.#isParked ? park : [])].map((text) => this.loan.ask([text]));
    if (this.#isParked) {
      void this.#park(parking);
    }
    return (await answer) ?? [];
  }

  async #park(parking: readonly Promise<ResultList>[]): Promise<void> {
    const answers = await Promise.all(parking).catch(() => undefined);
    if (answers?.every((answer) => errorOf(answer) === undefined)) {
      this.#unlocked.resolve();
    } else {
      await this.giveUp();
    }
  }

  endWork(): void {
    this.#isAtWork = false;
    if (this.#isParked && this.#state === 'over') {
      this.#handBack();
    }
  }

  keep(): void {
    this.#state = 'over';
  }

  release(): void {
    this.#leave();
  }

  abandon(): void {
    if (this.loan.isSilent && this.loan.lost === undefined) {
      void this.giveUp();
    } else {
      this.#leave();
    }
  }

  async giveUp(): Promise<void> {
    const { tools, connection, clock } = this.#parts;
    this.#state = 'over';
    this.#close(ASKED_TO_END);
    this.loan.isSilent = true;
    if (this.loan.lost === undefined) {
      await tools.fence().catch(() => connection.destroy());
      // By the server's end the application's statements hear of it. A session that has let go of the locks was not found by them.
      const limit = { clock, timeoutMs: OBEY_MS };
      await within(this.loan.died, limit, () => undefined).catch(() => connection.destroy());
    }
    this.#handBack();
  }

  #leave(): void {
    this.#state = 'over';
    if (!this.#isParked || !this.#isAtWork) {
      this.#handBack();
    }
  }

  /** What is left to say stands ahead of anything that the application asks next. */
  #handBack(): void {
    if (this.#isBack) {
      return;
    }
    this.#isBack = true;
    const placeholder = placeholderLiteral(this.#row);
    const parked = this.#isParked ? [`XA END ${placeholder}`, `XA ROLLBACK ${placeholder}`] : [];
    const isSaid = this.#isUnlocked || this.loan.isSilent || this.#beginning === undefined;
    const words = isSaid ? [] : [...parked, ...this.#freeTexts()];
    void Promise.allSettled(words.map((text) => this.loan.ask([text]))).then(() => this.#unlocked.resolve());
    this.loan.end();
  }

  #freeTexts(): readonly string[] {
    const restored = this.#waitTimeout === undefined ? [] : [`SET SESSION wait_timeout=${this.#waitTimeout}`];
    return [...restored, freeText(this.#row)];
  }

  /** What is said on the connection from now on is ours. */
  #close(why: string): void {
    this.loan.onLeft = undefined;
    this.loan.closed ??= why;
  }

  /** What the application sends next would be committed by itself. */
  #left(): void {
    this.#mayHaveEnded = true;
    this.#close(ENDED_BY_APPLICATION.message);
    this.loan.listener?.(ENDED_BY_APPLICATION);
  }
}

function freeText(row: EvidenceRow): string {
  const { gtrid, bqual } = row;
  return `DO RELEASE_LOCK(${branchLock(row)}),RELEASE_LOCK(${branchLock({ gtrid, bqual })})`;
}

/** Never prepared, so that nobody ever lists it; under another format id than the branch whose place it takes. */
function placeholderLiteral(row: EvidenceRow): string {
  return `${xidLiteral(row).slice(0, -String(FORMAT_ID).length)}${FORMAT_ID + 1}`;
}
