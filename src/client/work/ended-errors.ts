// The words with which a transaction object refuses what comes too late, and tells why nothing of it is committed.

import type { ErrorCode } from '../../xa/errors.ts';
import { ConcordatError, TransactionRolledBackError } from '../public/errors.ts';

export function wrongState(gtrid: string, what: string): ConcordatError {
  return new ConcordatError(`The transaction ${gtrid} ${what}.`, { code: 'TXN_STATE', retryable: false, gtrid });
}

/** What a commit throws after an earlier failure: an abort as it is, everything else of ours as the rollback that it caused. */
export function rolledBackAfter(gtrid: string, error: unknown): unknown {
  if (error instanceof TransactionRolledBackError || !(error instanceof ConcordatError)) {
    return error;
  }
  const { code, retryable } = error;
  const message = `The transaction was rolled back: ${error.message}`;
  return new TransactionRolledBackError(message, { code, retryable, gtrid, cause: error });
}

/** The application's own error forbids the commit: of a scope that joined, or of `beforeCommit`. */
export function rolledBackBecause(
  gtrid: string,
  what: string,
  { cause, retryable }: { readonly cause: unknown; readonly retryable: boolean },
): TransactionRolledBackError {
  const words = cause instanceof Error ? cause.message : String(cause);
  const message = `The transaction can only be rolled back, because ${what} threw: ${words}`;
  return new TransactionRolledBackError(message, { code: 'ROLLBACK_ONLY', retryable, gtrid, cause });
}

/** Why the application can still not commit: half of a scope could be committed. Undefined: it can. */
export function unfinished(
  gtrid: string,
  { unanswered, which, scopes }: { readonly unanswered: number; readonly which: string; readonly scopes: number },
): ConcordatError | undefined {
  if (unanswered + scopes === 0) {
    return undefined;
  }
  const message =
    unanswered > 0
      ? `Commit was called while statements are unanswered${which && `: ${which}`}. Await every query before it.`
      : `Commit was called while ${scopes} scope(s) that joined it, or are nested in it, are at work. Await each of them before it.`;
  return new ConcordatError(message, { code: 'BRANCH_BUSY', retryable: false, gtrid });
}

export function rolledBackAs(gtrid: string, code: ErrorCode, why: string, cause?: unknown): TransactionRolledBackError {
  return new TransactionRolledBackError(why, { code, retryable: true, gtrid, cause });
}
