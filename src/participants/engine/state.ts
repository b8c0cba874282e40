// Where one branch can stand at its participant. Each state owns its data; what has ended is remembered as a state, too. States are
// plain data: they can be compared, printed and kept as keys.
import { unreachable } from '../../lib/assert.ts';
import { areOfTwo, type Opening, openingEvidence } from '../../xa/evidence.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Call } from './call.ts';

/** Nothing was heard of the name in this life. Only here a first statement may open the branch (D9). */
interface Unknown {
  readonly kind: 'unknown';
}

/** Takes statements. Nothing that could prepare it, or commit what it wrote, was ever sent to its engine. */
interface Active {
  readonly kind: 'active';
  readonly opening: Opening;
  /** Its statements come without waiting for one another, and the last one is marked: until it is here, some may be missing. */
  readonly oneShot: boolean;
}

/** Asked to end in one phase if it has written nothing. Takes no more statements, and can still be rolled back. */
interface Asked {
  readonly kind: 'asked';
  readonly opening: Opening;
}

/** It has written, and has told what will prove its commit in one phase. It waits to be told to commit, with that evidence. */
interface Announced {
  readonly kind: 'announced';
  readonly opening: Opening;
  readonly evidence: Evidence;
}

/** Its commit in one phase is queued or running: nothing may end it otherwise, and no vote may be told any more. */
export interface CommittingOnePhase {
  readonly kind: 'committing-one-phase';
  readonly opening: Opening;
}

/** Its last statement or its prepare is queued or running. */
export interface Preparing {
  readonly kind: 'preparing';
  readonly opening: Opening;
}

/** The same, and a newer life of the coordinator has begun: once prepared, the branch is that life's to find and finish. */
export interface PreparingSuperseded {
  readonly kind: 'preparing-superseded';
  readonly opening: Opening;
}

export interface Prepared {
  readonly kind: 'prepared';
  readonly opening: Opening;
  readonly evidence: Evidence;
  /** When it voted. */
  readonly sinceMs: number;
}

/** Prepared, and told to commit in one phase: it may be committed already, which no record of the coordinator's tells. */
export interface PreparedToldOnePhase {
  readonly kind: 'prepared-told-one-phase';
  readonly opening: Opening;
  readonly evidence: Evidence;
  readonly sinceMs: number;
}

/** Never prepared, and rolled back: certain. */
export interface RolledBack {
  readonly kind: 'rolled-back';
  readonly opening: Opening;
  readonly reason: Reason;
  /** The engine ended its session by itself, or this participant ended the branch. */
  readonly by: 'engine' | 'participant';
}

/** Its vote, which a repeated prepare hears again. A lost answer counts as a no, so the engine still decides how it ended. */
interface Voted {
  readonly kind: 'voted';
  readonly opening: Opening;
  readonly vote: Exclude<Vote, { readonly kind: 'prepared' }>;
}

/** One phase, as the engine answered. No vote may be told of it any more, since it may be committed. */
interface EndedOnePhase {
  readonly kind: 'one-phase';
  readonly opening: Opening;
  readonly result: FinishResult;
}

/** Told to finish, by this participant or as far as it knows: only the engine can say where the branch stands. */
interface LeftToEngine {
  readonly kind: 'left-to-engine';
  /** Undefined: no opening of the branch was held here. */
  readonly opening: Opening | undefined;
}

/** Certain to be rolled back, if this participant ends it now: nobody asked its engine to prepare it or to commit what it wrote. */
export type Unasked = Active | Asked | Announced;
/** In the participant's table. */
type Held = Unasked | CommittingOnePhase | Preparing | PreparingSuperseded | Prepared | PreparedToldOnePhase;
/** What is remembered of a branch that has ended, so that a late message never revives it (D9). */
export type Ended = RolledBack | Voted | EndedOnePhase | LeftToEngine;
export type State = Unknown | Held | Ended;

/** Everything that this participant knows of one branch name: the one opening of it, and the commands that are being carried out. */
export interface Branch {
  readonly state: State;
  /** Also those that mean another opening than that of `state`. */
  readonly calls: readonly Call[];
}

/** A branch of which is known where it stands. */
export interface BranchIn<S extends State> extends Branch {
  readonly state: S;
}

export const UNKNOWN: Unknown = { kind: 'unknown' };
export const NO_CALLS: readonly Call[] = [];

/** The opening that is held or remembered; undefined: none ever was. */
function openingOfState(state: State): Opening | undefined {
  return state.kind === 'unknown' ? undefined : state.opening;
}

/** What is held under the name, or remembered of it, is another opening than the one that is meant: it says nothing of that one. */
export function holdsOther(state: State, evidence: Evidence): boolean {
  const opening = openingOfState(state);
  return opening !== undefined && areOfTwo(evidence, openingEvidence(opening));
}

export function isEnded(state: State): state is Ended {
  switch (state.kind) {
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
      return true;
    case 'unknown':
    case 'active':
    case 'asked':
    case 'announced':
    case 'committing-one-phase':
    case 'preparing':
    case 'preparing-superseded':
    case 'prepared':
    case 'prepared-told-one-phase':
      return false;
    default:
      return unreachable(state);
  }
}
