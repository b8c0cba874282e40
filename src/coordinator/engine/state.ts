// Where a global transaction can stand. Each state owns its data; nothing is "only set while …".
import { unreachable } from '../../lib/assert.ts';
import type { DecidedBranch } from '../../log/record.ts';
import type { Evidence, Outcome, Reason } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';

/** A vote that still counts for a commit; a rollback vote ends the transaction at once and is never kept. */
export type YesVote = { readonly kind: 'prepared'; readonly evidence: Evidence } | { readonly kind: 'read-only' };

/** What the commit request and the votes tell beyond the branches that are to be finished. */
export interface CommitScope {
  /** Only read, and ended with their votes: part of the commit, though nobody finishes them. */
  readonly readOnly: readonly Bqual[];
  /** Enlisted before, and not named by the commit request: a repeated one need not name them either. */
  readonly unnamed: readonly Bqual[];
}

/** A branch before phase two. */
export interface OpenBranch {
  readonly bqual: Bqual;
  /** The participant instance that holds it; undefined: not known, any instance of the resource may answer. */
  readonly instance: string | undefined;
  /** Of its opening, until it votes. */
  readonly evidence: Evidence;
  /** Named by `Enlist` or by the commit request, not only by its participant: the client knows of it (D3). */
  readonly claimed: boolean;
  readonly vote: YesVote | undefined;
}

/** Told how to end, or about to be; no engine has proven anything yet. */
export interface PendingEnd {
  readonly kind: 'pending';
  readonly attempts: number;
  /** Why the newest attempt did not end it; undefined: it was not answered yet. */
  readonly reason?: Reason | undefined;
}

/** The engine proved the decided end. */
interface Proven {
  readonly kind: 'proven';
}

/** The engine proved the opposite; the heuristic record is on its way to the log. */
export interface RecordingDamage {
  readonly kind: 'recording-damage';
  readonly proof: string;
  /** What people have been told of it before. */
  readonly was: 'open' | 'vouched' | 'damaged';
}

export interface Damaged {
  readonly kind: 'damaged';
  readonly proof: string;
  /** By whose word: an operator's may be disproved yet. */
  readonly by: 'engine' | 'operator';
}

/** The engine proves neither end. Asked again now and then; an operator may vouch for it. In one phase: the end, once it is recorded. */
export interface Unproven {
  readonly kind: 'unproven';
  readonly attempts: number;
  readonly reason: Reason;
}

/** An operator says that it is committed. */
interface Vouched {
  readonly kind: 'vouched';
}

/** Left to reconciliation, which rolls back whatever its engine still lists as prepared. */
interface Swept {
  readonly kind: 'swept';
  readonly reason: Reason;
}

/** How far a decided commit is with one branch. */
export type CommitStatus = PendingEnd | Proven | RecordingDamage | Damaged | Unproven | Vouched;

/** How far a rollback is with one branch. */
export type RollbackStatus = PendingEnd | Proven | RecordingDamage | Damaged | Swept;

export type FinishStatus = CommitStatus | RollbackStatus;

export interface FinishingBranch<Status extends FinishStatus = FinishStatus> {
  readonly bqual: Bqual;
  /** As in `OpenBranch`. */
  readonly instance: string | undefined;
  readonly evidence: Evidence;
  readonly status: Status;
}

export interface Active {
  readonly kind: 'active';
  readonly gtrid: Gtrid;
  readonly branches: readonly OpenBranch[];
  readonly rollbackOnly: Reason | undefined;
}

export interface Preparing {
  readonly kind: 'preparing';
  readonly gtrid: Gtrid;
  readonly branches: readonly OpenBranch[];
  /** As in `CommitScope`. */
  readonly unnamed: readonly Bqual[];
  readonly requestId: string;
}

/** One branch, committed without a vote and without a record: its engine's answer is the decision. */
export interface OnePhase {
  readonly kind: 'one-phase';
  readonly gtrid: Gtrid;
  readonly branch: FinishingBranch<PendingEnd | Unproven>;
  /** As in `CommitScope`. */
  readonly unnamed: readonly Bqual[];
}

/** The commit record is with the log; nobody may turn it any more (D2), nobody may act on it yet (D1). */
export interface Deciding {
  readonly kind: 'deciding';
  readonly gtrid: Gtrid;
  readonly branches: readonly FinishingBranch<PendingEnd>[];
  readonly scope: CommitScope;
  readonly requestId: string;
}

export interface Committing {
  readonly kind: 'committing';
  readonly gtrid: Gtrid;
  readonly branches: readonly FinishingBranch<CommitStatus>[];
  readonly scope: CommitScope;
  readonly requestId: string;
}

/**
 * A branch was found prepared, and no decision names it: what of it is presumed to be rolled back. `branch`: its rollback says nothing of
 * the transaction, which may have been one phase of another branch; whoever asks names its branches, as if it were not held (D5).
 * `transaction`: none was begun under its id in this life that could still commit, so that this is its end, whatever its asker knows.
 */
export type Presumed = 'branch' | 'transaction';

/** No decision exists and none ever will. */
export interface RollingBack {
  readonly kind: 'rolling-back';
  readonly gtrid: Gtrid;
  readonly branches: readonly FinishingBranch<RollbackStatus>[];
  readonly reason: Reason;
  /** Undefined: nothing was presumed, its rollback was seen here. */
  readonly presumed: Presumed | undefined;
}

interface Ended {
  readonly kind: 'completed';
  readonly gtrid: Gtrid;
  readonly outcome: Outcome;
  /** The log holds a decision or a heuristic record of it, which `forget` has to account for. */
  readonly logged: boolean;
}

interface CompletedCommit extends Ended {
  readonly decision: 'commit';
  readonly branches: readonly FinishingBranch<CommitStatus>[];
  /** Undefined: no more than its damage is known. */
  readonly scope: CommitScope | undefined;
}

interface CompletedRollback extends Ended {
  readonly decision: 'rollback';
  readonly branches: readonly FinishingBranch<RollbackStatus>[];
  readonly reason: Reason;
  /** As in `RollingBack`. */
  readonly presumed: Presumed | undefined;
}

export type Completed = CompletedCommit | CompletedRollback;

export type State = Active | Preparing | OnePhase | Deciding | Committing | RollingBack | Completed;

export function openTransaction(gtrid: Gtrid): Active {
  return { kind: 'active', gtrid, branches: [], rollbackOnly: undefined };
}

/** What is held was taken in for branches that were found prepared, and for nothing else. */
export function presumedIn(state: State): Presumed | undefined {
  const isRolledBack = state.kind === 'completed' && state.decision === 'rollback';
  return state.kind === 'rolling-back' || isRolledBack ? state.presumed : undefined;
}

/** The outcome that the state already stands for; undefined while nothing may be told (D5). */
export function outcomeOf(state: State): Outcome | undefined {
  switch (state.kind) {
    case 'committing':
      return damageIn(state.branches) ?? 'committed';
    case 'rolling-back':
      return damageIn(state.branches) ?? 'rolled-back';
    case 'completed':
      return state.outcome;
    case 'active':
    case 'preparing':
    case 'one-phase':
    case 'deciding':
      return undefined;
    default:
      return unreachable(state);
  }
}

/** Damage that is durable already is not kept from whoever asks before the other branches are done. */
function damageIn(branches: readonly FinishingBranch[]): Outcome | undefined {
  const has = (kind: 'damaged' | 'vouched'): boolean =>
    branches.some(({ status }) => status.kind === kind || (status.kind === 'recording-damage' && status.was === kind));
  return has('damaged') ? 'mixed' : has('vouched') ? 'hazard' : undefined;
}

/** Why it is or will be rolled back, or why nobody can tell how a branch of it ended. */
export function whyEnded(state: State): Reason | undefined {
  switch (state.kind) {
    case 'active':
      return state.rollbackOnly;
    case 'rolling-back':
      return state.reason;
    case 'completed':
      return state.decision === 'rollback' ? state.reason : unprovenReason(state.branches);
    case 'preparing':
    case 'one-phase':
    case 'deciding':
    case 'committing':
      return undefined;
    default:
      return unreachable(state);
  }
}

function unprovenReason(branches: readonly FinishingBranch[]): Reason | undefined {
  const { status } = branches.find((branch) => branch.status.kind === 'unproven') ?? {};
  return status?.kind === 'unproven' ? status.reason : undefined;
}

/** Heuristic outcomes stay until an operator forgets them. */
export function isHeuristic(state: State): boolean {
  return state.kind === 'completed' && (state.outcome === 'mixed' || state.outcome === 'hazard');
}

/** The decision record of the design: it names every branch that was prepared, with its evidence (D7). */
export function decidedBranches(branches: readonly FinishingBranch[]): readonly DecidedBranch[] {
  return branches.map(({ bqual, evidence }) => ({ bqual, evidence }));
}
