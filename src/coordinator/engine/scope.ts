// Of which branches a commit is: what every later request about the transaction is compared with, so that nobody is told that a branch
// is committed which the decision does not have (D5).
import type { LogRecord } from '../../log/record.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';
import type { ClaimedBranch, Effect } from './event.ts';
import type { Active, CommitScope, OpenBranch, RollingBack, State } from './state.ts';

/** Every branch of a commit. */
export interface Committed {
  readonly all: readonly Bqual[];
  readonly unnamed: readonly Bqual[];
}

export function scopeOf(branches: readonly OpenBranch[], claimed: readonly ClaimedBranch[]): CommitScope {
  return {
    readOnly: readOnlyIn(branches),
    unnamed: branches.filter(({ bqual }) => !isNamed(claimed, bqual)).map(({ bqual }) => bqual),
  };
}

export function recordedScope({ readOnly = [], unnamed = [] }: Extract<LogRecord, { kind: 'decided' }>): CommitScope {
  return { readOnly, unnamed };
}

export function readOnlyIn(branches: readonly OpenBranch[]): readonly Bqual[] {
  return branches.filter(({ vote }) => vote?.kind === 'read-only').map(({ bqual }) => bqual);
}

/** States in which a commit is under way, decided or done; a completed one may have been rolled back. */
type CommitState = Exclude<State, Active | RollingBack>;

/** The branches of the commit; undefined: it was rolled back, or its branches are not known. */
export function committedIn(state: CommitState): Committed | undefined {
  switch (state.kind) {
    case 'preparing':
      return { all: state.branches.map(({ bqual }) => bqual), unnamed: state.unnamed };
    case 'one-phase':
      return { all: [state.branch.bqual], unnamed: state.unnamed };
    case 'deciding':
    case 'committing':
      return withScope(state.branches, state.scope);
    case 'completed':
      return state.decision === 'commit' && state.scope !== undefined
        ? withScope(state.branches, state.scope)
        : undefined;
  }
}

export function withScope(
  branches: readonly { readonly bqual: Bqual }[],
  { readOnly, unnamed }: CommitScope,
): Committed {
  return { all: [...branches.map(({ bqual }) => bqual), ...readOnly], unnamed };
}

/**
 * Why a request is not about this commit; undefined: it is. A repeated commit request names what the first one named, and of the other
 * branches of the commit as many as it likes. Whoever merely asks, or wants a rollback, may know of fewer branches, and of no others.
 */
export function difference(
  { all, unnamed }: Committed,
  claimed: readonly ClaimedBranch[],
  wanted: 'commit' | 'other',
): Reason | undefined {
  const others = claimed.filter(({ bqual }) => !all.includes(bqual)).map(({ bqual }) => bqual);
  const missing =
    wanted === 'commit' ? all.filter((bqual) => !unnamed.includes(bqual) && !isNamed(claimed, bqual)) : [];
  if (others.length === 0 && missing.length === 0) {
    return undefined;
  }
  const named = claimed.map(({ bqual }) => bqual);
  const message = `the commit is of ${names(all)}, and this request names ${names(named)}: look at each branch before you do anything again`;
  return { code: 'BRANCHES_DIFFER', message, retryable: false };
}

/** The answer to a request that names other branches; everybody else's answers are not touched by it. */
export function refuseIfOther(
  state: CommitState,
  claimed: readonly ClaimedBranch[],
  wanted: 'commit' | 'other',
): readonly Effect[] {
  const committed = committedIn(state);
  const reason = committed && difference(committed, claimed, wanted);
  return reason === undefined ? [] : [{ kind: 'refuse-end', reason }];
}

function isNamed(claimed: readonly ClaimedBranch[], bqual: Bqual): boolean {
  return claimed.some((branch) => branch.bqual === bqual);
}

function names(bquals: readonly Bqual[]): string {
  return bquals.length === 0 ? 'no branch' : [...new Set(bquals)].sort().join(', ');
}
