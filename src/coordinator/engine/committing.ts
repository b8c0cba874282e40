// Committing: the decision is durable. Each branch is told until its engine proves an end; nothing turns back (D2).
import { assert, unreachable } from '../../lib/assert.ts';
import type { Bqual } from '../../xa/xid.ts';
import { find, finishEffect, ignore, damaged as recorded, replace, unknownAnswer } from './branches.ts';
import { alarm, contradictionOfDecided, disprove, foundDamage, isMisunderstood, misunderstood } from './damage.ts';
import type { CallAnswer, Effect, Event, Step } from './event.ts';
import { isOtherWork, rollbackStray } from './reports.ts';
import { refuseIfOther } from './scope.ts';
import type { CommitStatus, Committing, FinishingBranch, State } from './state.ts';

export function stepCommitting(state: Committing, event: Event): Step<State> {
  switch (event.kind) {
    case 'branch-result':
      return event.verb === 'commit' ? result(state, event) : ignore(state);
    case 'unanswered':
      return event.verb === 'commit' ? result(state, unknownAnswer(event)) : ignore(state);
    case 'retry-due':
      return tellAgain(state, event.bqual);
    case 'branch-found':
      return foundPrepared(state, event);
    case 'damage-durable':
      return damaged(state, event.bqual);
    case 'operator-vouched':
      return vouched(state, event);
    case 'branch-opened':
    case 'vote': {
      const branch = find(state.branches, event.bqual);
      const alarms = event.kind === 'vote' ? contradictionOfDecided(branch, event, true) : [];
      const isStray = branch === undefined || isOtherWork(branch, event);
      return { state, effects: isStray ? [...alarms, ...rollbackStray(state, event).effects] : alarms };
    }
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'commit-requested':
      return { state, effects: answered(refuseIfOther(state, event.claimed, 'commit')) };
    case 'rollback-requested':
      return { state, effects: answered(refuseIfOther(state, event.claimed, 'other')) };
    case 'rollback-only-requested':
    case 'deadline':
    case 'client-lost':
    case 'operator-rollback':
    // D2: they lose to the decision.
    case 'decision-durable':
    case 'one-phase-evidence':
      return ignore(state);
    default:
      return unreachable(event);
  }
}

/** Whoever asks now hears the decision, which the driver answers from the state; or that it is not of the branches that he names. */
function answered(refusal: readonly Effect[]): readonly Effect[] {
  return refusal.length > 0 ? refusal : [{ kind: 'answer', level: 'decided' }];
}

function result(state: Committing, event: CallAnswer): Step<State> {
  const branch = find(state.branches, event.bqual);
  if (branch === undefined || (branch.status.kind !== 'pending' && branch.status.kind !== 'unproven')) {
    // Repeated or late: this branch is accounted for (D9). Unless it was by an operator's word, and the engine knows better.
    const disproved = branch && disprove(state.gtrid, branch, event.result);
    return disproved === undefined ? ignore(state) : settle(state, disproved.branch, disproved.effects);
  }
  const attempts = branch.status.attempts + 1;
  const { result } = event;
  switch (result.kind) {
    case 'done':
      return settle(state, { ...branch, status: { kind: 'proven' } }, []);
    case 'done-otherwise': {
      const { proof } = result;
      const found = foundDamage(state.gtrid, branch, { end: 'rolled-back', proof, was: 'open' });
      return settle(state, found.branch, [found.record, alarm(branch, `decided commit, but ${proof}`)]);
    }
    case 'not-yet':
    case 'unknown': {
      const { reason } = result;
      const retry: Effect = { kind: 'retry', bqual: branch.bqual, attempts };
      const effects = isMisunderstood(branch.status.reason, reason) ? [retry, misunderstood(branch, reason)] : [retry];
      return settle(state, { ...branch, status: { kind: 'pending', attempts, reason } }, effects);
    }
    case 'unproven': {
      // D6: kept and shown, never closed by itself. Asked again now and then: the engine may have been restored meanwhile.
      const effects: Effect[] = [{ kind: 'retry', bqual: branch.bqual, attempts }];
      if (branch.status.kind !== 'unproven') {
        effects.push(alarm(branch, `end not provable: ${result.reason.message}`));
      }
      return settle(state, { ...branch, status: { kind: 'unproven', attempts, reason: result.reason } }, effects);
    }
  }
}

function tellAgain(state: Committing, bqual: Bqual): Step<State> {
  const branch = find(state.branches, bqual);
  return branch?.status.kind === 'pending' || branch?.status.kind === 'unproven'
    ? { state, effects: [finishEffect(branch, 'commit')] }
    : ignore(state);
}

/** It is prepared and decided, so it is told, even if an operator has vouched for an end of it: nothing prepared may stay (D12). */
function foundPrepared(state: Committing, event: Extract<Event, { kind: 'branch-found' }>): Step<State> {
  const branch = find(state.branches, event.bqual);
  return branch === undefined || isOtherWork(branch, event)
    ? rollbackStray(state, event)
    : { state, effects: [finishEffect({ ...branch, instance: event.instance }, 'commit')] };
}

function damaged(state: Committing, bqual: Bqual): Step<State> {
  const branch = find(state.branches, bqual);
  assert(branch?.status.kind === 'recording-damage', 'D4: damage becomes durable only after it was found');
  return settle(state, recorded(branch, branch.status.proof), []);
}

function vouched(state: Committing, event: Extract<Event, { kind: 'operator-vouched' }>): Step<State> {
  const branch = find(state.branches, event.bqual);
  if (branch === undefined || (branch.status.kind !== 'pending' && branch.status.kind !== 'unproven')) {
    return ignore(state); // The engine proved an end while the operator's record was being written; the proof counts.
  }
  const status =
    event.end === 'committed'
      ? ({ kind: 'vouched' } as const)
      : ({ kind: 'damaged', proof: event.proof, by: 'operator' } as const);
  return settle(state, { ...branch, status }, []);
}

/** One branch changed; the transaction is complete when none is open any more. */
function settle(state: Committing, changed: FinishingBranch<CommitStatus>, effects: readonly Effect[]): Step<State> {
  const branches = replace(state.branches, changed);
  const open = branches.some(({ status }) => isOpen(status.kind));
  if (open) {
    return { state: { ...state, branches }, effects };
  }
  return completeCommit({ ...state, branches }, effects);
}

function isOpen(kind: CommitStatus['kind']): boolean {
  return kind === 'pending' || kind === 'unproven' || kind === 'recording-damage';
}

/** D7: the decision is accounted for when every branch is; a heuristic one stays in the log until an operator forgets it. */
export function completeCommit(state: Committing, effects: readonly Effect[]): Step<State> {
  const { gtrid, branches, scope } = state;
  const isDamaged = branches.some(({ status }) => status.kind === 'damaged');
  const isVouched = branches.some(({ status }) => status.kind === 'vouched');
  const outcome = isDamaged ? 'mixed' : isVouched ? 'hazard' : 'committed';
  const answer: Effect = { kind: 'answer', level: 'applied' };
  return {
    state: {
      ...{ kind: 'completed', gtrid, decision: 'commit', outcome, branches, scope },
      logged: true,
    },
    effects:
      outcome === 'committed'
        ? [...effects, { kind: 'finished', record: { kind: 'finished', gtrid } }, answer]
        : [...effects, answer],
  };
}
