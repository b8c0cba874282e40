// What participants tell of branches that no decision covers: strays of every kind go, and nothing else is touched (D9).
import type { Evidence } from '../../xa/vocabulary.ts';
import { ignore } from './branches.ts';
import type { Event, Step } from './event.ts';
import type { FinishingBranch, State } from './state.ts';

/** A participant tells of a branch, for whatever reason: it opened it, voted on it, or lists it as prepared. */
export type BranchReport = Extract<Event, { kind: 'branch-opened' | 'vote' | 'branch-found' }>;

/** A branch that the transaction does not know, or not any more: whatever it holds is rolled back (D9). */
export function rollbackStray<S extends State>(state: S, report: BranchReport): Step<S> {
  if (report.kind === 'vote' && report.vote.kind !== 'prepared') {
    return ignore(state); // It has ended by itself.
  }
  const { bqual, instance } = report;
  return { state, effects: [{ kind: 'finish', verb: 'rollback', bqual, instance, evidence: evidenceOf(report) }] };
}

function evidenceOf(report: BranchReport): Evidence {
  switch (report.kind) {
    case 'branch-opened':
      return '';
    case 'branch-found':
      return report.evidence;
    case 'vote':
      return report.vote.kind === 'prepared' ? report.vote.evidence : '';
  }
}

/**
 * Whether a report is of other work than the decided branch of the same name. Its engine has proven that one committed, so what it
 * holds prepared now, with other evidence, was opened again later: it follows no decision and goes (D9). As long as the branch is not
 * proven, nobody may be told to roll back that name, whatever was reported (D2).
 */
export function isOtherWork(branch: FinishingBranch, report: BranchReport): boolean {
  const evidence = evidenceOf(report);
  return branch.status.kind === 'proven' && branch.evidence !== '' && evidence !== '' && evidence !== branch.evidence;
}
