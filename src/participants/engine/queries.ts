// What others ask a branch, and only its state can answer. Nothing changes by asking.
import { unreachable } from '../../lib/assert.ts';
import type { Evidence, Reason, Vote } from '../../xa/vocabulary.ts';
import { isAtWork } from './call.ts';
import { type Branch, holdsOther, type State } from './state.ts';

/** Whether a first statement may open it (D9). */
export function mayOpen({ state, calls }: Branch): boolean {
  return state.kind === 'unknown' && calls.length === 0;
}

/** Why a further statement is not taken. */
type StatementRefusal =
  /** It is held, and its statements are done. */
  | { readonly kind: 'closed' }
  /** It is gone, and this life knows why, or not. */
  | { readonly kind: 'gone'; readonly reason: Reason | undefined };

/** A branch that takes statements again, or in the middle, could be committed with some of them missing (D3). */
export function statementRefusal(state: State): StatementRefusal | undefined {
  switch (state.kind) {
    case 'active':
      return undefined;
    case 'asked':
    case 'announced':
    case 'committing-one-phase':
    case 'preparing':
    case 'preparing-superseded':
    case 'prepared':
    case 'prepared-told-one-phase':
      return { kind: 'closed' };
    case 'rolled-back':
      return { kind: 'gone', reason: state.reason };
    case 'unknown':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
      return { kind: 'gone', reason: undefined };
    default:
      return unreachable(state);
  }
}

/** Why this participant ended the branch under a statement of it, which hears that; undefined: its session says what happened to it. */
export function endedReason(state: State): Reason | undefined {
  return state.kind === 'rolled-back' && state.by === 'participant' ? state.reason : undefined;
}

/** The vote as it was given; undefined: none was, or it may not be told any more. */
export function voteOf(state: State): Vote | undefined {
  switch (state.kind) {
    case 'prepared':
    case 'prepared-told-one-phase':
      return { kind: 'prepared', evidence: state.evidence };
    case 'voted':
      return state.vote;
    case 'rolled-back':
      return { kind: 'rollback', reason: state.reason };
    case 'unknown':
    case 'active':
    case 'asked':
    case 'announced':
    case 'committing-one-phase':
    case 'preparing':
    case 'preparing-superseded':
    case 'one-phase':
    case 'left-to-engine':
      return undefined;
    default:
      return unreachable(state);
  }
}

/** Held, and not prepared: its engine's list and its row say nothing of it yet. */
export function isUnprepared(state: State): boolean {
  switch (state.kind) {
    case 'active':
    case 'asked':
    case 'announced':
    case 'committing-one-phase':
    case 'preparing':
    case 'preparing-superseded':
      return true;
    case 'prepared':
    case 'prepared-told-one-phase':
    case 'unknown':
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
      return false;
    default:
      return unreachable(state);
  }
}

/** The evidence of a prepared branch, if that is the one that is meant. */
export function preparedEvidence(state: State, meant: Evidence): Evidence | undefined {
  const isPrepared = state.kind === 'prepared' || state.kind === 'prepared-told-one-phase';
  return isPrepared && !holdsOther(state, meant) ? state.evidence : undefined;
}

/**
 * What a coordinator that comes back is told of the branch. Nothing while a call of its earlier life is finishing it: it may be committed
 * in one phase before the coordinator hears of it, and look like nobody's until then. Nor if its commit in one phase had no answer: whether
 * it is still prepared, only its engine's list tells.
 */
export function heldAs({ state, calls }: Branch, own: Evidence): 'open' | 'prepared' | undefined {
  if (isAtWork(calls, own) || state.kind === 'prepared-told-one-phase') {
    return undefined;
  }
  return state.kind === 'prepared' ? 'prepared' : isUnprepared(state) ? 'open' : undefined;
}

/**
 * Whether reconciliation leaves out what the engine lists under the name: its vote or its result is on the way, or has gone out while the
 * engine was listing, and telling now would only confuse.
 */
export function isMoving(
  { state, calls }: Branch,
  listed: { readonly evidence: Evidence; readonly atMs: number; readonly reconcileMs: number },
): boolean {
  if (isAtWork(calls, listed.evidence)) {
    return true;
  }
  if (holdsOther(state, listed.evidence)) {
    return false;
  }
  return state.kind === 'prepared' || state.kind === 'prepared-told-one-phase'
    ? listed.atMs - state.sinceMs < listed.reconcileMs
    : isUnprepared(state);
}
