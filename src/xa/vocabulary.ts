// Votes, decisions, results and outcomes: four different things with four different types.
import type { Evidence } from './evidence.ts';
import type { Bqual } from './xid.ts';

export type { Evidence };

/** What a participant answers to prepare. X/Open XA: XA_OK, XA_RDONLY, XA_RB*. */
export type Vote =
  | { readonly kind: 'prepared'; readonly evidence: Evidence }
  | { readonly kind: 'read-only' }
  | { readonly kind: 'rollback'; readonly reason: Reason };

/** Why a branch or a transaction was rolled back or refused. */
export interface Reason {
  /** From the error catalogue. */
  readonly code: string;
  readonly message: string;
  /** The branch whose engine or participant gave the reason; absent: it is the transaction's own. */
  readonly bqual?: Bqual;
  readonly sqlstate?: string;
  readonly errno?: number;
  /** The same work, as a new transaction, may succeed: deadlock, serialization failure, timeout. */
  readonly retryable: boolean;
}

export type Decision = 'commit' | 'rollback';

/** What a participant answers to a phase-two call. There is no generic error. */
export type FinishResult =
  | { readonly kind: 'done' }
  /** The engine proved the opposite end: damage. `proof` says how. */
  | { readonly kind: 'done-otherwise'; readonly proof: string }
  | { readonly kind: 'not-yet'; readonly reason: Reason }
  | { readonly kind: 'unknown'; readonly reason: Reason }
  | { readonly kind: 'unproven'; readonly reason: Reason };

/** How a completed transaction ended. `mixed` and `hazard` are heuristic: kept until an operator forgets them. */
export type Outcome = 'committed' | 'rolled-back' | 'mixed' | 'hazard';

/** What an engine shows for one branch now. */
export type BranchProof = 'active' | 'prepared' | 'committed' | 'rolled-back' | 'unproven';

export type Isolation = 'default' | 'read-uncommitted' | 'read-committed' | 'repeatable-read' | 'serializable';

export type Acknowledgement = 'applied' | 'decided';
