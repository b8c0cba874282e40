// Why a branch ended or a statement failed: engine errors as reasons for the coordinator and as errors for the application.
import type { PoolRefusal } from '../lib/pool.ts';
import { CoordinatorError, isErrorCode } from '../xa/errors.ts';
import type { Reason } from '../xa/vocabulary.ts';
import { formatXid, type Xid } from '../xa/xid.ts';
import { EngineError } from './resource-manager.ts';

/** The reason inside whatever an adapter threw. Anything but an `EngineError` is a bug of the adapter, and says so. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof EngineError) {
    return error.reason;
  }
  if (error instanceof CoordinatorError) {
    return { code: error.code, message: error.message, retryable: error.entry.retry === 'new-transaction' };
  }
  return { code: 'INTERNAL', message: `the adapter failed: ${String(error)}`, retryable: false };
}

/** An application has the drivers of its own databases only: they are loaded when they are first needed. */
export function notInstalled(driver: 'pg' | 'mysql2', cause: unknown): EngineError {
  const message = `${driver} cannot be loaded beside Concordat: run \`npm install ${driver}\``;
  return new EngineError({ code: 'PREFLIGHT_FAILED', message, retryable: false }, { sessionLost: true, cause });
}

/** A failed statement as its application sees it: the engine's own words and numbers in the metadata. */
export function statementError(error: unknown): CoordinatorError {
  if (error instanceof CoordinatorError) {
    return error;
  }
  const reason = reasonOf(error);
  const metadata: Record<string, string> = { retryable: String(reason.retryable) };
  if (reason.sqlstate !== undefined) {
    metadata['sqlstate'] = reason.sqlstate;
  }
  if (reason.errno !== undefined) {
    metadata['errno'] = String(reason.errno);
  }
  const code = isErrorCode(reason.code) ? reason.code : 'STATEMENT_FAILED';
  return new CoordinatorError(code, reason.message, { metadata, cause: error });
}

/** The participant does not hold the branch, or not any more; `why` is the reason it ended, where this life knows one. */
export function branchUnknown(xid: Xid, why: Reason | undefined): CoordinatorError {
  const known = why === undefined ? 'the participant does not hold it' : `${why.code}: ${why.message}`;
  return new CoordinatorError('BRANCH_UNKNOWN', `branch ${formatXid(xid)} is gone: ${known}`, {
    metadata: why === undefined ? {} : { reason: why.code },
  });
}

/** A commit without evidence: nothing tells which opening is meant, and other work may have the name by now. */
export function noOpening(xid: Xid): Reason {
  const message = `no evidence tells which opening of ${formatXid(xid)} is meant: nothing can be concluded`;
  return { code: 'BRANCH_UNKNOWN', message, retryable: false };
}

/** Neither prepared nor committed as far as the engine shows, and its row may have been deleted. */
export function noProof(xid: Xid): Reason {
  const message = `the database neither lists ${formatXid(xid)} nor has its row, which may have been deleted: neither end is proven`;
  return { code: 'BRANCH_UNKNOWN', message, retryable: false };
}

/** What a pool of an adapter refuses with. @param what is pooled, in the plural. */
export function poolRefusal(why: PoolRefusal, max: number, what: string): EngineError {
  const [code, message] =
    why === 'closed'
      ? ['ENGINE_UNAVAILABLE', 'the adapter is closed']
      : [
          'LIMIT_CONNECTIONS',
          `all ${max} ${what} are busy${why === 'crowded' ? ', and too many calls wait for one' : ''}`,
        ];
  return new EngineError({ code, message, retryable: true }, { sessionLost: false });
}
