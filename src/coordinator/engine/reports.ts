// What participants tell of branches that no decision covers: strays of every kind go, and nothing else is touched (D9).
import { areOfTwo, NO_EVIDENCE } from '../../xa/evidence.ts';
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

/** Who announces evidence for one phase tells with it of what he has opened. */
export function opened({ bqual, instance, evidence }: Extract<Event, { kind: 'one-phase-evidence' }>): BranchReport {
  return { kind: 'branch-opened', bqual, instance, evidence };
}

/** Of the opening that the report is of. */
export function evidenceOf(report: BranchReport): Evidence {
  switch (report.kind) {
    case 'branch-opened':
    case 'branch-found':
      return report.evidence;
    case 'vote':
      return report.vote.kind === 'prepared' ? report.vote.evidence : NO_EVIDENCE;
  }
}

/**
 * Whether a report is of another opening than the decided branch of the same name: it follows no decision and goes (D9). At once, for its
 * own evidence is told with the rollback, which never touches the decided opening (D2). What does not tell its opening is left alone.
 */
export function isOtherWork(branch: FinishingBranch, report: BranchReport): boolean {
  return areOfTwo(branch.evidence, evidenceOf(report));
}
