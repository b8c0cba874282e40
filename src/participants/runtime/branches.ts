// The branches that this participant holds, and how each comes and goes. A branch leaves the table in the turn in which its end
// is certain, and what its session still has to do runs on behind it.
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { failpoint } from '../../lib/failpoint.ts';
import type { Logger } from '../../lib/logger.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Opening } from '../../xa/evidence.ts';
import type { FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../xa/xid.ts';
import { voteMessage } from '../attach/attach-messages.ts';
import { reasonOf } from '../reasons.ts';
import { type BranchSession, EngineError, type OnePhaseResult } from '../resource-manager.ts';
import { ASK, ASKED_TO_VOTE, type Branch, COMMIT, ENDED, endSession, newBranch, voteOf } from './branch.ts';
import { reportDamage } from './branch-damage.ts';
import { BranchDeadlines } from './branch-deadlines.ts';
import { Openings } from './openings.ts';
import { SerialQueues } from './serial-queues.ts';
import { type SessionSlot, SessionSlots } from './session-slots.ts';
import { type Ended, TOLD, Tombstones } from './tombstones.ts';

export interface BranchesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sends a report to the coordinator in this turn; lost when no stream is there (D9). */
  readonly report: (message: ParticipantMessage) => void;
  /** Sessions that hold an unprepared branch. */
  readonly maxBranches: number;
  /** A session was opened for a branch, or could not be. */
  readonly onOpened?: (error: unknown) => void;
}

export interface Entry {
  readonly xid: Xid;
  readonly opening: Opening;
  readonly timeoutMs: number;
  /** Its client names it to the coordinator itself. */
  readonly named: boolean;
  /** Only its last statement may prepare it. */
  readonly oneShot: boolean;
}

export class Branches {
  readonly #options: BranchesOptions;
  readonly #table = new Map<string, Branch>();
  readonly #queues = new SerialQueues();
  readonly #openings: Openings;
  readonly ended: Tombstones;
  readonly deadlines: BranchDeadlines;
  readonly #slots: SessionSlots;
  /** Of branches that use a session or wait for one. */
  readonly #slotOf = new Map<Branch, SessionSlot>();
  #sessions = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: BranchesOptions) {
    const { clock, logger, report } = options;
    this.#options = options;
    this.#openings = new Openings(clock, report);
    this.#slots = new SessionSlots(clock, options.maxBranches);
    this.ended = new Tombstones(clock);
    this.deadlines = new BranchDeadlines({ clock, logger, onOverdue: (branch) => this.#overdue(branch) });
  }

  get(key: string): Branch | undefined {
    return this.#table.get(key);
  }

  all(): IterableIterator<Branch> {
    return this.#table.values();
  }

  /** Sessions at work for branches that are not prepared, those that are being rolled back included. */
  get sessions(): number {
    return this.#sessions;
  }

  get size(): number {
    return this.#table.size;
  }

  /** Runs `job` when everything before it of the same branch has ended. */
  inTurn<T>(key: string, job: () => Promise<T>): Promise<T> {
    return this.#queues.run(key, job);
  }

  /**
   * Enters a branch and sees to it that the coordinator hears of it (D3). Its deadline starts now. It waits for a session behind those that
   * came before it.
   * @throws {CoordinatorError} `LIMIT_CONNECTIONS`: nothing was entered, the same call may succeed later.
   */
  open({ xid, opening, timeoutMs, named, oneShot }: Entry, opener: () => Promise<BranchSession>): Branch {
    if (this.#slots.isFull) {
      throw new CoordinatorError('LIMIT_CONNECTIONS', `${this.#sessions} branches are open or wait, the most that may`);
    }
    const key = formatXid(xid);
    assert(!this.#table.has(key), 'D9: a branch is entered once');
    this.#sessions += 1;
    this.#openings.opened(key, { ...xid, opening }, named);
    const slot = this.#slots.take();
    const session = this.#queues.run(key, () => slot.turn?.then(opener) ?? opener());
    const branch = newBranch({ xid, opening, oneShot }, session);
    this.deadlines.start(branch, timeoutMs);
    this.#table.set(key, branch);
    this.#slotOf.set(branch, slot);
    session.then(
      (opened) => {
        opened.onLost((reason) => this.lost(branch, reason));
        this.#options.onOpened?.(undefined);
      },
      (error: unknown) => {
        this.lost(branch, reasonOf(error));
        this.#options.onOpened?.(error);
      },
    );
    return branch;
  }

  /** Asks for the vote behind whatever runs, with `ask` or as `voteOf` does, and reports it. Never rejects. */
  prepare(branch: Branch, ask = voteOf(branch)): Promise<Vote> {
    assert(branch.state.kind === 'active', 'only an active branch is asked for its vote');
    const vote = this.#queues.run(branch.key, () => this.#takeVote(branch, ask));
    branch.state = { kind: 'preparing', vote };
    return vote;
  }

  /**
   * Ends an active branch in one phase if it has written nothing, behind whatever runs. One that has written tells its evidence, and is
   * as active as before, except that it takes no more statements. Never rejects.
   */
  askOnePhase(branch: Branch): Promise<OnePhaseResult> {
    assert(branch.state.kind === 'active', 'only an active branch is ended in one phase');
    branch.asked = true;
    return this.#queues.run(branch.key, async () => {
      const result = branch.state.kind === 'active' ? await endSession(branch.session, ASK) : undefined;
      const { state } = branch;
      if (state.kind === 'ended') {
        // Whoever ended it meanwhile has rolled it back.
        return { kind: 'done-otherwise', proof: `the participant rolled it back: ${state.reason.message}` };
      }
      if (result === undefined || state.kind !== 'active') {
        return { kind: 'unknown', reason: ASKED_TO_VOTE };
      }
      if (result.kind === 'has-written') {
        branch.announced = result.evidence;
      } else {
        this.#endedInOnePhase(branch, result);
      }
      return result;
    });
  }

  /** Commits an active branch in one phase, behind whatever runs. Never rejects. */
  commitOnePhase(branch: Branch): Promise<FinishResult> {
    assert(
      branch.state.kind === 'active' && branch.announced.kind !== 'none',
      'D5: nobody commits what could not be proven',
    );
    branch.state = { kind: 'one-phase' };
    branch.deadline?.cancel();
    return this.#queues.run(branch.key, async () => {
      const result = await endSession(branch.session, COMMIT);
      this.#endedInOnePhase(branch, result);
      return result;
    });
  }

  /**
   * Rolls an active branch back, overtaking a statement that still runs. The branch is gone at once; resolves when its session
   * has obeyed. Tells the coordinator nothing. Never rejects.
   */
  abandon(branch: Branch, reason: Reason, byEngine = false): Promise<void> {
    assert(branch.state.kind === 'active', 'D3: only a branch that nobody asked to prepare is certain to roll back');
    return this.#leave(branch, { kind: 'rolled-back', reason }, { kind: 'ended', reason, byEngine });
  }

  #leave(branch: Branch, ended: Ended, state: Extract<Branch['state'], { kind: 'ended' }>): Promise<void> {
    this.#bury(branch, ended, state);
    this.#slotOf.get(branch)?.giveUp();
    const rolledBack = branch.session
      .then((session) => session.rollback())
      .catch((error: unknown) => this.#options.logger.debug({ evt: 'branch-not-opened', branch: branch.key, error }))
      .then(() => this.#sessionFree(branch));
    return this.#queues.run(branch.key, () => rolledBack);
  }

  /** The session of an active branch is gone, and its work with it. In any other state its vote or result says what happened. */
  lost(branch: Branch, reason: Reason): void {
    if (branch.state.kind === 'active') {
      this.#options.logger.warn({ evt: 'branch-lost', branch: branch.key, code: reason.code, message: reason.message });
      void this.abandon(branch, reason, true);
      this.#options.report(voteMessage(branch.xid, { kind: 'rollback', reason }));
    }
  }

  /** A statement of an active branch committed its work alone. It can only vote no; that it is damaged goes right behind (D4). */
  damaged(branch: Branch, reason: Reason, proof: string): void {
    if (branch.state.kind === 'active') {
      void this.#leave(branch, TOLD, { kind: 'ended', reason, byEngine: true });
      this.#options.report(voteMessage(branch.xid, { kind: 'rollback', reason }));
      reportDamage(this.#options, branch, proof);
    }
  }

  /** A phase-two call was made: only the engine knows from now on. Also for branches that were never held here (D9). */
  told(key: string): void {
    const branch = this.#table.get(key);
    if (branch === undefined) {
      this.ended.touch(key);
      return;
    }
    assert(branch.state.kind === 'prepared', 'only a prepared branch is left to phase two');
    this.#bury(branch, TOLD, ENDED);
  }

  /** A prepared branch is about to be committed in one phase. */
  tellOnePhase(branch: Branch): void {
    assert(branch.state.kind === 'prepared', 'an active branch ends in one phase by its session');
    branch.toldOnePhase = true;
  }

  /** A newer life of the coordinator has begun: what is not prepared ends now, what is prepared is its to find and finish. */
  supersede(branch: Branch, reason: Reason): void {
    branch.superseded = true;
    if (branch.state.kind === 'active') {
      void this.abandon(branch, reason);
    } else if (branch.state.kind === 'prepared') {
      this.told(branch.key);
    }
  }

  /** Calls `listener` whenever the table has become empty. */
  onIdle(listener: () => void): void {
    this.#onIdle = listener;
  }

  async #takeVote(branch: Branch, ask: (session: BranchSession) => Promise<Vote>): Promise<Vote> {
    let vote: Vote;
    let damage: string | undefined;
    try {
      const session = await branch.session;
      failpoint('before-prepare');
      vote = await ask(session);
    } catch (error) {
      vote = { kind: 'rollback', reason: reasonOf(error) };
      damage = error instanceof EngineError ? error.damage : undefined;
    }
    failpoint('after-prepare');
    branch.deadline?.cancel();
    this.#sessionFree(branch);
    if (vote.kind === 'prepared' && !branch.superseded) {
      branch.state = { kind: 'prepared', evidence: vote.evidence, sinceMs: this.#options.clock.now() };
    } else {
      this.#bury(branch, vote.kind === 'prepared' || damage !== undefined ? TOLD : { kind: 'voted', vote }, ENDED);
    }
    this.#openings.over(branch.key); // The vote says it, too.
    this.#options.report(voteMessage(branch.xid, vote));
    if (damage !== undefined) {
      reportDamage(this.#options, branch, damage);
    }
    return vote;
  }

  #overdue(branch: Branch): void {
    const { logger, report } = this.#options;
    const reason: Reason = { code: 'TXN_TIMEOUT', message: 'the deadline of the branch passed', retryable: true };
    logger.info({ evt: 'branch-timeout', branch: branch.key });
    void this.abandon(branch, reason);
    report(voteMessage(branch.xid, { kind: 'rollback', reason }));
  }

  #endedInOnePhase(branch: Branch, result: FinishResult): void {
    this.#sessionFree(branch);
    this.#bury(branch, { kind: 'one-phase', result }, ENDED);
  }

  #bury(branch: Branch, ended: Ended, state: Extract<Branch['state'], { kind: 'ended' }>): void {
    branch.deadline?.cancel();
    branch.state = state;
    this.#openings.over(branch.key);
    this.ended.bury(branch.key, ended, branch.opening);
    this.#table.delete(branch.key);
    this.#noticeIdle();
  }

  #sessionFree(branch: Branch): void {
    this.#sessions -= 1;
    this.#slotOf.get(branch)?.end();
    this.#slotOf.delete(branch);
    this.#noticeIdle();
  }

  #noticeIdle(): void {
    if (this.#table.size === 0 && this.#sessions === 0) {
      this.#onIdle?.();
    }
  }
}
