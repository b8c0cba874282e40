// What the runtime does for a branch, in the order in which a step asks for it.
import { AssertionError } from '../../lib/assert.ts';
import type { Opening } from '../../xa/evidence.ts';
import type { Evidence, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Answer, CallName, FinishVerb } from './call.ts';
import type { Branch, State } from './state.ts';

export type Effect = SessionEffect | EngineEffect | ReportEffect | OwnEffect;

/** Calls of the session. */
type SessionEffect =
  /** In the branch's turn. */
  | { readonly kind: 'open-session' }
  /** In the branch's turn; `vote-taken` follows. */
  | { readonly kind: 'take-vote'; readonly how: VoteTaking }
  /** Now, in the turn of the call; `session-answered` follows. */
  | { readonly kind: 'ask-one-phase' }
  | { readonly kind: 'commit-one-phase' }
  /** Rolls back, overtaking a statement that runs; further turns come after it. `session-ended` follows. */
  | { readonly kind: 'end-session' }
  /** Rolls back under a prepare that hangs, whose vote follows in any case. */
  | { readonly kind: 'end-prepare' }
  /** The session serves this branch no more. */
  | { readonly kind: 'release-session' };

export type VoteTaking =
  | { readonly kind: 'prepare' }
  /** Executes it and prepares; where it fails, rolls back at once. */
  | { readonly kind: 'last-statement' }
  /** Rolls back, and votes no with this reason. */
  | { readonly kind: 'refuse'; readonly reason: Reason };

/** Calls of the resource manager. */
type EngineEffect =
  /** Now, in the turn of the call; `finished` follows. */
  | { readonly kind: 'commit' | 'rollback'; readonly call: CallName; readonly evidence: Evidence }
  /** The same; `probed` or `probe-failed` follows. */
  | { readonly kind: 'probe'; readonly call: CallName; readonly evidence: Evidence }
  /** A listing that begins after this; `listed` or `list-failed` follows. */
  | { readonly kind: 'list' };

/** Reports to the coordinator, lost when no stream is there (D9). */
type ReportEffect =
  /** `soon`: its client names it to the coordinator itself, so that its vote may come first, which tells the same. */
  | { readonly kind: 'tell-opened'; readonly opening: Opening; readonly soon: boolean }
  /** Also to whoever waits for it here. */
  | { readonly kind: 'vote'; readonly vote: Vote }
  | { readonly kind: 'answer'; readonly verb: FinishVerb; readonly evidence: Evidence; readonly answer: Answer }
  | { readonly kind: 'damage'; readonly opening: Opening; readonly proof: string };

/** What the participant keeps and tells for itself. */
type OwnEffect =
  /** `turn` follows behind whatever runs for the branch, or for that other opening of it. */
  | { readonly kind: 'wait-turn'; readonly call: CallName; readonly queue: 'branch' | 'opening' }
  | { readonly kind: 'start-deadline' }
  /** A prepare that hangs gets a last while, instead of its deadline; `prepare-overdue` follows. */
  | { readonly kind: 'limit-prepare' }
  | { readonly kind: 'stop-deadline' }
  /** The branch leaves the table, if it is there. Its end is remembered, and of now: what the engine listed before is out of date. */
  | { readonly kind: 'remember' }
  | { readonly kind: 'note'; readonly note: Note };

/** For the log. */
export type Note =
  | { readonly kind: 'commit-of-unprepared'; readonly state: State['kind'] }
  | { readonly kind: 'opened-twice' }
  | { readonly kind: 'lost'; readonly reason: Reason }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'prepare-overdue' };

/** The branch as it stands from now on, and what is to be done. */
export interface Step extends Branch {
  readonly effects: readonly Effect[];
}

const NO_EFFECTS: readonly Effect[] = [];

/** Another state and the same calls. */
export function become({ calls }: Branch, state: State, effects: readonly Effect[]): Step {
  return { state, calls, effects };
}

/** Nothing changes, and something is to be done. */
export function does({ state, calls }: Branch, effects: readonly Effect[]): Step {
  return { state, calls, effects };
}

/** The event changes nothing here: repeated, late, or not for this state (D9). */
export function ignore({ state, calls }: Branch): Step {
  return { state, calls, effects: NO_EFFECTS };
}

/** Something that was never asked for: a bug of the runtime, which must not go on guessing. @throws {AssertionError} always */
export function impossible({ state }: Branch, what: string): never {
  throw new AssertionError(`${what}, and the branch is ${state.kind}`);
}
