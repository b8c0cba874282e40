// What a caller may be told of a transaction's end, from its state (D5).
import { assert, unreachable } from '../../lib/assert.ts';
import { CoordinatorError, type ErrorCode, isErrorCode } from '../../xa/errors.ts';
import type { Outcome, Reason } from '../../xa/vocabulary.ts';
import { type Gtrid, resourceOf } from '../../xa/xid.ts';
import { endReason, type FinishingBranch, type State } from '../engine/state.ts';

/** Codes of a rollback that are the caller's own business; everything else is a branch that could not be prepared. */
const OWN_CODES = new Set<ErrorCode>([
  'BRANCHES_DIFFER',
  'TXN_ROLLED_BACK',
  'TXN_TIMEOUT',
  'ROLLBACK_ONLY',
  'CLIENT_LOST',
  'LIMIT_BRANCHES',
]);

/** The outcome that the state already stands for; undefined while nothing may be told. */
export function outcomeOf(state: State): Outcome | undefined {
  switch (state.kind) {
    case 'committing':
      return damageIn(state.branches) ?? 'committed';
    case 'rolling-back':
      return damageIn(state.branches) ?? 'rolled-back';
    case 'completed':
      return state.outcome;
    case 'active':
    case 'preparing':
    case 'one-phase':
    case 'deciding':
      return undefined;
    default:
      return unreachable(state);
  }
}

/** Damage that is durable already is not kept from whoever asks before the other branches are done. */
function damageIn(branches: readonly FinishingBranch[]): Outcome | undefined {
  const has = (kind: 'damaged' | 'vouched'): boolean =>
    branches.some(({ status }) => status.kind === kind || (status.kind === 'recording-damage' && status.was === kind));
  return has('damaged') ? 'mixed' : has('vouched') ? 'hazard' : undefined;
}

export function reasonOf(state: State): Reason | undefined {
  switch (state.kind) {
    case 'active':
      return state.rollbackOnly;
    case 'rolling-back':
      return state.reason;
    case 'completed':
      return endReason(state);
    case 'preparing':
    case 'one-phase':
    case 'deciding':
    case 'committing':
      return undefined;
    default:
      return unreachable(state);
  }
}

/** A commit was asked for and the transaction was rolled back. */
export function rolledBackError(gtrid: Gtrid, reason: Reason | undefined): CoordinatorError {
  const cause = reason?.code ?? 'TXN_ROLLED_BACK';
  const code: ErrorCode = isErrorCode(cause) && OWN_CODES.has(cause) ? cause : 'BRANCH_VOTED_NO';
  const metadata: Record<string, string> = { gtrid, outcome: 'rolled-back', cause };
  metadata['retryable'] = String(reason?.retryable ?? true);
  if (reason?.bqual !== undefined) {
    metadata['bqual'] = reason.bqual;
    metadata['resource'] = resourceOf(reason.bqual);
  }
  if (reason?.sqlstate !== undefined) {
    metadata['sqlstate'] = reason.sqlstate;
  }
  if (reason?.errno !== undefined) {
    metadata['errno'] = String(reason.errno);
  }
  return new CoordinatorError(code, `${gtrid} was rolled back: ${reason?.message ?? 'no reason was given'}`, {
    metadata,
  });
}

/** A rollback was asked for and the decision had been made. */
export function decidedError(gtrid: Gtrid, outcome: Outcome): CoordinatorError {
  return new CoordinatorError('TXN_DECIDED', `${gtrid} cannot be rolled back: it is ${outcome}`, {
    metadata: { gtrid, outcome },
  });
}

/**
 * The request is about other branches than the commit. That is no rollback: those of the commit are committed, or may be, and of the
 * others nothing is. So nothing is to be done again before somebody has looked.
 */
export function differError(gtrid: Gtrid, { code, message }: Reason): CoordinatorError {
  assert(isErrorCode(code), 'the engine refuses with codes of the catalogue');
  return new CoordinatorError(code, `${gtrid}: ${message}`, {
    metadata: { gtrid, outcome: 'unknown', retryable: 'false' },
  });
}

export function unknownOutcomeError(gtrid: Gtrid, why: string): CoordinatorError {
  return new CoordinatorError('OUTCOME_UNKNOWN', `the outcome of ${gtrid} is not known: ${why}`, {
    metadata: { gtrid, outcome: 'unknown' },
  });
}

export function notFoundError(gtrid: string): CoordinatorError {
  return new CoordinatorError('TXN_NOT_FOUND', `no transaction ${JSON.stringify(gtrid)} is known here`, {
    metadata: { gtrid: gtrid.slice(0, 64) },
  });
}
