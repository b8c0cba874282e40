// One screen for an operator: what was decided, what it waits for, what happens next and when.
import { unreachable } from '../../lib/assert.ts';
import type { Gtrid } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import { tellReason } from '../driver/fixes.ts';
import type { HeldTransaction } from '../driver/transaction.ts';
import { whyOpen } from '../driver/unfinished.ts';
import { type FinishingBranch, whyEnded } from '../engine/state.ts';
import type { Quarantined } from '../reports/quarantine.ts';

/** @param now monotonic milliseconds, of the clock that stamped the transaction. */
export function explain(transaction: HeldTransaction, directory: Directory, now: number): readonly string[] {
  const { state, deadlineAt } = transaction;
  const deadline = Number.isFinite(deadlineAt) ? ` Its deadline is in ${seconds(deadlineAt - now)}.` : '';
  switch (state.kind) {
    case 'active':
      return [
        state.rollbackOnly === undefined
          ? `Nothing is decided: its client is still at work at ${count(state.branches.length)}.${deadline}`
          : `It is marked rollback-only (${state.rollbackOnly.message}) and can only be rolled back.${deadline}`,
        'If its client goes away or the deadline passes, everything is rolled back without a person.',
      ];
    case 'preparing': {
      const awaited = state.branches.filter((branch) => branch.vote === undefined).map(({ bqual }) => bqual);
      return [
        `Its client asked for a commit; the votes of ${awaited.join(', ')} are awaited.${deadline}`,
        'The last yes decides to commit; a no or the deadline rolls everything back. An operator may still roll it back.',
      ];
    }
    case 'one-phase':
      return [
        state.branch.evidence.kind === 'none'
          ? `Its only branch ${state.branch.bqual} was asked to commit; it does so only after its participant has announced what will prove the commit.`
          : `Its only branch ${state.branch.bqual} was told to commit. The engine's answer is the outcome; the coordinator is asking for it.`,
        waiting(state.branch, transaction, directory, now),
      ];
    case 'deciding':
      return ['Every vote is yes, and the decision to commit is being written to the log. It may be durable already.'];
    case 'committing':
      return [
        'The decision to commit is durable and never changes.',
        ...state.branches.map((branch) => waiting(branch, transaction, directory, now)),
      ];
    case 'rolling-back':
      return [
        `No decision to commit exists, and none ever will: ${state.reason.message}.`,
        ...state.branches.map((branch) => waiting(branch, transaction, directory, now)),
      ];
    case 'completed': {
      const why = whyEnded(state);
      return [
        `It is over: decided ${state.decision}, ended ${state.outcome}${why ? ` (${why.message})` : ''}.`,
        ...state.branches
          .filter(({ status }) => status.kind !== 'proven')
          .map((branch) => waiting(branch, transaction, directory, now)),
        ...(state.outcome === 'mixed' || state.outcome === 'hazard'
          ? [`Fix the data, then run: concordat tx forget ${transaction.gtrid} --reason '…'`]
          : []),
      ];
    }
    default:
      return unreachable(state);
  }
}

/** Of prepared branches whose decision this log cannot tell. */
export function explainKept(gtrid: Gtrid, kept: readonly Quarantined[]): string[] {
  return [
    'Its decision may be missing in this log, which was restored, or is not the one that the database has served: nothing is presumed of it.',
    `Kept as they were found prepared: ${kept.map(({ bqual }) => bqual).join(', ')}. They hold their locks.`,
    `Look at what its other databases show and what its client was told, then run: concordat tx resolve ${gtrid} --commit|--rollback --reason '…'`,
  ];
}

function waiting(branch: FinishingBranch, transaction: HeldTransaction, directory: Directory, now: number): string {
  const { bqual, status } = branch;
  switch (status.kind) {
    case 'proven':
      return `${bqual}: its engine proved the end.`;
    case 'vouched':
      return `${bqual}: an operator vouched that it committed.`;
    case 'swept':
      return `${bqual}: could not be reached (${tellReason(status.reason)}); reconciliation rolls it back as soon as its participant lists it.`;
    case 'recording-damage':
    case 'damaged':
      return `${bqual}: ended against the decision: ${status.proof}.`;
    case 'unproven':
      return transaction.state.kind === 'committing'
        ? `${bqual}: ${whyOpen(transaction, branch, directory)}`
        : `${bqual}: its engine proves neither end (${tellReason(status.reason)}). Look at the data.`;
    case 'pending': {
      const dueAt = transaction.retries.get(bqual)?.dueAt;
      const calls = status.attempts === 1 ? '1 call' : `${status.attempts} calls`;
      const next = dueAt === undefined ? '' : ` The next is in ${seconds(dueAt - now)}.`;
      const tries = status.attempts === 0 ? '' : `${calls} without success; `;
      return `${bqual}: ${tries}${whyOpen(transaction, branch, directory)}${next}`;
    }
    default:
      return unreachable(status);
  }
}

function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
}

function count(branches: number): string {
  return branches === 1 ? '1 branch' : `${branches} branches`;
}
