// What can happen to a global transaction, and what it can ask for in return.
import type { LogRecord } from '../../log/record.ts';
import type { ErrorCode } from '../../xa/errors.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';

export interface ClaimedBranch {
  readonly bqual: Bqual;
  /** Undefined: the client does not know who holds it. */
  readonly instance: string | undefined;
  /** The client has asked its participant for the vote already. */
  readonly asked?: boolean;
}

export type Event =
  /** The application asks for a branch by name; refused once a commit or rollback began. */
  | { readonly kind: 'enlist-requested'; readonly bqual: Bqual; readonly instance: string | undefined }
  /** A participant reports a branch that it has opened; its evidence tells which opening that is. */
  | { readonly kind: 'branch-opened'; readonly bqual: Bqual; readonly instance: string; readonly evidence: Evidence }
  | { readonly kind: 'commit-requested'; readonly claimed: readonly ClaimedBranch[]; readonly requestId: string }
  | { readonly kind: 'rollback-requested'; readonly claimed: readonly ClaimedBranch[]; readonly reason: Reason }
  | { readonly kind: 'rollback-only-requested'; readonly reason: Reason }
  /** By the monotonic clock: the transaction's own deadline, or the bound of the prepare phase. */
  | { readonly kind: 'deadline'; readonly reason: Reason }
  | { readonly kind: 'client-lost'; readonly reason: Reason }
  /** In answer to prepare, unasked after a last statement, or because a branch failed on its own. */
  | { readonly kind: 'vote'; readonly bqual: Bqual; readonly instance: string; readonly vote: Vote }
  /** The commit record is on stable storage. A failed force is not an event: the process stops. */
  | { readonly kind: 'decision-durable' }
  /** What will prove the commit in one phase that a participant was asked for; it waits to be told that this is known. */
  | {
      readonly kind: 'one-phase-evidence';
      readonly bqual: Bqual;
      readonly instance: string;
      readonly evidence: Evidence;
    }
  /**
   * A call is over without an answer: it was told, and its answer is late or lost; or it could be told to nobody, and will not be by the
   * call that was made for it.
   */
  | {
      readonly kind: 'unanswered';
      readonly verb: Verb;
      readonly wasTold: boolean;
      readonly bqual: Bqual;
      /** As in the call, like its evidence. */
      readonly instance: string | undefined;
      readonly evidence: Evidence;
      readonly reason: Reason;
    }
  | {
      readonly kind: 'branch-result';
      readonly bqual: Bqual;
      readonly verb: Verb;
      /** As in the call that is answered; empty: of whatever bore the name. */
      readonly evidence: Evidence;
      readonly result: FinishResult;
    }
  | { readonly kind: 'retry-due'; readonly bqual: Bqual }
  | { readonly kind: 'damage-durable'; readonly bqual: Bqual }
  /** Reconciliation: the engine lists the branch as prepared. */
  | { readonly kind: 'branch-found'; readonly bqual: Bqual; readonly instance: string; readonly evidence: Evidence }
  /** The operator's action is already in the log (it is forced before its effect). */
  | { readonly kind: 'operator-rollback'; readonly reason: Reason }
  | {
      readonly kind: 'operator-vouched';
      readonly bqual: Bqual;
      readonly end: 'committed' | 'rolled-back';
      readonly proof: string;
    };

/** What a participant answers to a call. */
export type CallAnswer = Extract<Event, { kind: 'branch-result' }>;

export type Verb = 'commit' | 'rollback' | 'commit-one-phase';

export type Effect =
  | {
      readonly kind: 'prepare';
      readonly bqual: Bqual;
      readonly instance: string | undefined;
      /** Somebody has asked already: only if the vote stays away it is asked for again. */
      readonly asked: boolean;
    }
  | {
      readonly kind: 'finish';
      readonly verb: Verb;
      readonly bqual: Bqual;
      readonly instance: string | undefined;
      readonly evidence: Evidence;
    }
  /** Call the branch again after a backoff that grows with `attempts`, by a `retry-due` event. */
  | { readonly kind: 'retry'; readonly bqual: Bqual; readonly attempts: number }
  /** Force the decision; `decision-durable` follows, or the process stops. */
  | { readonly kind: 'decide'; readonly record: Extract<LogRecord, { kind: 'decided' }> }
  /** Force the damage; `damage-durable` follows, or the process stops. */
  | {
      readonly kind: 'record-damage';
      readonly bqual: Bqual;
      readonly record: Extract<LogRecord, { kind: 'heuristic' }>;
    }
  | { readonly kind: 'finished'; readonly record: Extract<LogRecord, { kind: 'finished' }> }
  /** Whoever waits for this level may be told the state's outcome now. */
  | { readonly kind: 'answer'; readonly level: 'decided' | 'applied' }
  /** To the one who asked for this end: what is committed is not what the request names. Whoever else waits goes on waiting. */
  | { readonly kind: 'refuse-end'; readonly reason: Reason }
  | { readonly kind: 'refuse-enlist'; readonly bqual: Bqual; readonly code: ErrorCode }
  | { readonly kind: 'alarm'; readonly bqual: Bqual; readonly message: string };

export interface Step<S> {
  readonly state: S;
  readonly effects: readonly Effect[];
}
