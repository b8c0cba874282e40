// Everything that can happen to a branch at its participant.
import type { Opening } from '../../xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { CallName, FinishVerb, OnePhaseAnswer } from './call.ts';

/** To the opening that is held, or that was: they come from its client, its session, its timers, or to every branch at once. */
export type BranchEvent =
  /** Its first statement, or a session that the application has opened. Only of an unknown branch. */
  | {
      readonly kind: 'open';
      readonly opening: Opening;
      readonly oneShot: boolean;
      /** Its client names it to the coordinator itself. */
      readonly named: boolean;
    }
  /** Execute, prepare and vote unasked. */
  | { readonly kind: 'last-statement' }
  /** The client's: its statements are done. The coordinator's: its prepare. */
  | { readonly kind: 'vote-wanted'; readonly by: 'client' | 'coordinator' }
  /** `damage`: a statement of the branch committed its work alone, and the engine showed it. */
  | {
      readonly kind: 'vote-taken';
      readonly vote: Vote;
      readonly damage: string | undefined;
      readonly nowMs: number;
    }
  /** The session's answer to `ask-one-phase` or `commit-one-phase`. */
  | { readonly kind: 'session-answered'; readonly answer: OnePhaseAnswer }
  /** The session that `end-session` was for has obeyed. */
  | { readonly kind: 'session-ended' }
  /** The engine or the network ended the session, or it could not be opened. */
  | { readonly kind: 'session-lost'; readonly reason: Reason }
  /** A statement, not the last one, committed the branch's work alone. */
  | { readonly kind: 'damaged'; readonly reason: Reason; readonly proof: string }
  | { readonly kind: 'deadline' }
  /** The time of `limit-prepare` has passed. */
  | { readonly kind: 'prepare-overdue' }
  /** A newer life of the coordinator has begun. */
  | { readonly kind: 'newer-life'; readonly reason: Reason }
  /** The participant stops. */
  | { readonly kind: 'stop'; readonly reason: Reason }
  /** The engine does not list it as prepared, by a list that was begun at that time. */
  | { readonly kind: 'not-listed'; readonly listedMs: number }
  /** The engine's list that a vote was to be read from: what is prepared under the name. */
  | { readonly kind: 'listed'; readonly prepared: readonly Evidence[] }
  | { readonly kind: 'list-failed'; readonly reason: Reason };

/** A command to finish the branch, and how it gets on. */
export type CallEvent =
  | {
      readonly kind: 'finish-wanted';
      readonly verb: FinishVerb;
      readonly evidence: Evidence;
      /** Whom the command takes for the one who opened the branch: this participant, another life of it, or nobody knows. */
      readonly holder: 'this' | 'another' | 'not-known';
    }
  /** Whatever came before it in the queue of `wait-turn` has ended. */
  | { readonly kind: 'turn'; readonly call: CallName }
  /** The engine's answer to `commit` or `rollback`. */
  | { readonly kind: 'finished'; readonly call: CallName; readonly result: FinishResult }
  | { readonly kind: 'probed'; readonly call: CallName; readonly proof: BranchProof }
  | { readonly kind: 'probe-failed'; readonly call: CallName; readonly reason: Reason };

export type Event = BranchEvent | CallEvent;
