// A branch in the application's MySQL or MariaDB connection: what it answers to prepare, one phase, phase two and rollback.

import { type EvidenceRow, NO_EVIDENCE, rowEvidence } from '../../../xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
import {
  type ApplicationBranch,
  type EndedOutside,
  type LentSessionParts,
  notHere,
  ROLLED_BACK,
  rolledBackBy,
  rolledBackWhy,
} from '../../lent/application-branch.ts';
import type { OnePhaseResult } from '../../resource-manager.ts';
import type { MysqlConnection } from '../protocol/driver.ts';
import { ERRNO, lostReason, ROLLED_BACK as ROLLED_BACK_ERRNOS, refusedReason } from '../protocol/errors.ts';
import { endText, finishText, onePhaseText, ownEndTexts, prepareText } from '../sql/texts.ts';
import { type MysqlAnswer, toServerError } from './connection.ts';
import { endFailure, LentMysqlSession } from './session.ts';

export class MysqlApplicationBranch implements ApplicationBranch {
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #row: EvidenceRow;
  readonly #evidence: Evidence;
  /** Where the adapter's tables are: a statement of the branch may change the current database. */
  readonly #database: string;
  readonly #isMariadb: boolean;
  readonly #session: LentMysqlSession;
  /** `pinned`: prepared, and only this session can finish it (MariaDB). `parked`: rolled back while the application was still at work. */
  #state: 'new' | 'active' | 'ending' | 'pinned' | 'parked' | 'over' = 'new';
  #isAtWork = true;
  #parking: Promise<void> = Promise.resolve();
  #doom: Reason | undefined;
  #outside: Promise<BranchProof> | undefined;
  #beginning: Promise<void> | undefined;
  #vote: Promise<Vote> | undefined;
  #onePhase: Promise<FinishResult> | undefined;
  #finish: Promise<FinishResult | undefined> | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(
    parts: LentSessionParts<MysqlConnection>,
    engine: { readonly database: string; readonly isMariadb: boolean },
  ) {
    this.#parts = parts;
    this.#row = { ...parts.xid, opening: parts.options.opening };
    this.#evidence = rowEvidence(parts.options.opening);
    this.#database = engine.database;
    this.#isMariadb = engine.isMariadb;
    this.#session = new LentMysqlSession(parts, (reason) => this.#onGone(reason));
    void this.#session.released.then(() => {
      this.#state = 'over';
    });
  }

  get released(): Promise<void> {
    return this.#session.released;
  }

  get unlocked(): Promise<void> {
    return this.#session.unlocked;
  }

  reasonOf(error: object): Reason | undefined {
    const refused = toServerError(error);
    return refused === undefined ? undefined : refusedReason(refused);
  }

  async endedOutside(): Promise<EndedOutside | undefined> {
    if (!this.#session.mayHaveEnded || !this.#mayWrite) {
      return undefined;
    }
    // Who is asked ends the session that holds the branch's lock: it is let go of first, and the application keeps its connection.
    await (this.#state === 'parked' ? this.#parking : this.released);
    this.#outside ??= this.#parts.tools.probe(this.#evidence).catch(() => 'unproven' as const);
    const end = await this.#outside;
    if (end === 'rolled-back') {
      return undefined;
    }
    const [kind, how] =
      end === 'committed'
        ? (['committed', 'its evidence row is committed'] as const)
        : (['unproven', 'the engine cannot say how'] as const);
    return { kind, proof: `a statement of the application ended the branch, and ${how}` };
  }

  get isActive(): boolean {
    return this.#state === 'new' || this.#state === 'active';
  }

  endWork(): void {
    this.#isAtWork = false;
    if (this.#state === 'parked') {
      this.#state = 'ending';
      void this.#parking.then(() => this.#session.giveBack(true));
    }
  }

  /** MariaDB binds a prepared branch to its session; what MySQL prepares is given back at once. */
  letGo(): void {}

  begin(): Promise<void> {
    this.#beginning ??= this.#session.begin(this.#mayWrite ? this.#database : undefined).then(() => {
      this.#state = 'active';
    });
    return this.#beginning;
  }

  execute = notHere;
  executeAndPrepare = notHere;

  prepare(): Promise<Vote> {
    this.#vote ??= this.#prepare();
    return this.#vote;
  }

  async askOnePhase(): Promise<OnePhaseResult> {
    const isOver = this.#onePhase !== undefined || this.#doom !== undefined;
    return isOver || !this.#mayWrite ? await this.commitOnePhase() : { kind: 'has-written', evidence: this.#evidence };
  }

  commitOnePhase(): Promise<FinishResult> {
    this.#onePhase ??= this.#commit();
    return this.#onePhase;
  }

  async rollback(): Promise<void> {
    this.#doom ??= ROLLED_BACK;
    await this.#beginning?.catch(() => undefined);
    switch (this.#state) {
      case 'over':
        return;
      case 'parked':
        await this.#parking;
        return;
      case 'new':
      case 'active': {
        const isOpen = this.#state === 'active';
        if (isOpen && this.#isAtWork) {
          this.#state = 'parked';
          this.#parking = this.#session.park(rolledBackWhy(this.#doom));
          await this.#parking;
          return;
        }
        this.#state = 'ending';
        await this.#session.giveBack(isOpen);
        return;
      }
      case 'pinned':
        await this.finish('rollback');
        return;
      case 'ending':
        // Its prepare is on the way, or behind a statement of the application: that must not end in a prepared branch.
        await this.#parts.tools.fence().catch(() => this.#parts.connection.destroy());
        await this.released;
    }
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
    if (this.#doom !== undefined && this.#state !== 'over') {
      listener(this.#doom);
    }
  }

  /**
   * Whether a connection that is not the participant's own has written can only be asked for dearly (0.5 to 1.5 ms measured at MariaDB),
   * so it counts as written unless the engine was told to allow no writes.
   */
  get #mayWrite(): boolean {
    return !this.#parts.options.readOnly;
  }

  finish(verb: 'commit' | 'rollback'): Promise<FinishResult | undefined> {
    if (this.#state !== 'pinned') {
      return Promise.resolve(undefined);
    }
    this.#finish ??= this.#finishPinned(verb).finally(() => {
      this.#finish = undefined;
    });
    return this.#finish;
  }

  async #finishPinned(verb: 'commit' | 'rollback'): Promise<FinishResult | undefined> {
    const answer = await this.#session.askLast([finishText(verb, this.#row)]);
    const isRefused = answer.kind === 'failed' && answer.error.errno !== ERRNO.xaNotA;
    if (isRefused && !ROLLED_BACK_ERRNOS.includes(answer.error.errno)) {
      return { kind: 'not-yet', reason: refusedReason(answer.error) };
    }
    await this.#session.giveBack(false);
    // Where the session is gone, or somebody else finished the branch, the engine is asked what became of it.
    return answer.kind === 'answered' ? { kind: 'done' } : undefined;
  }

  async #prepare(): Promise<Vote> {
    this.#state = 'ending';
    const [{ tools, connection }, row] = [this.#parts, this.#row];
    this.#doom ??= await this.#session.takeOver();
    if (this.#doom !== undefined) {
      return await this.#refuse(this.#doom);
    }
    // A branch that wrote nothing must not be prepared: it would be listed, and vanish in a crash. Its marker is a write.
    const written = this.#mayWrite;
    const end = connection.config.multipleStatements === true ? ownEndTexts(row) : [endText(row)];
    const texts = written ? [...end, prepareText(row)] : [endText(row), onePhaseText(row)];
    const answer = await this.#session.ask(texts);
    const failure = endFailure(answer);
    if (failure !== undefined) {
      this.#noteRefusal(answer);
      return await this.#refuse(failure);
    }
    if (written && answer.kind === 'answered' && answer.results.at(-1)?.inTransaction === true) {
      this.#state = 'pinned';
    } else {
      await this.#session.giveBack(false);
    }
    if (!written) {
      return { kind: 'read-only' };
    }
    if (this.#doom !== undefined) {
      // A rollback overtook the prepare and met its answer on the way.
      const reason = this.#doom;
      if ((await this.finish('rollback')) === undefined) {
        await tools.rollbackPrepared();
      }
      return { kind: 'rollback', reason };
    }
    return { kind: 'prepared', evidence: this.#evidence };
  }

  /** The session does not know the branch: something that got past the gate has ended it. */
  #noteRefusal(answer: MysqlAnswer): void {
    const { xaNotA, xaRmFail, outOfRange } = ERRNO;
    if (answer.kind === 'failed' && [xaNotA, xaRmFail, outOfRange].some((errno) => errno === answer.error.errno)) {
      this.#session.noteEnded();
    }
  }

  async #refuse(reason: Reason): Promise<Vote> {
    await this.#session.giveBack(true);
    return { kind: 'rollback', reason };
  }

  async #commit(): Promise<FinishResult> {
    if (this.#doom !== undefined && this.#state !== 'active') {
      return rolledBackBy(this.#doom); // A rollback came first, and gives the connection back.
    }
    this.#state = 'ending';
    const row = this.#row;
    this.#doom ??= await this.#session.takeOver();
    if (this.#doom !== undefined) {
      await this.#session.giveBack(true);
      return rolledBackBy(this.#doom);
    }
    const written = this.#mayWrite;
    // With its binary log MariaDB does not make a one-phase commit durable: an acknowledged one came back as prepared after a crash.
    const commit = written && this.#isMariadb ? [prepareText(row), finishText('commit', row)] : [onePhaseText(row)];
    const answer = await this.#session.askLast([...(written ? ownEndTexts(row) : [endText(row)]), ...commit]);
    this.#noteRefusal(answer);
    await this.#session.giveBack(answer.kind !== 'answered');
    switch (answer.kind) {
      case 'answered':
        return { kind: 'done' };
      case 'failed':
        return { kind: 'done-otherwise', proof: `rolled back: ${endFailure(answer)?.message}` };
      case 'lost':
        return await this.#prove(written ? this.#evidence : NO_EVIDENCE, lostReason(answer.error));
    }
  }

  async #prove(evidence: Evidence, reason: Reason): Promise<FinishResult> {
    const proof = await this.#parts.tools.probe(evidence).catch(() => 'unproven' as const);
    switch (proof) {
      case 'committed':
        return { kind: 'done' };
      case 'rolled-back':
        return { kind: 'done-otherwise', proof: 'its evidence row is not in the database' };
      default:
        return { kind: 'unknown', reason };
    }
  }

  #onGone(reason: Reason): void {
    if (this.#state === 'pinned') {
      // The engine keeps the branch and lets any session finish it now.
      void this.#session.giveBack(false);
      return;
    }
    const isNews = this.#doom === undefined && this.#state === 'active';
    this.#doom ??= reason;
    if (isNews) {
      this.#listener?.(reason);
    }
  }
}
