// Active: branches are opened and do work; some may have voted already (a last statement votes unasked).
import { assert, unreachable } from '../../lib/assert.ts';
import { areOfTwo, NO_EVIDENCE } from '../../xa/evidence.ts';
import { BRANCHES_MAX } from '../../xa/limits.ts';
import type { Evidence, Reason } from '../../xa/vocabulary.ts';
import type { Bqual } from '../../xa/xid.ts';
import {
  claim,
  committedWithoutRecord,
  decide,
  everyone,
  find,
  finishEffect,
  finishing,
  ignore,
  isSecond,
  learned,
  rollBack,
  withVote,
} from './branches.ts';
import { contradiction } from './damage.ts';
import type { Effect, Event, Step } from './event.ts';
import { scopeOf } from './scope.ts';
import type { Active, OpenBranch, State } from './state.ts';

export function stepActive(state: Active, event: Event): Step<State> {
  switch (event.kind) {
    case 'enlist-requested':
      return enlist(state, event.bqual, event.instance);
    case 'branch-opened':
      return opened(state, event);
    case 'commit-requested':
      return commit(state, event);
    case 'rollback-requested':
      return rollBack(state, event.reason, everyone(state.branches, event.claimed));
    case 'rollback-only-requested':
      return { state: { ...state, rollbackOnly: state.rollbackOnly ?? event.reason }, effects: [] };
    case 'deadline':
    case 'client-lost':
    case 'operator-rollback':
      return rollBack(state, event.reason);
    case 'vote':
      return vote(state, event);
    case 'decision-durable':
    case 'damage-durable':
    case 'operator-vouched':
      assert(false, `D1: ${event.kind} before any decision`);
      return ignore(state);
    case 'one-phase-evidence':
    case 'unanswered':
    case 'branch-result':
    case 'retry-due':
      return ignore(state);
    case 'branch-found':
      // Prepared by a last statement, its vote still on the way: live, not an orphan (conformance G5). Its report may be lost, so
      // it counts as opened (D3); by whom is not known, since any instance of the resource lists it.
      return found(state, event);
    default:
      return unreachable(event);
  }
}

function enlist(state: Active, bqual: Bqual, instance: string | undefined): Step<State> {
  const known = find(state.branches, bqual);
  if (known === undefined && state.branches.length >= BRANCHES_MAX) {
    return { state, effects: [{ kind: 'refuse-enlist', bqual, code: 'LIMIT_BRANCHES' }] };
  }
  // A repeated enlistment keeps the instance that already holds the branch.
  const branches = claim(state.branches, [{ bqual, instance: known?.instance ?? instance }]);
  assert(branches !== undefined, 'an enlistment never contradicts its own branch');
  return { state: { ...state, branches }, effects: [] };
}

function opened(
  state: Active,
  {
    bqual,
    instance,
    evidence,
  }: {
    readonly bqual: Bqual;
    readonly instance: string | undefined;
    readonly evidence: Evidence;
  },
): Step<State> {
  const known = find(state.branches, bqual);
  if (known === undefined) {
    const branch: OpenBranch = { bqual, instance, evidence, claimed: false, vote: undefined };
    const branches = [...state.branches, branch];
    return branches.length > BRANCHES_MAX
      ? rollBack(state, rollbackReason('LIMIT_BRANCHES', `more than ${BRANCHES_MAX} branches were opened`), branches)
      : { state: { ...state, branches }, effects: [] };
  }
  if (isSecond(known, instance, evidence)) {
    // The first instance lost the branch and its work; the second one began anew. Together they are not what the client did (D3).
    return rollBack(state, openedTwice(bqual), [...state.branches, { ...known, instance, evidence, vote: undefined }]);
  }
  return learned(state, known, instance, evidence);
}

/** Any instance of the resource lists it: of whoever holds the branch this tells nothing, except that another opening is there, too. */
function found(state: Active, event: Extract<Event, { kind: 'branch-found' }>): Step<State> {
  const known = find(state.branches, event.bqual);
  return known === undefined || areOfTwo(known.evidence, event.evidence)
    ? opened(state, { ...event, instance: undefined })
    : ignore(state);
}

/** The vote of a branch that this transaction may commit with; a no ends it at once, so that locks go early. */
function vote(state: Active, event: Extract<Event, { kind: 'vote' }>): Step<State> {
  const { bqual, instance, vote } = event;
  const alarms = contradiction(find(state.branches, bqual), event);
  const evidence = vote.kind === 'prepared' ? vote.evidence : NO_EVIDENCE;
  // A vote tells of the opening, too, whose report it may have overtaken.
  const step = opened(state, { bqual, instance, evidence });
  if (step.state.kind !== 'active') {
    return step;
  }
  if (vote.kind === 'rollback') {
    return rollBack(step.state, vote.reason, step.state.branches, alarms);
  }
  const branches = withVote(step.state.branches, { bqual, instance }, vote);
  return branches === undefined
    ? rollBack(
        state,
        openedTwice(bqual),
        [...state.branches, { bqual, instance, evidence, claimed: false, vote: undefined }],
        alarms,
      )
    : { state: { ...state, branches }, effects: [] };
}

function commit(state: Active, event: Extract<Event, { kind: 'commit-requested' }>): Step<State> {
  if (state.rollbackOnly !== undefined) {
    return rollBack(state, state.rollbackOnly, everyone(state.branches, event.claimed));
  }
  const branches = claim(state.branches, event.claimed);
  if (branches === undefined) {
    return rollBack(
      state,
      rollbackReason('BRANCHES_DIFFER', 'a branch was opened by two participants; its first work is lost'),
      everyone(state.branches, event.claimed),
    );
  }
  const unclaimed = branches.find((branch) => !branch.claimed);
  if (unclaimed !== undefined) {
    // D3: its opener is still at work, or the client has lost sight of it. Either way it does not belong to what was asked for.
    return rollBack(state, unnamed(unclaimed.bqual), branches);
  }
  if (branches.length > BRANCHES_MAX) {
    return rollBack(
      state,
      rollbackReason('LIMIT_BRANCHES', `more than ${BRANCHES_MAX} branches were opened`),
      branches,
    );
  }
  const [first, second] = branches;
  if (first === undefined) {
    return committedWithoutRecord(state.gtrid, { readOnly: [], unnamed: [] });
  }
  const scope = scopeOf(branches, event.claimed);
  if (second === undefined && first.vote === undefined) {
    const branch = finishing(first);
    return {
      state: { kind: 'one-phase', gtrid: state.gtrid, branch, unnamed: scope.unnamed },
      effects: [finishEffect(branch, 'commit-one-phase')],
    };
  }
  const awaited = branches.filter((branch) => branch.vote === undefined);
  if (awaited.length === 0) {
    return decide(state, branches, scope, event.requestId);
  }
  return {
    state: { kind: 'preparing', gtrid: state.gtrid, branches, unnamed: scope.unnamed, requestId: event.requestId },
    effects: awaited.map(({ bqual, instance }): Effect => {
      const asked = event.claimed.some((claimed) => claimed.bqual === bqual && claimed.asked === true);
      return { kind: 'prepare', bqual, instance, asked };
    }),
  };
}

export function unnamed(bqual: Bqual): Reason {
  return rollbackReason('BRANCHES_DIFFER', `branch ${bqual} was opened but is not named by the commit request`);
}

export function openedTwice(bqual: Bqual): Reason {
  return rollbackReason(
    'BRANCH_UNKNOWN',
    `branch ${bqual} was opened a second time, or speaks from another participant; its first work may be lost`,
  );
}

function rollbackReason(code: string, message: string): Reason {
  return { code, message, retryable: code !== 'LIMIT_BRANCHES' };
}
