// One phase: a single branch is asked to commit, and its engine's answer is the outcome. There is no record, so a lost answer
// is asked for until the engine proves an end; silence proves nothing. For that the evidence must be known here before the commit can
// happen: the participant of a branch that has written announces it, and commits when it is told so with the evidence. As long as none is
// known, nothing was committed, whoever died.
import { assert, unreachable } from '../../lib/assert.ts';
import { areOfTwo, formatEvidence, isSameEvidence } from '../../xa/evidence.ts';
import type { Evidence, Reason } from '../../xa/vocabulary.ts';
import { finishEffect, ignore, unknownAnswer } from './branches.ts';
import { alarm } from './damage.ts';
import type { Effect, Event, Step } from './event.ts';
import { type BranchReport, evidenceOf, rollbackStray } from './reports.ts';
import { refuseIfOther } from './scope.ts';
import type { CommitStatus, OnePhase, State, Unproven } from './state.ts';

const ANSWERS: readonly Effect[] = [
  { kind: 'answer', level: 'decided' },
  { kind: 'answer', level: 'applied' },
];

export function stepOnePhase(state: OnePhase, event: Event): Step<State> {
  // Otherwise that its end cannot be proven is being recorded.
  const isOpen = state.branch.status.kind === 'pending';
  switch (event.kind) {
    case 'one-phase-evidence':
      return isOpen && event.bqual === state.branch.bqual ? announced(state, event) : ignore(state);
    case 'unanswered':
      if (!isOpen || event.bqual !== state.branch.bqual || event.verb !== 'commit-one-phase') {
        return ignore(state);
      }
      return event.wasTold ? result(state, unknownAnswer(event)) : untold(state, event);
    case 'branch-result':
      return isOpen && event.bqual === state.branch.bqual && event.verb === 'commit-one-phase'
        ? result(state, event)
        : ignore(state);
    case 'retry-due':
      return isOpen ? { state, effects: [finishEffect(state.branch, 'commit-one-phase')] } : ignore(state);
    case 'damage-durable':
      return hazard(state);
    case 'vote':
      if (isStray(state, event)) {
        return { state, effects: [...told(state, event), ...rollbackStray(state, event).effects] };
      }
      return isOpen ? vote(state, event) : ignore(state);
    case 'branch-opened':
      if (isStray(state, event)) {
        return rollbackStray(state, event);
      }
      return isOpen ? opened(state, event.instance) : ignore(state);
    case 'branch-found':
      return isStray(state, event) ? rollbackStray(state, event) : ignore(state);
    case 'commit-requested':
      return { state, effects: refuseIfOther(state, event.claimed, 'commit') };
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'rollback-requested':
    case 'rollback-only-requested':
    case 'deadline':
    case 'client-lost':
    case 'operator-rollback':
    // The commit may be on its way and cannot be called back: they lose to it (D2).
    case 'decision-durable':
    case 'operator-vouched':
      // There is no decision, and nobody may vouch for what only the engine knows.
      return ignore(state);
    default:
      return unreachable(event);
  }
}

/**
 * Another branch, or another opening of this one: by its evidence, or because it is at work at another instance than the one that is
 * asked. A prepared branch is found by any instance of its resource, so that this tells nothing of it.
 */
function isStray({ branch }: OnePhase, report: BranchReport): boolean {
  if (report.bqual !== branch.bqual || areOfTwo(branch.evidence, evidenceOf(report))) {
    return true;
  }
  const isElsewhere =
    branch.instance !== undefined && report.kind !== 'branch-found' && report.instance !== branch.instance;
  return isElsewhere && evidenceOf(report).kind !== 'none';
}

function changed(before: Evidence, now: Evidence): string {
  return `its participant has announced the evidence ${formatEvidence(before)}, and now announces ${formatEvidence(now)}`;
}

/** Its holder votes with other evidence than it has announced: people hear of it. */
function told({ branch }: OnePhase, report: BranchReport): readonly Effect[] {
  const isItsHolder = report.bqual === branch.bqual && report.instance === branch.instance;
  return isItsHolder && areOfTwo(branch.evidence, evidenceOf(report))
    ? [alarm(branch, changed(branch.evidence, evidenceOf(report)))]
    : [];
}

/** Nobody knew who holds the branch, and its holder says so now: it is asked instead. */
function opened(state: OnePhase, instance: string): Step<State> {
  if (state.branch.instance !== undefined) {
    return ignore(state);
  }
  const branch = { ...state.branch, instance };
  return { state: { ...state, branch }, effects: [finishEffect(branch, 'commit-one-phase')] };
}

/** The first announcement counts: the branch may be committed by it, and nobody else must be told to (D3). */
function announced(
  state: OnePhase,
  { instance, evidence }: { readonly instance: string; readonly evidence: Evidence },
): Step<State> {
  const known = state.branch;
  const isItsHolder = known.instance === undefined || known.instance === instance;
  if (!isItsHolder) {
    return ignore(state);
  }
  if (known.evidence.kind !== 'none' && !isSameEvidence(known.evidence, evidence)) {
    return { state, effects: [alarm(known, changed(known.evidence, evidence))] };
  }
  const branch = { ...known, instance, evidence };
  // Also when it is announced again: the word to commit may be lost.
  return { state: { ...state, branch }, effects: [finishEffect(branch, 'commit-one-phase')] };
}

/**
 * Without evidence nobody was told to commit, so that nothing was committed: the branch is as good as a vote against it. Once the evidence
 * is known, the commit may have been carried out, and only the engine knows (D5): it is asked again.
 */
function untold(
  state: OnePhase,
  { instance, reason }: { readonly instance: string | undefined; readonly reason: Reason },
): Step<State> {
  const { bqual, evidence, status, instance: holder } = state.branch;
  assert(status.kind === 'pending', 'the branch of one phase is open until its engine proves an end');
  if (holder !== undefined && holder !== instance) {
    return ignore(state); // By now it is known who holds it, and he is asked.
  }
  return evidence.kind === 'none'
    ? completeRollback(state, reason)
    : { state, effects: [{ kind: 'retry', bqual, attempts: status.attempts }] };
}

function vote(state: OnePhase, event: Extract<Event, { kind: 'vote' }>): Step<State> {
  const { branch } = state;
  const isAnothers = branch.instance !== undefined && event.instance !== branch.instance;
  if (isAnothers || (branch.instance === undefined && event.vote.kind !== 'rollback')) {
    return ignore(state); // A second opening, which says nothing of the branch that is being committed (D5).
  }
  switch (event.vote.kind) {
    case 'rollback':
      // Nobody was told to commit yet, and now nobody will be.
      return untold(state, { instance: event.instance, reason: event.vote.reason });
    case 'prepared':
      // By its last statement, whose vote the commit request overtook.
      return announced(state, { instance: event.instance, evidence: event.vote.evidence });
    case 'read-only':
      return ignore(state); // There was nothing to commit; the answer will say so.
  }
}

function result(state: OnePhase, event: Extract<Event, { kind: 'branch-result' }>): Step<State> {
  const { result } = event;
  const { branch } = state;
  assert(branch.status.kind === 'pending', 'the branch of one phase is open until its engine proves an end');
  switch (result.kind) {
    case 'done':
      return completeCommit(state, 'committed', { kind: 'proven' });
    case 'done-otherwise':
      return completeRollback(state, { code: 'BRANCH_VOTED_NO', message: result.proof, retryable: true });
    case 'not-yet':
    case 'unknown': {
      const attempts = branch.status.attempts + 1;
      const { reason } = result;
      const told = { ...branch, status: { kind: 'pending', attempts, reason } as const };
      return { state: { ...state, branch: told }, effects: [{ kind: 'retry', bqual: branch.bqual, attempts }] };
    }
    case 'unproven': {
      // Its engine has forgotten: neither end may be claimed (conformance F4), and what is claimed instead is durable before.
      const { gtrid } = state;
      const { bqual } = branch;
      const status: Unproven = { kind: 'unproven', attempts: 1, reason: result.reason };
      const damage = [{ bqual, kind: 'unproven', proof: result.reason.message }] as const;
      return {
        state: { ...state, branch: { ...branch, status } },
        effects: [
          { kind: 'record-damage', bqual, record: { kind: 'heuristic', gtrid, decision: 'commit', damage } },
          alarm(branch, `end not provable: ${result.reason.message}`),
        ],
      };
    }
  }
}

/** That nobody can tell how it ended is recorded. */
function hazard(state: OnePhase): Step<State> {
  const { status } = state.branch;
  return status.kind === 'unproven' ? completeCommit(state, 'hazard', status) : ignore(state);
}

/** It was committed, or nobody can tell. */
function completeCommit(state: OnePhase, outcome: 'committed' | 'hazard', status: CommitStatus): Step<State> {
  const branches = [{ ...state.branch, status }];
  const scope = { readOnly: [], unnamed: state.unnamed };
  const logged = outcome === 'hazard';
  return {
    state: { kind: 'completed', gtrid: state.gtrid, decision: 'commit', outcome, branches, scope, logged },
    effects: ANSWERS,
  };
}

function completeRollback(state: OnePhase, reason: Reason): Step<State> {
  const branches = [{ ...state.branch, status: { kind: 'proven' } as const }];
  return {
    state: {
      ...{ kind: 'completed', gtrid: state.gtrid, decision: 'rollback', outcome: 'rolled-back', branches },
      ...{ reason, presumed: undefined, logged: false },
    },
    effects: ANSWERS,
  };
}
