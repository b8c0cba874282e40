// One branch that this participant holds: where it stands, and which of its statements is the newest.
import type { Timer } from '../../lib/clock.ts';
import { NO_EVIDENCE, type Opening } from '../../xa/evidence.ts';
import type { Evidence, FinishResult, Reason, Vote } from '../../xa/vocabulary.ts';
import { formatXid, gtridParts, type LogIdentity, type Xid } from '../../xa/xid.ts';
import { reasonOf } from '../reasons.ts';
import type { BranchSession, OnePhaseResult } from '../resource-manager.ts';
import type { NewestStatement } from './newest-statement.ts';

export type BranchState =
  /** Takes statements, until `asked`. Nothing that could prepare it, or commit what it wrote, was ever sent to its engine. */
  | { readonly kind: 'active' }
  /** Its last statement or its prepare is queued or running; `vote` never rejects. */
  | { readonly kind: 'preparing'; readonly vote: Promise<Vote> }
  | { readonly kind: 'prepared'; readonly evidence: Evidence; readonly sinceMs: number }
  /** Its commit in one phase is queued or running: nothing may end it otherwise, and no vote may be told any more. */
  | { readonly kind: 'one-phase' }
  /** Out of the table. `byEngine`: its session was lost; otherwise this participant ended it. */
  | { readonly kind: 'ended'; readonly reason: Reason; readonly byEngine: boolean };

/** Owned and changed by `Branches` (its life) and `Statements` (its statements); everybody else reads. */
export interface Branch {
  readonly xid: Xid;
  readonly key: string;
  readonly opening: Opening;
  readonly identity: LogIdentity;
  readonly epoch: number;
  /** Settles when the engine has opened the branch; rejects with what `open` rejected with. */
  readonly session: Promise<BranchSession>;
  /** Its statements come without waiting for one another, and the last one is marked: until it is here, some may be missing. */
  readonly oneShot: boolean;
  state: BranchState;
  newest: NewestStatement | undefined;
  /** Statements that are queued or running. */
  waiting: number;
  deadline: Timer | undefined;
  /** A newer life of the coordinator has begun: once prepared, the branch is its to find and finish. */
  superseded: boolean;
  /** It was asked to commit in one phase: it takes no more statements, and is active until it is told so with its evidence. */
  asked: boolean;
  /** What it has announced to prove its commit in one phase. */
  announced: Evidence;
  /** Prepared, and told to commit in one phase: it may be committed already, which no record of the coordinator's tells. */
  toldOnePhase: boolean;
}

/** A branch whose session is being opened. */
export function newBranch(
  { xid, opening, oneShot }: Pick<Branch, 'xid' | 'opening' | 'oneShot'>,
  session: Promise<BranchSession>,
): Branch {
  const { identity, epoch } = gtridParts(xid.gtrid);
  return {
    ...{ xid, key: formatXid(xid), opening, identity, epoch, session, oneShot },
    state: { kind: 'active' },
    newest: undefined,
    waiting: 0,
    deadline: undefined,
    superseded: false,
    asked: false,
    announced: NO_EVIDENCE,
    toldOnePhase: false,
  };
}

/** Why a branch whose last statement has not come can only be rolled back. */
export const INCOMPLETE: Reason = {
  code: 'BRANCH_STATE',
  message: 'the last statement of the branch had not come when its vote was wanted',
  retryable: true,
};

/**
 * How an active branch votes when it is asked. One whose statements may still be on their way votes no: prepared now, it could be
 * committed with some of them missing (D3).
 */
export function voteOf({ oneShot }: Branch): (session: BranchSession) => Promise<Vote> {
  return async (session) => {
    if (!oneShot) {
      return await session.prepare();
    }
    await session.rollback();
    return { kind: 'rollback', reason: INCOMPLETE };
  };
}

/** A word about one phase to a session that may not have been opened: then nothing can have been committed, for certain. Never rejects. */
export async function endSession<Result extends OnePhaseResult>(
  opened: Promise<BranchSession>,
  word: (session: BranchSession) => Promise<Result>,
): Promise<Result | FinishResult> {
  let session: BranchSession;
  try {
    session = await opened;
  } catch (error) {
    return { kind: 'done-otherwise', proof: `the branch was never opened: ${reasonOf(error).message}` };
  }
  try {
    return await word(session);
  } catch (error) {
    return { kind: 'unknown', reason: reasonOf(error) };
  }
}

/** It was asked to end in one phase, and for its vote meanwhile. */
export const ASKED_TO_VOTE: Reason = {
  code: 'BRANCH_STATE',
  message: 'the branch was asked for its vote, too',
  retryable: true,
};

/** What a branch is asked and told of its one phase. */
export const ASK = (session: BranchSession): Promise<OnePhaseResult> => session.askOnePhase();
export const COMMIT = (session: BranchSession): Promise<FinishResult> => session.commitOnePhase();

/** Out of the table by its vote, its result or the word of phase two. */
export const ENDED: Extract<Branch['state'], { kind: 'ended' }> = {
  kind: 'ended',
  reason: { code: 'BRANCH_STATE', message: 'the branch has voted or ended', retryable: false },
  byEngine: false,
};
