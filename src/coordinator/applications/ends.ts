// How a transaction ended, for someone who asked for a commit or a rollback of it, and named branches.
import { CoordinatorError } from '../../xa/errors.ts';
import type { Outcome, Reason } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import { decidedError, differError, notFoundError, rolledBackError, unknownOutcomeError } from '../driver/answers.ts';
import type { HeldTransaction } from '../driver/transaction.ts';
import type { ClaimedBranch } from '../engine/event.ts';
import type { Found } from '../engine/question.ts';
import { type Committed, committedIn, difference } from '../engine/scope.ts';
import { outcomeOf, type State, whyEnded } from '../engine/state.ts';

/** An outcome, or the error that says why there is none to be glad of. */
export type End =
  | {
      readonly kind: 'ended';
      readonly outcome: Outcome;
      /** Undefined: it is not held any more, and `branches` are the names of those that were committed, as far as they are known. */
      readonly transaction: HeldTransaction | undefined;
      readonly branches: readonly Bqual[];
    }
  | { readonly kind: 'failed'; readonly error: CoordinatorError };

/** What was asked for, and of which branches. */
export interface AskedEnd {
  readonly wanted: 'committed' | 'rolled-back';
  readonly claimed: readonly ClaimedBranch[];
}

/** Of a transaction that is held: what its state stands for now. */
export function endOf(transaction: HeldTransaction, asked: AskedEnd): End {
  const { gtrid, state } = transaction;
  const outcome = outcomeOf(state);
  if (outcome === undefined) {
    return { kind: 'failed', error: unknownOutcomeError(gtrid, `it is ${state.kind}`) };
  }
  const error = otherEnd(gtrid, { outcome, committed: committedOf(state), reason: whyEnded(state) }, asked);
  return error === undefined ? { kind: 'ended', outcome, transaction, branches: [] } : { kind: 'failed', error };
}

/** Of one that is not held any more: what could be found out about it. */
export function endOfFound(gtrid: Gtrid, found: Found, asked: AskedEnd): End {
  switch (found.kind) {
    case 'not-found':
      return { kind: 'failed', error: notFoundError(gtrid) };
    case 'expired':
      return {
        kind: 'failed',
        error: new CoordinatorError('OUTCOME_EXPIRED', `${gtrid} is older than the retained outcomes`),
      };
    case 'unknown':
      return { kind: 'failed', error: unknownOutcomeError(gtrid, found.why) };
    case 'outcome': {
      const { outcome, committed } = found;
      const error = otherEnd(gtrid, { outcome, committed, reason: undefined }, asked);
      return error === undefined
        ? { kind: 'ended', outcome, transaction: undefined, branches: committed?.all ?? [] }
        : { kind: 'failed', error };
    }
  }
}

interface KnownEnd {
  readonly outcome: Outcome;
  readonly committed: Committed | undefined;
  readonly reason: Reason | undefined;
}

/** It did not end as was asked; undefined: it did. */
function otherEnd(
  gtrid: Gtrid,
  { outcome, committed, reason }: KnownEnd,
  asked: AskedEnd,
): CoordinatorError | undefined {
  const other = otherThan(gtrid, outcome, committed, asked);
  if (other !== undefined) {
    return other;
  }
  const isRolledBack = outcome === 'rolled-back';
  if (isRolledBack === (asked.wanted === 'rolled-back')) {
    return undefined;
  }
  return isRolledBack ? rolledBackError(gtrid, reason) : decidedError(gtrid, outcome);
}

/** Somebody merely asks, and names branches that are not part of the commit. */
export function otherThanHeld(
  { gtrid, state }: HeldTransaction,
  claimed: readonly ClaimedBranch[],
): CoordinatorError | undefined {
  return otherThan(gtrid, outcomeOf(state), committedOf(state), { wanted: undefined, claimed });
}

export function otherThanFound(
  gtrid: Gtrid,
  found: Found,
  claimed: readonly ClaimedBranch[],
): CoordinatorError | undefined {
  return found.kind === 'outcome'
    ? otherThan(gtrid, found.outcome, found.committed, { wanted: undefined, claimed })
    : undefined;
}

function committedOf(state: State): Committed | undefined {
  return state.kind === 'active' || state.kind === 'rolling-back' ? undefined : committedIn(state);
}

/** A rollback is of every branch, whatever is named: nothing of any is committed. */
function otherThan(
  gtrid: Gtrid,
  outcome: Outcome | undefined,
  committed: Committed | undefined,
  { wanted, claimed }: { readonly wanted: AskedEnd['wanted'] | undefined; readonly claimed: readonly ClaimedBranch[] },
): CoordinatorError | undefined {
  if (outcome === undefined || outcome === 'rolled-back' || committed === undefined) {
    return undefined;
  }
  const reason = difference(committed, claimed, wanted === 'committed' ? 'commit' : 'other');
  return reason && differError(gtrid, reason);
}
