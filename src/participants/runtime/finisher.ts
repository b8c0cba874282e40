// Phase two and one-phase commits: one finisher for a branch at a time, and an answer for every command, proven by the engine.
import type { ParticipantMessage } from '../../gen/concordat/v1/ParticipantMessage.ts';
import { unreachable } from '../../lib/assert.ts';
import { failpoint } from '../../lib/failpoint.ts';
import type { Logger } from '../../lib/logger.ts';
import {
  areOfTwo,
  eitherEvidence,
  formatEvidence,
  isSameEvidence,
  NO_EVIDENCE,
  openingEvidence,
} from '../../xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../xa/xid.ts';
import { type FinishVerb, onePhaseEvidenceMessage, resultMessage, voteMessage } from '../attach/attach-messages.ts';
import { reasonOf } from '../reasons.ts';
import type { OnePhaseResult, ResourceManager } from '../resource-manager.ts';
import { type Branch, INCOMPLETE } from './branch.ts';
import type { Branches } from './branches.ts';
import type { ReasonLines } from './reason-lines.ts';

export interface FinisherOptions {
  readonly rm: ResourceManager;
  /** This participant's own. */
  readonly instance: string;
  readonly branches: Branches;
  readonly logger: Logger;
  readonly reasons: ReasonLines;
  readonly report: (message: ParticipantMessage) => void;
}

/** Of a commit in one phase; a no is the vote of who was asked without evidence and does not hold the branch. */
type Answer = OnePhaseResult | Extract<Vote, { kind: 'rollback' }>;

interface Call {
  readonly xid: Xid;
  readonly key: string;
  readonly verb: FinishVerb;
  readonly evidence: Evidence;
  readonly instance: string;
}

const ROLLED_BACK: Reason = { code: 'TXN_ROLLED_BACK', message: 'the transaction was rolled back', retryable: true };

/** Nothing was announced, so that nobody was told to commit, and nobody will be once this is heard (D5). */
const NOT_HELD: Reason = {
  code: 'BRANCH_UNKNOWN',
  message: 'the participant does not hold the branch',
  retryable: true,
};

export class Finisher {
  readonly #options: FinisherOptions;
  /** By branch and call: the evidence of which opening it is. */
  readonly #inFlight = new Map<string, Map<string, Evidence>>();
  #idle: (() => void) | undefined;

  constructor(options: FinisherOptions) {
    this.#options = options;
  }

  /**
   * Carries the command out and reports its result. A command repeated while it is carried out is answered with it. A branch that has
   * written is committed in one phase only if `evidence` proves it; otherwise its own is reported, and the coordinator tells it again.
   * @param instance who opened the branch, of a commit in one phase; empty: nobody knows.
   */
  receive(xid: Xid, verb: FinishVerb, evidence: Evidence, instance: string): void {
    const key = formatXid(xid);
    const calls = this.#inFlight.get(key) ?? new Map<string, Evidence>();
    // Of one phase there is one call, whose evidence is learned meanwhile; others are of one opening.
    const name = verb === 'commit-one-phase' ? verb : `${verb} ${formatEvidence(evidence)}`;
    if (calls.has(name)) {
      return;
    }
    calls.set(name, evidence);
    this.#inFlight.set(key, calls);
    const { branches, report } = this.#options;
    if (branches.get(key) === undefined && branches.ended.get(key) === undefined) {
      // The command overtook the branch's first statement, or an earlier life held it: from now on that statement is refused (D9).
      branches.told(key);
    }
    void this.#finish({ xid, key, verb, evidence, instance }).then((result) => {
      calls.delete(name);
      if (calls.size === 0) {
        this.#inFlight.delete(key);
      }
      this.#options.reasons.tell(key, verb, result);
      report(answerMessage(xid, verb, evidence, result));
      if (this.#inFlight.size === 0) {
        this.#idle?.();
      }
    });
  }

  /** Whether a call for this opening of the branch is under way: its place in the engine's list says nothing then. */
  isAtWork(key: string, evidence: Evidence): boolean {
    return [...(this.#inFlight.get(key)?.values() ?? [])].some((called) => !areOfTwo(called, evidence));
  }

  get size(): number {
    return this.#inFlight.size;
  }

  /** Calls `listener` whenever the last call has been answered. */
  onIdle(listener: () => void): void {
    this.#idle = listener;
  }

  #finish(call: Call): Promise<Answer> {
    const { xid, key, verb, evidence, instance } = call;
    const isOther = this.#holdsOther(key, evidence);
    switch (verb) {
      case 'commit':
        return this.#options.branches.inTurn(this.#turn(key, evidence), () => this.#commit(xid, key, evidence));
      case 'rollback':
        return this.#rollback(xid, key, evidence);
      case 'commit-one-phase':
        return !isOther && (instance === '' || instance === this.#options.instance)
          ? this.#commitOnePhase(xid, key, evidence)
          : this.#proveOther(xid, key, evidence);
      default:
        return unreachable(verb);
    }
  }

  /** What is held under the name, or remembered of it, is another opening than the one that is meant: it says nothing of that one. */
  #holdsOther(key: string, evidence: Evidence): boolean {
    const { branches } = this.#options;
    const opening = branches.get(key)?.opening ?? branches.ended.openingOf(key);
    return opening !== undefined && areOfTwo(evidence, openingEvidence(opening));
  }

  /** Behind whatever runs for the branch; another opening that is at work holds up nothing. */
  #turn(key: string, evidence: Evidence): string {
    return this.#holdsOther(key, evidence) ? `${key}:${formatEvidence(evidence)}` : key;
  }

  /** The held branch, unless it is another opening than the one that is meant. */
  #held(key: string, evidence: Evidence): Branch | undefined {
    return this.#holdsOther(key, evidence) ? undefined : this.#options.branches.get(key);
  }

  async #commit(xid: Xid, key: string, evidence: Evidence): Promise<FinishResult> {
    const { rm, logger } = this.#options;
    const state = this.#held(key, evidence)?.state;
    if (state !== undefined && state.kind !== 'prepared') {
      // D3: its vote was never given. Committing now would commit half of a transaction.
      logger.error({ evt: 'commit-of-unprepared', branch: key, state: state.kind });
      return { kind: 'not-yet', reason: unprepared(key) };
    }
    failpoint('before-commit');
    const result = await rm.commit(xid, eitherEvidence(evidence, state?.evidence ?? NO_EVIDENCE));
    failpoint('after-commit');
    this.#noteEnd(key, evidence, result);
    return result;
  }

  async #rollback(xid: Xid, key: string, evidence: Evidence): Promise<FinishResult> {
    const { rm, branches } = this.#options;
    const branch = this.#held(key, evidence);
    if (branch?.state.kind === 'active') {
      await branches.abandon(branch, ROLLED_BACK);
      return { kind: 'done' };
    }
    if (branch !== undefined) {
      branches.deadlines.hurry(branch);
    }
    return await branches.inTurn(this.#turn(key, evidence), async () => {
      const held = this.#held(key, evidence)?.state;
      const result = await rm.rollback(
        xid,
        eitherEvidence(evidence, held?.kind === 'prepared' ? held.evidence : NO_EVIDENCE),
      );
      this.#noteEnd(key, evidence, result);
      return result;
    });
  }

  async #commitOnePhase(xid: Xid, key: string, evidence: Evidence): Promise<Answer> {
    const { branches } = this.#options;
    const branch = branches.get(key);
    if (branch?.state.kind === 'active' && branch.oneShot) {
      await branches.abandon(branch, INCOMPLETE);
      return { kind: 'done-otherwise', proof: INCOMPLETE.message };
    }
    if (branch?.state.kind === 'active') {
      return evidence.kind !== 'none' && isSameEvidence(evidence, branch.announced)
        ? await branches.commitOnePhase(branch)
        : await branches.askOnePhase(branch);
    }
    return await branches.inTurn(key, async () => {
      const held = branches.get(key);
      if (held?.state.kind === 'prepared') {
        // The commit request overtook the vote of its last statement.
        if (!isSameEvidence(evidence, held.state.evidence)) {
          return { kind: 'has-written', evidence: held.state.evidence };
        }
        branches.tellOnePhase(held);
        return await this.#commit(xid, key, evidence);
      }
      const ended = branches.ended.get(key);
      switch (ended?.kind) {
        case 'rolled-back':
          return { kind: 'done-otherwise', proof: `the participant rolled it back: ${ended.reason.message}` };
        case 'voted':
          return ended.vote.kind === 'rollback'
            ? await this.#keepToNo(xid, key, evidence, ended.vote.reason)
            : { kind: 'done' };
        case 'one-phase':
          return isOver(ended.result) ? ended.result : await this.#prove(xid, key, evidence);
        default:
          return await this.#prove(xid, key, evidence);
      }
    });
  }

  /** Its no was told, and may have been passed on: even if the engine holds the branch prepared, it must not commit (D5). */
  async #keepToNo(xid: Xid, key: string, evidence: Evidence, reason: Reason): Promise<FinishResult> {
    const result = await this.#options.rm.rollback(xid, evidence);
    this.#noteEnd(key, evidence, result);
    switch (result.kind) {
      case 'done':
        return { kind: 'done-otherwise', proof: `it voted no: ${reason.message}` };
      case 'done-otherwise':
        return { kind: 'done' }; // By hand, then; nobody of ours has committed it.
      default:
        return result;
    }
  }

  /** Another instance was told to commit the branch. What is held here was opened a second time and must not be committed for it (D3). */
  async #proveOther(xid: Xid, key: string, evidence: Evidence): Promise<Answer> {
    const { branches, logger } = this.#options;
    const held = branches.get(key);
    if (held !== undefined) {
      logger.warn({ evt: 'branch-opened-twice', branch: key });
      await this.#rollback(xid, key, openingEvidence(held.opening));
    }
    return await branches.inTurn(key, () => this.#prove(xid, key, evidence));
  }

  /** A one-phase commit whose branch this life does not hold: its engine says how it ended, or that it cannot say. */
  async #prove(xid: Xid, key: string, evidence: Evidence): Promise<Answer> {
    const { rm } = this.#options;
    if (evidence.kind === 'none') {
      return { kind: 'rollback', reason: NOT_HELD };
    }
    let proof: BranchProof;
    try {
      proof = await rm.probe(xid, evidence);
    } catch (error) {
      return { kind: 'unknown', reason: reasonOf(error) };
    }
    switch (proof) {
      case 'committed':
        return { kind: 'done' };
      case 'rolled-back':
        return { kind: 'done-otherwise', proof: `the engine shows it rolled back, by ${formatEvidence(evidence)}` };
      case 'prepared':
        return await rm.commit(xid, evidence);
      case 'active':
        return { kind: 'not-yet', reason: unprepared(key) };
      case 'unproven': {
        const message = 'the engine neither holds the branch nor proves how it ended';
        return { kind: 'unproven', reason: { code: 'BRANCH_UNKNOWN', message, retryable: false } };
      }
      default:
        return unreachable(proof);
    }
  }

  /** Only a prepared or an unheld branch gets here: its place in the engine's list is out of date from now on. */
  #noteEnd(key: string, evidence: Evidence, result: FinishResult): void {
    if (isOver(result) && !this.#holdsOther(key, evidence)) {
      this.#options.branches.told(key);
    }
  }
}

function answerMessage(xid: Xid, verb: FinishVerb, evidence: Evidence, answer: Answer): ParticipantMessage {
  switch (answer.kind) {
    case 'has-written':
      return onePhaseEvidenceMessage(xid, answer.evidence);
    case 'rollback':
      return voteMessage(xid, answer);
    default:
      return resultMessage(xid, verb, evidence, answer);
  }
}

/** The engine has proven an end. */
function isOver(result: FinishResult): boolean {
  return result.kind === 'done' || result.kind === 'done-otherwise';
}

function unprepared(key: string): Reason {
  return { code: 'BRANCH_STATE', message: `branch ${key} is at work and not prepared`, retryable: false };
}
