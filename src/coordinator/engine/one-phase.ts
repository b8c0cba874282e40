// One phase: a single branch is told to commit, and its engine's answer is the outcome. There is no record, so a lost answer
// is asked for until the engine proves an end; silence proves nothing.
import { finishEffect, ignore, rollbackStray } from './branches.ts';
import type { Effect, Event, Step } from './event.ts';
import type { Completed, FinishStatus, OnePhase, State } from './state.ts';

export function stepOnePhase(state: OnePhase, event: Event): Step<State> {
  switch (event.kind) {
    case 'one-phase-evidence':
      return event.bqual === state.branch.bqual
        ? { state: { ...state, branch: { ...state.branch, evidence: event.evidence } }, effects: [] }
        : ignore(state);
    case 'branch-result':
      return event.bqual === state.branch.bqual && event.verb === 'commit-one-phase'
        ? result(state, event)
        : ignore(state);
    case 'retry-due':
      return { state, effects: [finishEffect(state.branch, 'commit-one-phase')] };
    case 'vote':
      // The participant lost the branch before the commit reached it: nothing was committed.
      return event.bqual === state.branch.bqual && event.vote.kind === 'rollback'
        ? complete(state, 'rolled-back', { kind: 'proven' }, event.vote.reason)
        : ignore(state);
    case 'branch-opened':
      return event.bqual === state.branch.bqual
        ? ignore(state)
        : { state, effects: [rollbackStray(event.bqual, event.instance)] };
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    default:
      // The commit is on its way and cannot be called back: deadlines and rollback requests lose to it (D2).
      return ignore(state);
  }
}

function result(state: OnePhase, event: Extract<Event, { kind: 'branch-result' }>): Step<State> {
  const { result } = event;
  switch (result.kind) {
    case 'done':
      return complete(state, 'committed', { kind: 'proven' }, undefined);
    case 'done-otherwise':
      return complete(
        state,
        'rolled-back',
        { kind: 'proven' },
        {
          code: 'BRANCH_VOTED_NO',
          message: result.proof,
          retryable: true,
        },
      );
    case 'not-yet':
    case 'unknown': {
      const attempts = state.branch.status.kind === 'pending' ? state.branch.status.attempts + 1 : 1;
      const branch = { ...state.branch, status: { kind: 'pending', attempts } as const };
      return { state: { ...state, branch }, effects: [{ kind: 'retry', bqual: branch.bqual, attempts }] };
    }
    case 'unproven': {
      // Its engine has forgotten: neither end may be claimed (conformance F4).
      const status: FinishStatus = { kind: 'unproven', attempts: 1, reason: result.reason };
      return complete(state, 'hazard', status, result.reason);
    }
  }
}

function complete(
  state: OnePhase,
  outcome: Completed['outcome'],
  status: FinishStatus,
  reason: Completed['reason'],
): Step<State> {
  const decision = outcome === 'rolled-back' ? 'rollback' : 'commit';
  const branches = [{ ...state.branch, status }];
  const effects: Effect[] = [
    { kind: 'answer', level: 'decided' },
    { kind: 'answer', level: 'applied' },
  ];
  return {
    state: { kind: 'completed', gtrid: state.gtrid, decision, outcome, branches, reason, logged: false },
    effects,
  };
}
