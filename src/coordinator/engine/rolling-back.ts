// Rolling back: no decision exists and none ever will. Branches are told once and again while they answer "not yet"; what
// cannot be reached is left to reconciliation, so that one dead participant holds up nobody (D11).
import { assert } from '../../lib/assert.ts';
import { find, finishEffect, ignore, replace, rollbackStray } from './branches.ts';
import type { Effect, Event, Step } from './event.ts';
import type { FinishingBranch, RollingBack, State } from './state.ts';

export function stepRollingBack(state: RollingBack, event: Event): Step<State> {
  switch (event.kind) {
    case 'branch-result':
      return event.verb === 'rollback' ? result(state, event) : ignore(state);
    case 'retry-due': {
      const branch = find(state.branches, event.bqual);
      return branch?.status.kind === 'pending' ? { state, effects: [finishEffect(branch, 'rollback')] } : ignore(state);
    }
    case 'damage-durable': {
      const branch = find(state.branches, event.bqual);
      assert(branch?.status.kind === 'recording-damage', 'D4: damage becomes durable only after it was found');
      return settle(state, { ...branch, status: { kind: 'damaged', proof: branch.status.proof } }, []);
    }
    case 'branch-opened':
    case 'branch-found':
      // Opened after the end, or prepared by a message that was late: it must not survive (D9).
      return { state, effects: [rollbackStray(event.bqual, event.instance)] };
    case 'vote':
      // A late yes never revives the transaction (D9); a no or a read-only vote has ended the branch.
      return event.vote.kind === 'prepared'
        ? {
            state,
            effects: [{ ...rollbackStray(event.bqual, event.instance), evidence: event.vote.evidence } as Effect],
          }
        : ignore(state);
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'commit-requested':
    case 'rollback-requested':
      return { state, effects: [{ kind: 'answer', level: 'decided' }] };
    case 'decision-durable':
      assert(false, 'D2: a transaction that rolls back has no decision');
      return ignore(state);
    default:
      return ignore(state);
  }
}

function result(state: RollingBack, event: Extract<Event, { kind: 'branch-result' }>): Step<State> {
  const branch = find(state.branches, event.bqual);
  if (branch?.status.kind !== 'pending') {
    return ignore(state);
  }
  const { result } = event;
  switch (result.kind) {
    case 'done':
      return settle(state, { ...branch, status: { kind: 'proven' } }, []);
    case 'done-otherwise':
      return foundCommitted(state, branch, result.proof);
    case 'not-yet': {
      const attempts = branch.status.attempts + 1;
      return settle(state, { ...branch, status: { kind: 'pending', attempts } }, [
        { kind: 'retry', bqual: branch.bqual, attempts },
      ]);
    }
    case 'unknown':
    case 'unproven':
      return settle(state, { ...branch, status: { kind: 'swept' } }, []);
  }
}

/** Somebody committed a branch by hand that was never decided: damage, with the engine's proof (D4). */
function foundCommitted(state: RollingBack, branch: FinishingBranch, proof: string): Step<State> {
  return settle(state, { ...branch, status: { kind: 'recording-damage', proof } }, [
    {
      kind: 'record-damage',
      bqual: branch.bqual,
      record: {
        kind: 'heuristic',
        gtrid: state.gtrid,
        decision: 'rollback',
        damage: [{ bqual: branch.bqual, kind: 'committed', proof }],
      },
    },
    { kind: 'alarm', bqual: branch.bqual, message: `rolled back, but ${proof}` },
  ]);
}

function settle(state: RollingBack, changed: FinishingBranch, effects: readonly Effect[]): Step<State> {
  const branches = replace(state.branches, changed);
  if (branches.some(({ status }) => status.kind === 'pending' || status.kind === 'recording-damage')) {
    return { state: { ...state, branches }, effects };
  }
  const isDamaged = branches.some(({ status }) => status.kind === 'damaged');
  return {
    state: {
      kind: 'completed',
      gtrid: state.gtrid,
      decision: 'rollback',
      outcome: isDamaged ? 'mixed' : 'rolled-back',
      branches,
      reason: state.reason,
      logged: isDamaged,
    },
    effects: [...effects, { kind: 'answer', level: 'applied' }],
  };
}
