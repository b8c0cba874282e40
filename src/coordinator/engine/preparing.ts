// Preparing: the client asked for a commit; votes are awaited in parallel. The last yes decides; a no, a stray branch or the
// deadline rolls everything back.
import { assert, unreachable } from '../../lib/assert.ts';
import { areOfTwo } from '../../xa/evidence.ts';
import { openedTwice, unnamed } from './active.ts';
import { decide, everyone, find, ignore, isSecond, learned, rollBack, withVote } from './branches.ts';
import { contradiction } from './damage.ts';
import type { Event, Step } from './event.ts';
import { evidenceOf } from './reports.ts';
import { readOnlyIn, refuseIfOther } from './scope.ts';
import type { OpenBranch, Preparing, State } from './state.ts';

export function stepPreparing(state: Preparing, event: Event): Step<State> {
  switch (event.kind) {
    case 'vote':
      return vote(state, event);
    case 'branch-opened':
      return opened(state, event);
    case 'rollback-requested':
      return rollBack(state, event.reason, everyone(state.branches, event.claimed));
    case 'deadline':
    case 'operator-rollback':
      // No decision is with the log yet, so a rollback still wins (D2 begins with the next state).
      return rollBack(state, event.reason);
    case 'rollback-only-requested':
      return rollBack(state, event.reason);
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'decision-durable':
    case 'damage-durable':
    case 'operator-vouched':
      assert(false, `D1: ${event.kind} before any decision`);
      return ignore(state);
    case 'commit-requested': // Repeated: the first one is being carried out.
      return { state, effects: refuseIfOther(state, event.claimed, 'commit') };
    case 'client-lost': // It had asked for the commit; whether it hears the answer does not matter.
    case 'one-phase-evidence':
    case 'unanswered':
    case 'branch-result':
    case 'retry-due':
      return ignore(state);
    case 'branch-found':
      return found(state, event);
    default:
      return unreachable(event);
  }
}

function vote(state: Preparing, event: Extract<Event, { kind: 'vote' }>): Step<State> {
  const { bqual, vote } = event;
  const known = find(state.branches, bqual);
  const alarms = contradiction(known, event);
  if (known === undefined) {
    // A branch that nobody named has voted: it was opened by this transaction and is not part of what was asked for (D3).
    const stray = { bqual, instance: event.instance, evidence: evidenceOf(event), claimed: false, vote: undefined };
    return rollBack(state, unnamed(bqual), [...state.branches, stray]);
  }
  if (vote.kind === 'rollback') {
    return rollBack(state, vote.reason, state.branches, alarms);
  }
  const branches = withVote(state.branches, event, vote);
  if (branches === undefined) {
    const other = { bqual, instance: event.instance, evidence: evidenceOf(event), claimed: false, vote: undefined };
    return rollBack(state, openedTwice(bqual), [...state.branches, other], alarms);
  }
  return branches.every((other) => other.vote !== undefined)
    ? decide(state, branches, { readOnly: readOnlyIn(branches), unnamed: state.unnamed }, state.requestId)
    : { state: { ...state, branches }, effects: [] };
}

/** Live: its vote is on the way. Unless it is of a branch that the commit request does not name, or of another opening of one. */
function found(state: Preparing, event: Extract<Event, { kind: 'branch-found' }>): Step<State> {
  const known = find(state.branches, event.bqual);
  if (known === undefined) {
    return opened(state, event);
  }
  return areOfTwo(known.evidence, event.evidence) ? opened(state, { ...event, instance: undefined }) : ignore(state);
}

function opened(state: Preparing, event: Pick<OpenBranch, 'bqual' | 'instance' | 'evidence'>): Step<State> {
  const { bqual, instance, evidence } = event;
  const branch = find(state.branches, bqual);
  if (branch === undefined) {
    const stray = { bqual, instance, evidence, claimed: false, vote: undefined };
    return rollBack(state, unnamed(bqual), [...state.branches, stray]);
  }
  if (isSecond(branch, instance, evidence)) {
    return rollBack(state, openedTwice(bqual), [...state.branches, { ...branch, instance, evidence, vote: undefined }]);
  }
  // The report that the commit request overtook.
  return learned(state, branch, instance, evidence);
}
