// Completed: the outcome stands. Late messages are answered so that no stray branch survives; nothing else changes (D9).
import { assert, unreachable } from '../../lib/assert.ts';
import { type EvidenceRow, rowOf } from '../../xa/evidence.ts';
import type { FinishResult } from '../../xa/vocabulary.ts';
import { damaged, find, finishEffect, ignore, isEnd, replace } from './branches.ts';
import { alarm, disprove } from './damage.ts';
import type { Effect, Event, Step } from './event.ts';
import { type BranchReport, isOtherWork, opened, rollbackStray } from './reports.ts';
import { foundCommitted, proofOfCommit } from './rolling-back.ts';
import { refuseIfOther } from './scope.ts';
import type { Completed, Damaged, FinishingBranch, State } from './state.ts';

export function stepCompleted(state: Completed, event: Event): Step<State> {
  switch (event.kind) {
    case 'commit-requested':
      return { state, effects: answered(refuseIfOther(state, event.claimed, 'commit')) };
    case 'rollback-requested':
      return { state, effects: answered(refuseIfOther(state, event.claimed, 'other')) };
    case 'enlist-requested':
      return { state, effects: [{ kind: 'refuse-enlist', bqual: event.bqual, code: 'TXN_STATE' }] };
    case 'branch-opened':
    case 'branch-found':
    case 'vote':
      return reported(state, event);
    case 'one-phase-evidence':
      // It is over: what waits there to be told is as good as a branch that was only opened.
      return reported(state, opened(event));
    case 'branch-result':
      return lateResult(state, event);
    case 'damage-durable': {
      const branch = find<FinishingBranch>(state.branches, event.bqual);
      // Recorded after the end: what was a hazard is known to be mixed then.
      return branch?.status.kind === 'recording-damage'
        ? { state: mixed(state, damaged(branch, branch.status.proof)), effects: [] }
        : ignore(state);
    }
    case 'rollback-only-requested':
    case 'deadline':
    case 'client-lost':
    case 'operator-rollback':
    case 'operator-vouched':
    case 'decision-durable':
    case 'unanswered':
    case 'retry-due':
      return ignore(state);
    default:
      return unreachable(event);
  }
}

function mixed(state: Completed, branch: FinishingBranch<Damaged>): Completed {
  return state.decision === 'commit'
    ? { ...state, outcome: 'mixed', branches: replace(state.branches, branch) }
    : { ...state, outcome: 'mixed', branches: replace(state.branches, branch) };
}

function answered(refusal: readonly Effect[]): readonly Effect[] {
  const answers: readonly Effect[] = [
    { kind: 'answer', level: 'decided' },
    { kind: 'answer', level: 'applied' },
  ];
  return refusal.length > 0 ? refusal : answers;
}

/**
 * A branch turns up although the transaction is over: it follows the decision if a durable one names it, else it goes. A commit in
 * one phase left no record: what is still prepared after it was either not reached, or is a second opening (D1).
 */
function reported(state: Completed, report: BranchReport): Step<State> {
  const named = state.decision === 'commit' && state.logged ? find(state.branches, report.bqual) : undefined;
  // A hazard of one phase is in the log, too, but no decision.
  if (named === undefined || named.status.kind === 'unproven' || isOtherWork(named, report)) {
    return rollbackStray(state, report);
  }
  const isPrepared = report.kind === 'branch-found' || (report.kind === 'vote' && report.vote.kind === 'prepared');
  // Merely opened: a late report, and under that name a decided branch may still wait for its commit. It is left alone (D2).
  return isPrepared
    ? { state, effects: [finishEffect({ ...named, instance: report.instance }, 'commit')] }
    : ignore(state);
}

/** The end of a commit in one phase that was told as a hazard: what was told stays, and people hear what it was. */
function provenAfterAll(branch: FinishingBranch | undefined, result: FinishResult): readonly Effect[] {
  const end = result.kind === 'done' ? 'committed' : 'rolled back';
  return branch?.status.kind === 'unproven' && isEnd(result)
    ? [alarm(branch, `told as a hazard, and proven after all: it is ${end}`)]
    : [];
}

/** What an engine proves after the end: a hand-made commit of what was rolled back is damage still (D4). */
function lateResult(state: Completed, event: Extract<Event, { kind: 'branch-result' }>): Step<State> {
  const { bqual, verb, result } = event;
  const branch = find<FinishingBranch>(state.branches, bqual);
  if (state.decision === 'commit') {
    const disproved = verb === 'commit' && branch !== undefined ? disprove(state.gtrid, branch, result) : undefined;
    return disproved === undefined
      ? { state, effects: provenAfterAll(branch, result) }
      : { state: { ...state, branches: replace(state.branches, disproved.branch) }, effects: disproved.effects };
  }
  const proof = proofOfCommit(branch, event);
  if (proof === undefined) {
    return ignore(state);
  }
  const { gtrid, branches, reason, presumed } = state;
  assert(reason !== undefined, 'a rollback has a reason');
  const found = foundCommitted({ kind: 'rolling-back', gtrid, branches, reason, presumed }, bqual, proof);
  if (found === undefined) {
    return ignore(state);
  }
  // Damage has been told of already, and is not taken back while more of it is written (D5).
  return state.outcome === 'mixed'
    ? { state: { ...state, branches: found.state.branches }, effects: found.effects }
    : found;
}

/** The rows in engines that prove the commits of its branches. */
export function rowsOf({ gtrid, branches }: Completed): readonly EvidenceRow[] {
  return branches.flatMap(({ bqual, evidence }) => rowOf({ gtrid, bqual }, evidence) ?? []);
}

/** One phase has just committed: there is no record of it, so that after a restart its row alone proves it. */
export function loneRows(before: State, after: State): readonly EvidenceRow[] {
  const isCommitted = after.kind === 'completed' && after.outcome === 'committed';
  return before.kind === 'one-phase' && isCommitted ? rowsOf(after) : [];
}
