// Transactions as the wire shows them.

import type { BranchInfo__Output as WireBranch } from '../../gen/concordat/v1/BranchInfo.ts';
import type { Outcome__Output as WireOutcome } from '../../gen/concordat/v1/Outcome.ts';
import type { Reason__Output as WireReason } from '../../gen/concordat/v1/Reason.ts';
import type { RefusedParticipant__Output as WireRefused } from '../../gen/concordat/v1/RefusedParticipant.ts';
import type { TransactionInfo__Output as WireTransaction } from '../../gen/concordat/v1/TransactionInfo.ts';
import type { TransactionState__Output as WireState } from '../../gen/concordat/v1/TransactionState.ts';
import { unreachable } from '../../lib/assert.ts';
import { toWireEvidence } from '../../wire/evidence.ts';
import type { Outcome, Reason } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, resourceOf } from '../../xa/xid.ts';
import type { RefusedAttachment } from '../calls/directory.ts';
import type { HeldTransaction, KnownOrigin } from '../driver/transaction.ts';
import {
  type CommitScope,
  type FinishingBranch,
  type OpenBranch,
  outcomeOf,
  type State,
  whyEnded,
} from '../engine/state.ts';

export function wireOutcome(outcome: Outcome | 'unknown' | 'expired' | undefined): WireOutcome {
  switch (outcome) {
    case undefined:
      return 'OUTCOME_UNSPECIFIED';
    case 'committed':
      return 'OUTCOME_COMMITTED';
    case 'rolled-back':
      return 'OUTCOME_ROLLED_BACK';
    case 'mixed':
      return 'OUTCOME_MIXED';
    case 'hazard':
      return 'OUTCOME_HAZARD';
    case 'unknown':
      return 'OUTCOME_UNKNOWN';
    case 'expired':
      return 'OUTCOME_EXPIRED';
  }
}

export function wireState(state: State): WireState {
  switch (state.kind) {
    case 'active':
      return 'TRANSACTION_STATE_ACTIVE';
    case 'preparing':
      return 'TRANSACTION_STATE_PREPARING';
    case 'deciding':
      return 'TRANSACTION_STATE_DECIDING';
    case 'one-phase':
    case 'committing':
      return 'TRANSACTION_STATE_COMMITTING';
    case 'rolling-back':
      return 'TRANSACTION_STATE_ROLLING_BACK';
    case 'completed':
      return 'TRANSACTION_STATE_COMPLETED';
    default:
      return unreachable(state);
  }
}

export function wireReason(reason: Reason | undefined): WireReason | null {
  return reason === undefined
    ? null
    : {
        code: reason.code,
        message: reason.message,
        sqlstate: reason.sqlstate ?? '',
        errno: reason.errno ?? 0,
        retryable: reason.retryable,
      };
}

/** @param now monotonic milliseconds, of the clock that stamped the transaction. */
export function wireTransaction(transaction: HeldTransaction, now: number): WireTransaction {
  const { state, deadlineAt } = transaction;
  return {
    gtrid: transaction.gtrid,
    state: wireState(state),
    outcome: wireOutcome(outcomeOf(state)),
    version: transaction.version,
    branches: wireBranches(transaction, now),
    reason: wireReason(whyEnded(state)),
    rollbackOnly: state.kind === 'active' && state.rollbackOnly !== undefined,
    ageMs: String(Math.max(0, Math.floor(now - transaction.openedAt))),
    deadlineInMs: Number.isFinite(deadlineAt) ? String(Math.ceil(deadlineAt - now)) : '0',
    operatorAction: transaction.operatorAction,
    ...wireOrigin(transaction.origin),
    endedAtMs: '0',
  };
}

function wireOrigin({ beganAt, decidedAt, whose }: KnownOrigin): WireOrigin {
  const at = (wallTime = 0): string => String(Math.max(0, Math.trunc(wallTime)));
  return { beganAtMs: at(beganAt), decidedAtMs: at(decidedAt), whose: whose === undefined ? null : { ...whose } };
}

type WireOrigin = Pick<WireTransaction, 'beganAtMs' | 'decidedAtMs' | 'whose'>;

/** What is left of a transaction that is not held any more: its id, how it ended, and which branches were committed. */
export function wireEnded(
  gtrid: Gtrid,
  outcome: Outcome | 'unknown' | 'expired',
  bquals: readonly Bqual[] = [],
  origin: KnownOrigin = {},
): WireTransaction {
  return {
    gtrid,
    state: outcome === 'unknown' ? 'TRANSACTION_STATE_UNSPECIFIED' : 'TRANSACTION_STATE_COMPLETED',
    outcome: wireOutcome(outcome),
    version: 0,
    branches: endedBranches(bquals, outcome),
    reason: null,
    rollbackOnly: false,
    ageMs: '0',
    deadlineInMs: '0',
    operatorAction: false,
    ...wireOrigin(origin),
    endedAtMs: '0',
  };
}

/** Of branches whose transaction is not held any more no more than the end of all of them is known. */
export function endedBranches(bquals: readonly Bqual[], outcome: Outcome | 'unknown' | 'expired'): WireBranch[] {
  const state = outcome === 'committed' ? 'BRANCH_STATE_COMMITTED' : 'BRANCH_STATE_UNSPECIFIED';
  return bquals.map((bqual) => bare(bqual, state));
}

/** A branch that nobody finishes. */
function bare(bqual: Bqual, state: WireBranch['state']): WireBranch {
  const resource = resourceOf(bqual);
  return { bqual, resource, state, instance: '', evidence: null, reason: null, attempts: 0, nextAttemptInMs: 0 };
}

function readOnly(scope: CommitScope | undefined): WireBranch[] {
  return (scope?.readOnly ?? []).map((bqual) => bare(bqual, 'BRANCH_STATE_READ_ONLY'));
}

export function wireBranches(transaction: HeldTransaction, now: number): WireBranch[] {
  const { state } = transaction;
  switch (state.kind) {
    case 'active':
    case 'preparing':
      return state.branches.map(openBranch);
    case 'one-phase':
      return [finishingBranch(state.branch, 'BRANCH_STATE_COMMITTING', 'BRANCH_STATE_COMMITTED', transaction, now)];
    case 'deciding':
    case 'committing': {
      const open = state.kind === 'deciding' ? 'BRANCH_STATE_PREPARED' : 'BRANCH_STATE_COMMITTING';
      const branches = state.branches.map((branch) =>
        finishingBranch(branch, open, 'BRANCH_STATE_COMMITTED', transaction, now),
      );
      return [...branches, ...readOnly(state.scope)];
    }
    case 'rolling-back':
      return state.branches.map((branch) =>
        finishingBranch(branch, 'BRANCH_STATE_ROLLING_BACK', 'BRANCH_STATE_ROLLED_BACK', transaction, now),
      );
    case 'completed': {
      const end = state.decision === 'commit' ? 'BRANCH_STATE_COMMITTED' : 'BRANCH_STATE_ROLLED_BACK';
      const open = state.decision === 'commit' ? 'BRANCH_STATE_COMMITTING' : 'BRANCH_STATE_ROLLING_BACK';
      const branches = state.branches.map((branch) => finishingBranch(branch, open, end, transaction, now));
      return state.decision === 'commit' ? [...branches, ...readOnly(state.scope)] : branches;
    }
    default:
      return unreachable(state);
  }
}

function openBranch({ bqual, instance, vote }: OpenBranch): WireBranch {
  return {
    bqual,
    resource: resourceOf(bqual),
    state:
      vote === undefined
        ? 'BRANCH_STATE_ACTIVE'
        : vote.kind === 'prepared'
          ? 'BRANCH_STATE_PREPARED'
          : 'BRANCH_STATE_READ_ONLY',
    instance: instance ?? '',
    evidence: vote?.kind === 'prepared' ? toWireEvidence(vote.evidence) : null,
    reason: null,
    attempts: 0,
    nextAttemptInMs: 0,
  };
}

function finishingBranch(
  branch: FinishingBranch,
  open: WireBranch['state'],
  end: WireBranch['state'],
  transaction: HeldTransaction,
  now: number,
): WireBranch {
  const { bqual, instance, evidence, status } = branch;
  const dueAt = transaction.retries.get(bqual)?.dueAt;
  const base = {
    bqual,
    resource: resourceOf(bqual),
    instance: instance ?? '',
    evidence: toWireEvidence(evidence),
    reason: null,
    attempts: 0,
    nextAttemptInMs: dueAt === undefined ? 0 : Math.max(1, Math.ceil(dueAt - now)),
  };
  switch (status.kind) {
    case 'pending':
      return { ...base, state: open, attempts: status.attempts, reason: wireReason(status.reason) };
    case 'proven':
    case 'vouched':
      return { ...base, state: end };
    case 'swept':
      return { ...base, state: open, reason: wireReason(status.reason) };
    case 'recording-damage':
    case 'damaged':
      return { ...base, state: 'BRANCH_STATE_DAMAGED', reason: damage(status.proof) };
    case 'unproven':
      return { ...base, state: 'BRANCH_STATE_UNPROVEN', attempts: status.attempts, reason: wireReason(status.reason) };
    default:
      return unreachable(status);
  }
}

function damage(proof: string): WireReason {
  return { code: 'HEURISTIC_OUTCOME', message: proof, sqlstate: '', errno: 0, retryable: false };
}

/** @param now monotonic milliseconds. */
export function wireRefused({ link, at, message }: RefusedAttachment, now: number): WireRefused {
  const { instance, kind, address, engine, engineVersion, engineIdentity } = link;
  return {
    ...{ instance, address, engine, engineVersion, engineIdentity, message },
    kind: kind === 'sidecar' ? 'PARTICIPANT_KIND_SIDECAR' : 'PARTICIPANT_KIND_EMBEDDED',
    refusedMs: String(Math.max(0, Math.floor(now - at))),
  };
}
