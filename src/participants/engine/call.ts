// A command of phase two, or of one phase, while it is being carried out. Repeated meanwhile, it is answered once.
import { areOfTwo, isSameEvidence, type Opening } from '../../xa/evidence.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';

export type FinishVerb = 'commit' | 'rollback' | 'commit-one-phase';

/** Of one phase there is one call at a time, whose evidence is learned meanwhile; other calls are each of one opening. */
export interface CallName {
  readonly verb: FinishVerb;
  /** As in the command: which opening is meant, if it is known. */
  readonly evidence: Evidence;
}

export interface Call extends CallName {
  readonly stage: Stage;
}

/** How far a call has come, and what its next answer means. */
export type Stage =
  /** For its turn: how the branch stands then decides. */
  | { readonly kind: 'waiting' }
  /** For the session that this participant ended to have obeyed. */
  | { readonly kind: 'session-ends'; readonly answer: FinishResult }
  /** The session was asked for, or told, its one phase. */
  | { readonly kind: 'at-session' }
  /** The engine commits or rolls back; what it answers is the call's answer. */
  | { readonly kind: 'at-engine' }
  /** The engine rolls back what this participant has voted no on. */
  | { readonly kind: 'keeping-to-no'; readonly reason: Reason }
  /** One phase of another opening. What is held here was opened a second time and goes first: its session, or by the engine. */
  | { readonly kind: 'session-ends-first' }
  | { readonly kind: 'waiting-to-remove'; readonly opening: Opening }
  | { readonly kind: 'removing'; readonly opening: Opening }
  /** Then the engine is asked how the opening that is meant has ended. */
  | { readonly kind: 'waiting-to-prove' }
  | { readonly kind: 'probing' }
  /** It is prepared: whoever knows its evidence was told to commit it. */
  | { readonly kind: 'committing-found' };

/** What the coordinator hears of a call. Of one phase also the evidence, or the no of who was asked without any and does not hold it. */
export type Answer = OnePhaseAnswer | Extract<Vote, { kind: 'rollback' }>;

export type OnePhaseAnswer =
  | FinishResult
  /** Nothing was done: this will prove the commit. */
  | { readonly kind: 'has-written'; readonly evidence: Evidence };

export function isSameCall(one: CallName, other: CallName): boolean {
  return one.verb === other.verb && (one.verb === 'commit-one-phase' || isSameEvidence(one.evidence, other.evidence));
}

export function findCall(calls: readonly Call[], name: CallName): Call | undefined {
  return calls.find((call) => isSameCall(call, name));
}

export function withoutCall(calls: readonly Call[], name: CallName): readonly Call[] {
  return calls.filter((call) => !isSameCall(call, name));
}

export function withStage(calls: readonly Call[], name: CallName, stage: Stage): readonly Call[] {
  return calls.map((call) => (isSameCall(call, name) ? { verb: call.verb, evidence: call.evidence, stage } : call));
}

/** Whether a call for this opening of the branch is under way: its place in the engine's list says nothing then. */
export function isAtWork(calls: readonly Call[], evidence: Evidence): boolean {
  return calls.some((call) => !areOfTwo(call.evidence, evidence));
}

/** The engine has proven an end. */
export function isOver(result: FinishResult): boolean {
  return result.kind === 'done' || result.kind === 'done-otherwise';
}
