// A branch in the application's PostgreSQL client: what it answers to prepare, one phase and rollback.

import { type EvidenceRow, formatEvidence, rowEvidence } from '../../../xa/evidence.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
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
import { isPgError, lostReason, statementReason, UNREPLICATED } from '../protocol/errors.ts';
import { RESTORE_TEXT } from '../session/session-state.ts';
import { gidLiteral } from '../sql/gid.ts';
import { insertRowText } from '../tables/rows.ts';
import { ballot } from './ballot.ts';
import { cancelPg, failureOf, lastTag, type PgAnswer, type PgClient, pgCell } from './connection.ts';
import { LentPgSession } from './session.ts';

const XID_IF_ANY = 'select pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text';

export class PostgresApplicationBranch implements ApplicationBranch {
  readonly #parts: LentSessionParts<PgClient>;
  readonly #session: LentPgSession;
  /** `parked`: rolled back while the application was still at work. */
  #state: 'new' | 'active' | 'ending' | 'prepared' | 'finishing' | 'parked' | 'over' = 'new';
  #isAtWork = true;
  #parking: Promise<void> = Promise.resolve();
  #doom: Reason | undefined;
  #beginning: Promise<void> | undefined;
  #vote: Promise<Vote> | undefined;
  /** What proves that it was committed. */
  readonly #row: EvidenceRow;
  readonly #evidence: Evidence;
  /** It was told to have written when its commit in one phase was asked for. */
  #isAnnounced = false;
  #onePhase: Promise<FinishResult> | undefined;
  #listener: ((reason: Reason) => void) | undefined;

  constructor(parts: LentSessionParts<PgClient>) {
    this.#parts = parts;
    this.#row = { ...parts.xid, opening: parts.options.opening };
    this.#evidence = rowEvidence(parts.options.opening);
    this.#session = new LentPgSession(parts, (reason) => this.#onGone(reason));
    void this.#session.released.then(() => {
      this.#state = 'over';
    });
  }

  get released(): Promise<void> {
    return this.#session.released;
  }

  /** No lock tells whose branch it is here. */
  get unlocked(): Promise<void> {
    return this.released;
  }

  reasonOf(error: object): Reason | undefined {
    return isPgError(error) ? statementReason(error) : undefined;
  }

  async endedOutside(): Promise<EndedOutside | undefined> {
    const proof = this.#session.committedOutside;
    return proof === undefined ? undefined : { kind: 'committed', proof };
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

  /** Any session of the role may finish a prepared branch: only for as long as the application waits anyway, this one does. */
  letGo(): void {
    if (this.#state === 'prepared') {
      this.#state = 'finishing';
      void this.#session.giveBack(false);
    }
  }

  begin(): Promise<void> {
    this.#beginning ??= this.#session.begin().then(() => {
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
    if (this.#onePhase === undefined && this.#doom === undefined) {
      if (pgCell(await this.#session.ask(XID_IF_ANY), 0) !== undefined) {
        this.#isAnnounced = true;
        return { kind: 'has-written', evidence: this.#evidence };
      }
    }
    return await this.commitOnePhase();
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
      case 'prepared':
        await this.finish('rollback');
        return;
      case 'finishing':
        await this.released;
        return;
      case 'ending':
        // Its prepare is on the way, or behind a statement of the application; it finds the mark when it comes back.
        await cancelPg(this.#parts.connection, this.#parts.clock);
        await this.released;
    }
  }

  onLost(listener: (reason: Reason) => void): void {
    this.#listener = listener;
    if (this.#doom !== undefined && this.#state !== 'over') {
      listener(this.#doom);
    }
  }

  async finish(verb: 'commit' | 'rollback'): Promise<FinishResult | undefined> {
    if (this.#state !== 'prepared') {
      return undefined;
    }
    this.#state = 'finishing';
    const text = `${verb} prepared ${gidLiteral(this.#row)}`;
    // Within a transaction that the application has begun meanwhile the text would be refused, and that transaction spoilt.
    const answer = this.#session.isFree && this.#session.hearsWarnings ? await this.#session.ask(text) : undefined;
    await this.#session.giveBack(false);
    // Whatever else is answered, the participant asks again in a session of its own, and finds out there what it means.
    const isDone = answer !== undefined && lastTag(answer) === verb.toUpperCase();
    return isDone && !this.#session.isUnreplicated ? { kind: 'done' } : undefined;
  }

  async #prepare(): Promise<Vote> {
    this.#state = 'ending';
    await this.#takeOver();
    let vote = await this.#ballot();
    if (vote.kind === 'prepared' && this.#doom === undefined) {
      this.#state = 'prepared';
      return vote;
    }
    if (vote.kind === 'prepared') {
      // A rollback overtook the prepare and met its answer on the way.
      await this.#parts.tools.rollbackPrepared();
      vote = { kind: 'rollback', reason: this.#doom ?? ROLLED_BACK };
    }
    await this.#session.giveBack(vote.kind === 'rollback');
    return vote;
  }

  async #takeOver(): Promise<void> {
    const reason = await this.#session.takeOver();
    if (reason !== undefined) {
      // A failed transaction refuses the question, too, and its first error explains it better.
      this.#doom ??= reason.code === 'STATEMENT_FAILED' ? (this.#session.firstError ?? reason) : reason;
    }
  }

  async #ballot(): Promise<Vote> {
    if (this.#doom !== undefined) {
      return { kind: 'rollback', reason: this.#doom };
    }
    return await ballot({
      session: this.#session,
      row: this.#row,
      rollbackPrepared: () => this.#parts.tools.rollbackPrepared(),
      refused: (answer) => this.#refused(answer),
    });
  }

  async #commit(): Promise<FinishResult> {
    if (this.#doom !== undefined && this.#state !== 'active') {
      return rolledBackBy(this.#doom); // A rollback came first, and gives the client back.
    }
    this.#state = 'ending';
    await this.#takeOver();
    const result = await this.#commitOnce();
    await this.#session.giveBack(result.kind === 'done-otherwise');
    return result;
  }

  async #commitOnce(): Promise<FinishResult> {
    if (this.#doom !== undefined) {
      return rolledBackBy(this.#doom);
    }
    if (!this.#isAnnounced) {
      // What the application may have written since it was asked could not be proven.
      const asked = await this.#session.ask(XID_IF_ANY);
      const failed = failureOf(asked);
      if (failed !== undefined) {
        return rolledBackBy(this.#session.firstError ?? failed); // COMMIT was never sent.
      }
      if (pgCell(asked, 0) !== undefined) {
        return { kind: 'done-otherwise', proof: 'rolled back: it wrote after its commit was asked for' };
      }
    }
    const answer = await this.#session.ask(
      this.#isAnnounced ? `${RESTORE_TEXT}${insertRowText(this.#row)};commit` : 'commit',
    );
    if (answer.kind === 'lost') {
      return await this.#prove(lostReason(answer.error));
    }
    if (this.#session.isUnreplicated) {
      return await this.#prove(UNREPLICATED);
    }
    return lastTag(answer) === 'COMMIT'
      ? { kind: 'done' }
      : { kind: 'done-otherwise', proof: `COMMIT failed: ${this.#refused(answer).reason.message}` };
  }

  async #prove(reason: Reason): Promise<FinishResult> {
    const { tools } = this.#parts;
    const proof = this.#isAnnounced ? await tools.probe(this.#evidence).catch(() => 'unproven' as const) : 'unproven';
    switch (proof) {
      case 'committed':
        return { kind: 'done' };
      case 'rolled-back':
        return {
          kind: 'done-otherwise',
          proof: `its evidence row is not in the database (${formatEvidence(this.#evidence)})`,
        };
      default:
        return { kind: 'unknown', reason };
    }
  }

  /** PREPARE and COMMIT of a failed transaction succeed and answer ROLLBACK. */
  #refused(answer: PgAnswer): Extract<Vote, { kind: 'rollback' }> {
    const message = `the engine rolled the branch back (it answered ${lastTag(answer) ?? 'nothing'})`;
    const unexpected: Reason = { code: 'STATEMENT_FAILED', message, retryable: false };
    return { kind: 'rollback', reason: this.#session.whyRefused(answer) ?? unexpected };
  }

  #onGone(reason: Reason): void {
    if (this.#state === 'prepared') {
      this.letGo();
      return;
    }
    const isNews = this.#doom === undefined && this.#state === 'active';
    this.#doom ??= reason;
    if (isNews) {
      this.#listener?.(reason);
    }
  }
}
