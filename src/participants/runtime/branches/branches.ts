// The branches of this participant: what happens to each goes through the engine's step, and what the step asks for is done here or by
// the session. A branch leaves the table in the turn in which its end is certain, and what its session still has to do runs on behind it.
import type { ParticipantMessage } from '../../../gen/concordat/v1/ParticipantMessage.ts';
import { assert, unreachable } from '../../../lib/assert.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { EventLogger } from '../../../lib/logger.ts';
import { CoordinatorError } from '../../../xa/errors.ts';
import { openingEvidence, openingOf } from '../../../xa/evidence.ts';
import { PREPARE_GRACE_MS } from '../../../xa/times.ts';
import type { Vote } from '../../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../../xa/xid.ts';
import { answerMessage, resultMessage, voteMessage } from '../../attach/report.ts';
import type { Call, CallName } from '../../engine/call.ts';
import type { Effect } from '../../engine/effect.ts';
import type { BranchEvent, Event } from '../../engine/event.ts';
import { mayOpen, voteOf } from '../../engine/queries.ts';
import { NEITHER_HELD_NOR_LISTED } from '../../engine/reasons.ts';
import { type Branch, isEnded, NO_CALLS, type State, UNKNOWN } from '../../engine/state.ts';
import { step } from '../../engine/step.ts';
import type { BranchSession, ResourceManager } from '../../resource-manager.ts';
import { logNote } from './branch-notes.ts';
import { DeferredReports } from './deferred-reports.ts';
import { EngineCalls } from './engine-calls.ts';
import { type HeldBranch, newBranch } from './held-branch.ts';
import { ReasonLines } from './reason-lines.ts';
import { SerialQueues } from './serial-queues.ts';
import { BranchSessions } from './sessions.ts';
import { clampTimeout } from './statement-call.ts';
import { Tombstones } from './tombstones.ts';

interface BranchesOptions {
  readonly rm: ResourceManager;
  readonly clock: Clock;
  readonly logger: EventLogger;
  /** Sends a report to the coordinator in this turn; lost when no stream is there (D9). */
  readonly report: (message: ParticipantMessage) => void;
  /** Sessions that hold an unprepared branch. */
  readonly maxBranches: number;
  /** A session was opened for a branch, or could not be. */
  readonly onOpened?: (error: unknown) => void;
}

interface Entry extends Pick<HeldBranch, 'xid' | 'opening' | 'timeoutMs'> {
  /** Its client names it to the coordinator itself. */
  readonly named: boolean;
  /** Only its last statement may prepare it. */
  readonly oneShot: boolean;
}

export class Branches {
  readonly #options: BranchesOptions;
  readonly #table = new Map<string, HeldBranch>();
  /** Commands that are being carried out, by branch. */
  readonly #calls = new Map<string, readonly Call[]>();
  readonly #queues = new SerialQueues();
  readonly #sessions: BranchSessions;
  readonly #deferred: DeferredReports;
  readonly #engine: EngineCalls;
  readonly #reasons: ReasonLines;
  readonly ended: Tombstones;
  #onIdle: (() => void) | undefined;

  constructor(options: BranchesOptions) {
    const { rm, clock, logger, report, maxBranches, onOpened } = options;
    this.#options = options;
    this.#sessions = new BranchSessions({
      ...{ clock, logger, queues: this.#queues, maxBranches, onOpened },
      happened: (branch, event) => this.happened(branch, event),
    });
    this.#deferred = new DeferredReports(clock, report);
    this.#engine = new EngineCalls(rm);
    this.#reasons = new ReasonLines(clock, logger);
    this.ended = new Tombstones(clock);
  }

  get(key: string): HeldBranch | undefined {
    return this.#table.get(key);
  }

  all(): IterableIterator<HeldBranch> {
    return this.#table.values();
  }

  /** Held branches. */
  get size(): number {
    return this.#table.size;
  }

  /** Nothing is held, no session is at work, and no command is being carried out. */
  get isIdle(): boolean {
    return this.#table.size + this.#sessions.count + this.#calls.size === 0;
  }

  /** Calls `listener` whenever it has become idle. */
  onIdle(listener: () => void): void {
    this.#onIdle = listener;
  }

  /** Everything that is known of the name. */
  known(key: string): Branch {
    const state = this.#table.get(key)?.state ?? this.ended.get(key) ?? UNKNOWN;
    return { state, calls: this.#calls.get(key) ?? NO_CALLS };
  }

  /** Runs `job` when everything before it of the same branch has ended. */
  inTurn<T>(key: string, job: () => Promise<T>): Promise<T> {
    return this.#queues.run(key, job);
  }

  /**
   * Enters a branch and sees to it that the coordinator hears of it (D3). Its deadline starts now.
   * @throws {CoordinatorError} `LIMIT_CONNECTIONS`: nothing was entered, the same call may succeed later.
   */
  open({ xid, opening, timeoutMs, named, oneShot }: Entry, opener: () => Promise<BranchSession>): HeldBranch {
    if (this.#sessions.isFull) {
      const message = `${this.#sessions.count} branches are open or wait, the most that may`;
      throw new CoordinatorError('LIMIT_CONNECTIONS', message);
    }
    const branch = newBranch({ xid, opening, timeoutMs, opener });
    assert(mayOpen(this.known(branch.key)), 'D9: a branch is entered once');
    this.#table.set(branch.key, branch);
    this.happened(branch, { kind: 'open', opening, oneShot, named });
    return branch;
  }

  /** Something happened to this opening, whatever has become of the name since. */
  happened(branch: HeldBranch, event: BranchEvent): void {
    void this.#step(branch.xid, branch, event);
  }

  /** Something is said of the name: by the coordinator, or by the engine in answer. */
  heard(xid: Xid, event: Event): void {
    void this.#heard(xid, event);
  }

  /** The vote of a branch whose application says that it is done: asked for now, or as it was given. Never rejects. */
  async vote(branch: HeldBranch): Promise<Vote> {
    this.happened(branch, { kind: 'vote-wanted', by: 'client' });
    return (await branch.voting) ?? voteOf(branch.state) ?? { kind: 'rollback', reason: NEITHER_HELD_NOR_LISTED };
  }

  /** The vote of an active branch whose last statement is here; `last` executes it and prepares. Never rejects. */
  async lastStatement(branch: HeldBranch, last: (session: BranchSession) => Promise<Vote>): Promise<Vote> {
    branch.last = last;
    this.happened(branch, { kind: 'last-statement' });
    assert(branch.voting !== undefined, 'an active branch takes its last statement');
    return await branch.voting;
  }

  /** Resolves when what the step asked for in the turn that it was taken in is done. */
  #step(xid: Xid, branch: HeldBranch | undefined, event: Event): Promise<void> | undefined {
    const key = branch?.key ?? formatXid(xid);
    const state = branch?.state ?? this.ended.get(key) ?? UNKNOWN;
    const calls = this.#calls.get(key) ?? NO_CALLS;
    const next = step({ state, calls }, event);
    if (branch !== undefined) {
      branch.state = next.state;
    }
    if (next.calls !== calls) {
      if (next.calls.length === 0) {
        this.#calls.delete(key);
      } else {
        this.#calls.set(key, next.calls);
      }
    }
    let running: Promise<void> | undefined;
    for (const effect of next.effects) {
      running = this.#perform(effect, { xid, key, branch, state: next.state }) ?? running;
    }
    if (this.isIdle) {
      this.#onIdle?.();
    }
    return running;
  }

  #heard(xid: Xid, event: Event): Promise<void> | undefined {
    return this.#step(xid, this.#table.get(formatXid(xid)), event);
  }

  #perform(effect: Effect, about: About): Promise<void> | undefined {
    const { report } = this.#options;
    const { xid, key } = about;
    switch (effect.kind) {
      case 'open-session':
        this.#sessions.open(held(about));
        return undefined;
      case 'take-vote':
        this.#sessions.takeVote(held(about), effect.how);
        return undefined;
      case 'ask-one-phase':
        return this.#sessions.onePhase(held(about), (session) => session.askOnePhase());
      case 'commit-one-phase':
        return this.#sessions.onePhase(held(about), (session) => session.commitOnePhase());
      case 'end-session':
        this.#sessions.end(held(about));
        return undefined;
      case 'end-prepare':
        this.#sessions.endPrepare(held(about));
        return undefined;
      case 'release-session':
        this.#sessions.release(held(about));
        return undefined;
      case 'commit':
        return this.#answered(xid, this.#engine.commit(xid, effect.call, effect.evidence));
      case 'rollback':
        return this.#answered(xid, this.#engine.rollback(xid, effect.call, effect.evidence));
      case 'probe':
        return this.#answered(xid, this.#engine.probe(xid, effect.call, effect.evidence));
      case 'list':
        void this.#answered(xid, this.#engine.list(xid));
        return undefined;
      case 'tell-opened':
        this.#deferred.opened(key, { ...xid, opening: effect.opening }, effect.soon);
        return undefined;
      case 'vote':
        this.#deferred.over(key); // The vote says it, too.
        report(voteMessage(xid, effect.vote));
        return undefined;
      case 'answer':
        if ('reason' in effect.answer) {
          this.#reasons.tell(key, effect.verb, effect.answer);
        }
        report(answerMessage(xid, effect, effect.answer));
        return undefined;
      case 'damage': {
        const { opening, proof } = effect;
        this.#options.logger.error({ evt: 'branch-committed-alone', branch: key, message: proof });
        report(resultMessage(xid, 'rollback', openingEvidence(opening), { kind: 'done-otherwise', proof }));
        return undefined;
      }
      case 'wait-turn':
        this.#waitTurn(xid, effect.queue === 'branch' ? key : `${key}:${openingOf(effect.call.evidence)}`, effect.call);
        return undefined;
      case 'start-deadline': {
        const { timeoutMs } = held(about);
        this.#setTimer(held(about), clampTimeout(timeoutMs), { kind: 'deadline' });
        return undefined;
      }
      case 'limit-prepare':
        this.#setTimer(held(about), PREPARE_GRACE_MS, { kind: 'prepare-overdue' });
        return undefined;
      case 'stop-deadline':
        held(about).deadline?.cancel();
        return undefined;
      case 'remember':
        this.#remember(about);
        return undefined;
      case 'note':
        logNote(this.#options.logger, key, effect.note);
        return undefined;
      default:
        return unreachable(effect);
    }
  }

  /** The turn lasts until the call is answered or waits for another one. */
  #waitTurn(xid: Xid, queue: string, call: CallName): void {
    const turn = this.#queues.run(queue, async () => {
      await this.#heard(xid, { kind: 'turn', call });
    });
    void turn.then(() => undefined); // A broken invariant is nobody's to catch.
  }

  async #answered(xid: Xid, answer: Promise<Event>): Promise<void> {
    await this.#heard(xid, await answer);
  }

  #setTimer(branch: HeldBranch, delayMs: number, event: BranchEvent): void {
    branch.deadline?.cancel();
    branch.deadline = this.#options.clock.after(delayMs, () => this.happened(branch, event));
  }

  #remember({ key, branch, state }: About): void {
    assert(isEnded(state), 'only an end is remembered');
    this.ended.bury(key, state);
    this.#deferred.over(key);
    if (branch !== undefined && this.#table.get(key) === branch) {
      this.#table.delete(key);
    }
  }
}

/** What a step was about. */
interface About {
  readonly xid: Xid;
  readonly key: string;
  readonly branch: HeldBranch | undefined;
  readonly state: State;
}

function held({ branch }: About): HeldBranch {
  assert(branch !== undefined, 'only a held branch has a session and a deadline');
  return branch;
}
