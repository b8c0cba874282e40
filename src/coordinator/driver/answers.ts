// How a caller hears that a transaction did not end as he asked, or that its end is not known (D5).
import { assert } from '../../lib/assert.ts';
import { CoordinatorError, type ErrorCode, isErrorCode } from '../../xa/errors.ts';
import type { Outcome, Reason } from '../../xa/vocabulary.ts';
import { type Gtrid, resourceOf } from '../../xa/xid.ts';

/** Codes of a rollback that are the caller's own business; everything else is a branch that could not be prepared. */
const OWN_CODES = new Set<ErrorCode>([
  'BRANCHES_DIFFER',
  'TXN_ROLLED_BACK',
  'TXN_TIMEOUT',
  'ROLLBACK_ONLY',
  'CLIENT_LOST',
  'LIMIT_BRANCHES',
]);

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
