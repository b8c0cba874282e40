// Every error that an application can meet. Match on the class or on `code`, never on the message.
import type { ErrorCode } from '../../xa/errors.ts';
import type { QueryResult } from './resource.ts';

export type { ErrorCode } from '../../xa/errors.ts';

interface ConcordatErrorDetails {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly cause?: unknown;
  readonly gtrid?: string | undefined;
}

/** The base of all: a request that could not be done. `code` is a code of the error catalogue, docs/errors.md. */
export class ConcordatError extends Error {
  override readonly name: string = 'ConcordatError';
  readonly code: ErrorCode;
  /** The same work, done again as a new transaction, may succeed. */
  readonly retryable: boolean;
  /** The transaction that it happened in; undefined: in none. */
  readonly gtrid: string | undefined;

  constructor(message: string, details: ConcordatErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.retryable = details.retryable;
    this.gtrid = details.gtrid;
  }
}

/** The error, which says from now on that it happened in this transaction, if it is one of ours and does not say so of another. */
export function inTransaction<E>(gtrid: string, error: E): E {
  if (error instanceof ConcordatError && error.gtrid === undefined) {
    Object.assign(error, { gtrid });
  }
  return error;
}

/**
 * A statement was not done, or nobody can tell whether it was; `code` says which: STATEMENT_FAILED when the database refused
 * it, BRANCH_UNKNOWN, ENGINE_UNAVAILABLE or CONNECTION_LOST when the branch is gone. Its transaction can only be rolled back.
 */
export class StatementError extends ConcordatError {
  override readonly name = 'StatementError';
  readonly resource: string;
  /** The database's SQLSTATE, when the database spoke. */
  readonly sqlstate: string | undefined;
  /** The error number of MySQL and MariaDB. */
  readonly errno: number | undefined;

  constructor(
    message: string,
    details: ConcordatErrorDetails & {
      readonly resource: string;
      readonly sqlstate?: string | undefined;
      readonly errno?: number | undefined;
    },
  ) {
    super(message, details);
    this.resource = details.resource;
    this.sqlstate = details.sqlstate;
    this.errno = details.errno;
  }
}

/** Why one branch could not go on, or how it ended. */
export interface BranchCause {
  readonly bqual: string;
  readonly resource: string;
  /** A code of the error catalogue; empty when the branch itself was fine. */
  readonly code: string;
  readonly message: string;
  readonly sqlstate: string | undefined;
  readonly errno: number | undefined;
  readonly retryable: boolean;
}

interface TransactionErrorDetails extends ConcordatErrorDetails {
  readonly gtrid: string;
  readonly branches?: readonly BranchCause[];
}

/** Nothing of the transaction is committed, and nothing of it ever will be. `branches` says which of them objected, and why. */
export class TransactionRolledBackError extends ConcordatError {
  override readonly name = 'TransactionRolledBackError';
  declare readonly gtrid: string;
  readonly branches: readonly BranchCause[];

  constructor(message: string, details: TransactionErrorDetails) {
    super(message, details);
    this.branches = details.branches ?? [];
  }
}

/** One branch as the client knows it: `bqual`, and the participant instance that answered for it, or an empty string. */
export interface BranchIdentity {
  readonly bqual: string;
  readonly instance: string;
}

/**
 * The commit was asked for and its outcome could not be learned in time. Conclude nothing: it may have committed.
 * Ask again with `concordat.outcome(error.gtrid, error.branches)`, or an operator with `concordat tx show`.
 */
export class OutcomeUnknownError extends ConcordatError {
  override readonly name = 'OutcomeUnknownError';
  declare readonly gtrid: string;
  /** What `outcome` needs to tell more: with two or more branches, silence in the log proves a rollback. */
  readonly branches: readonly BranchIdentity[];

  constructor(
    message: string,
    details: { readonly gtrid: string; readonly branches: readonly BranchIdentity[]; readonly cause?: unknown },
  ) {
    super(message, { ...details, code: 'OUTCOME_UNKNOWN', retryable: false });
    this.branches = details.branches;
  }
}

/** Branches ended against the decision, or an operator settled one whose end nobody could prove. An operator must look. */
export class HeuristicOutcomeError extends ConcordatError {
  override readonly name = 'HeuristicOutcomeError';
  declare readonly gtrid: string;
  readonly outcome: 'mixed' | 'hazard';
  readonly branches: readonly BranchCause[];

  constructor(
    message: string,
    details: {
      readonly gtrid: string;
      readonly outcome: 'mixed' | 'hazard';
      readonly branches: readonly BranchCause[];
      readonly cause?: unknown;
    },
  ) {
    super(message, { ...details, code: 'HEURISTIC_OUTCOME', retryable: false });
    this.outcome = details.outcome;
    this.branches = details.branches;
  }
}

/**
 * The transaction of `transact` is committed, and answers of its statements did not arrive. Do not run it again: what it wrote is there.
 */
export class ResultsLostError extends ConcordatError {
  override readonly name = 'ResultsLostError';
  declare readonly gtrid: string;
  /** By statement; undefined for those that were lost. */
  readonly results: readonly (QueryResult | undefined)[];
  /** As `CommitResult.applied`. */
  readonly applied: boolean;

  constructor(
    gtrid: string,
    details: {
      readonly results: readonly (QueryResult | undefined)[];
      readonly applied: boolean;
      readonly cause: unknown;
    },
  ) {
    const message = `The transaction ${gtrid} is committed, but answers of its statements are lost. Do not run it again.`;
    super(message, { code: 'RESULTS_LOST', retryable: false, cause: details.cause, gtrid });
    this.results = details.results;
    this.applied = details.applied;
  }
}
