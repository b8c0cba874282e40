// Rolling back: no decision exists and none ever will. Branches are told once and again while they answer "not yet"; what
// cannot be reached is left to reconciliation, so that one dead participant holds up nobody (D11).
import { assert, unreachable } from '../../lib/assert.ts';
import { areOfTwo, NO_EVIDENCE } from '../../xa/evidence.ts';
import type { Bqual } from '../../xa/xid.ts';
import { damaged, find, finishEffect, ignore, replace, unknownAnswer } from './branches.ts';
import type { CallAnswer, Effect, Event, Step } from './event.ts';
import { rollbackStray } from './reports.ts';
import type { FinishingBranch, RollbackStatus, RollingBack, State } from './state.ts';

export function stepRollingBack(state: RollingBack, event: Event): Step<State> {
  switch (event.kind) {
    case 'branch-result':
      return result(state, event);
    case 'unanswered':
      return result(state, unknownAnswer(event));
    case 'retry-due': {
      const branch = find(state.branches, event.bqual);
      return branch?.status.kind === 'pending' ? { state, effects: [finishEffect(branch, 'rollback')] } : ignore(state);
    }
    case 'damage-durable': {
      const branch = find(state.branches, event.bqual);
      assert(branch?.status.kind === 'recording-damage', 'D4: damage becomes durable only after it was found');
      return settle(state, damaged(branch, branch.status.proof), []);
    }
    case 'branch-opened':
    case 'branch-found':
    case 'vote':
      // Opened after the end, or prepared by a message that was late: a late yes never revives the transaction (D9).
      return rollbackStray(state, event);
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'commit-requested':
    case 'rollback-requested':
      return { state, effects: [{ kind: 'answer', level: 'decided' }] };
    case 'decision-durable':
      assert(false, 'D2: a transaction that rolls back has no decision');
      return ignore(state);
    case 'rollback-only-requested':
    case 'deadline':
    case 'client-lost':
    case 'operator-rollback':
    // It rolls back already, and goes on whoever is gone.
    case 'one-phase-evidence':
    // What waits there to be told is told to roll back, or was.
    case 'operator-vouched':
      return ignore(state);
    default:
      return unreachable(event);
  }
}

function result(state: RollingBack, event: CallAnswer): Step<State> {
  const { bqual, verb, result } = event;
  const branch = find(state.branches, bqual);
  const proof = proofOfCommit(branch, event);
  if (proof !== undefined) {
    return foundCommitted(state, bqual, proof) ?? ignore(state);
  }
  const isOver = verb !== 'rollback' || result.kind === 'done-otherwise' || branch?.status.kind !== 'pending';
  if (isOver || areOfTwo(branch.evidence, event.evidence)) {
    return ignore(state); // It is accounted for, or another opening of it was meant.
  }
  switch (result.kind) {
    case 'done':
      return settle(state, { ...branch, status: { kind: 'proven' } }, []);
    case 'not-yet': {
      const attempts = branch.status.attempts + 1;
      const { reason } = result;
      return settle(state, { ...branch, status: { kind: 'pending', attempts, reason } }, [
        { kind: 'retry', bqual, attempts },
      ]);
    }
    case 'unknown':
    case 'unproven':
      return settle(state, { ...branch, status: { kind: 'swept', reason: result.reason } }, []);
  }
}

/**
 * What says that a branch is committed although its transaction is rolled back; undefined: nothing does. That it was told to commit, in
 * one phase before the rollback or by whomever, and did so, is as good as an engine's proof; but not what had nothing to commit.
 */
export function proofOfCommit(branch: FinishingBranch | undefined, { verb, result }: CallAnswer): string | undefined {
  if (verb === 'rollback') {
    return result.kind === 'done-otherwise' ? result.proof : undefined;
  }
  const hasWritten = verb === 'commit' || (branch !== undefined && branch.evidence.kind !== 'none');
  return result.kind === 'done' && hasWritten ? 'its participant has answered that it was committed' : undefined;
}

/**
 * The holder of a branch of a rolled-back transaction says that it was committed, by whatever word: it is heard though nobody has asked.
 * It may have voted no on a commit in one phase, so that nobody will, or have an opening to tell of that was not known when it was asked.
 */
export function isOwnDamage(state: State, { bqual, verb, result }: CallAnswer, instance: string): boolean {
  const isRolledBack = state.kind === 'rolling-back' || (state.kind === 'completed' && state.decision === 'rollback');
  return (
    isRolledBack &&
    result.kind === (verb === 'rollback' ? 'done-otherwise' : 'done') &&
    state.branches.some((branch) => branch.bqual === bqual && branch.instance === instance)
  );
}

/**
 * Somebody committed a branch by hand that was never decided: damage, with the engine's proof (D4). It counts whatever was believed of
 * the branch before: that it was swept, that it was gone (it may have been prepared by a late message since), or nothing at all, if it
 * only turned up afterwards. Undefined: it is recorded already.
 */
export function foundCommitted(state: RollingBack, bqual: Bqual, proof: string): Step<RollingBack> | undefined {
  const known = find(state.branches, bqual);
  if (known?.status.kind === 'recording-damage' || known?.status.kind === 'damaged') {
    return undefined;
  }
  const branch: FinishingBranch<RollbackStatus> = {
    ...(known ?? { bqual, instance: undefined, evidence: NO_EVIDENCE }),
    status: { kind: 'recording-damage', proof, was: 'open' },
  };
  const branches = known === undefined ? [...state.branches, branch] : replace(state.branches, branch);
  const { gtrid } = state;
  return {
    state: { ...state, branches },
    effects: [
      {
        kind: 'record-damage',
        bqual,
        record: { kind: 'heuristic', gtrid, decision: 'rollback', damage: [{ bqual, kind: 'committed', proof }] },
      },
      { kind: 'alarm', bqual, message: `rolled back, but ${proof}` },
    ],
  };
}

function settle(state: RollingBack, changed: FinishingBranch<RollbackStatus>, effects: readonly Effect[]): Step<State> {
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
      presumed: state.presumed,
      logged: isDamaged,
    },
    effects: [...effects, { kind: 'answer', level: 'applied' }],
  };
}

/**
 * The branches of a rolled-back transaction that were given up unheard, and that may be prepared. Somebody may have committed one by hand
 * meanwhile, and what is not prepared any more is in no list: its engine is asked once more when it is back (D4).
 */
export function givenUp(state: State): readonly FinishingBranch[] {
  // One of which nothing is known had not voted: nothing could have been committed by hand.
  return state.kind === 'completed' && state.decision === 'rollback'
    ? state.branches.filter(({ status, evidence }) => status.kind === 'swept' && evidence.kind === 'row')
    : [];
}
