// A coordinator's state without what no step looks at: words of reasons, numbers of attempts, the order of branches. `Coordinators`
// holds each of these claims against the step function itself.
import type { CommitScope, FinishingBranch, FinishStatus, State } from '../../src/coordinator/engine/state.ts';
import { PROOF, REASON } from './names.ts';

/** `hasTwo`: two instances speak for a branch, so that it matters which one holds it. */
export function canonical(state: State, hasTwo: boolean): State {
  const finishing = <Status extends FinishStatus>(
    branches: readonly FinishingBranch<Status>[],
  ): readonly FinishingBranch<Status>[] => finishingAs(branches, hasTwo);
  switch (state.kind) {
    case 'active': {
      const rollbackOnly = state.rollbackOnly === undefined ? undefined : REASON;
      return { ...state, branches: sorted(state.branches), rollbackOnly };
    }
    case 'preparing':
      return { ...state, branches: sorted(state.branches), unnamed: [...state.unnamed].sort() };
    case 'one-phase':
      // Whether an answer was lost makes a difference here, how many were does not.
      return { ...state, branch: { ...state.branch, status: plain(state.branch.status, 1) } };
    case 'deciding':
      return { ...state, branches: finishing(state.branches), scope: scopeOf(state.scope) };
    case 'committing':
      return { ...state, branches: finishing(state.branches), scope: scopeOf(state.scope) };
    case 'rolling-back':
      return { ...state, branches: finishing(state.branches), reason: REASON };
    case 'completed':
      return state.decision === 'rollback'
        ? { ...state, branches: finishing(state.branches), reason: REASON }
        : { ...state, branches: finishing(state.branches), scope: state.scope && scopeOf(state.scope) };
  }
}

/** Equal states have equal keys: in which order a step has set the fields makes no difference, nor whether one is undefined or absent. */
export function keyOf(state: State): string {
  return JSON.stringify(state, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}

function scopeOf({ readOnly, unnamed }: CommitScope): CommitScope {
  return { readOnly: [...readOnly].sort(), unnamed: [...unnamed].sort() };
}

/** In phase two any instance answers for a branch, so that nobody asks which one had it; unless two are there. */
function finishingAs<Status extends FinishStatus>(
  branches: readonly FinishingBranch<Status>[],
  hasTwo: boolean,
): readonly FinishingBranch<Status>[] {
  return sorted(
    branches.map((branch) => ({
      ...branch,
      instance: hasTwo ? branch.instance : undefined,
      status: plain(branch.status, 0),
    })),
  );
}

function plain<Status extends FinishStatus>(status: Status, attemptsMax: number): Status {
  switch (status.kind) {
    case 'pending':
      return { kind: 'pending', attempts: Math.min(status.attempts, attemptsMax) } as Status;
    case 'unproven':
      return { ...status, attempts: 0, reason: REASON };
    case 'recording-damage':
    case 'damaged':
      return { ...status, proof: PROOF };
    case 'swept':
      return { ...status, reason: REASON };
    default:
      return status;
  }
}

function sorted<B extends { readonly bqual: string }>(branches: readonly B[]): readonly B[] {
  return [...branches].sort((one, other) => (one.bqual < other.bqual ? -1 : 1));
}
