// From what the wire says to the errors that applications see: one place, so that no other error class reaches them.

import { type ServiceError, status } from '@grpc/grpc-js';
import type { BranchInfo__Output as WireBranch } from '../../gen/concordat/v1/BranchInfo.ts';
import type { Error__Output as WireError } from '../../gen/concordat/v1/Error.ts';
import type { Reason__Output as WireReason } from '../../gen/concordat/v1/Reason.ts';
import { EngineError } from '../../participants/resource-manager.ts';
import { wireEvidenceText } from '../../wire/evidence.ts';
import { fromServiceError, isRetryable } from '../../wire/status.ts';
import { CoordinatorError, type ErrorCode, isErrorCode } from '../../xa/errors.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import {
  type BranchCause,
  ConcordatError,
  HeuristicOutcomeError,
  StatementError,
  TransactionRolledBackError,
} from '../public/errors.ts';

/** A refusal inside the coordinator's stream, with what the catalogue's code alone does not tell. */
export class RefusedError extends CoordinatorError {
  readonly wire: WireError;

  constructor(wire: WireError) {
    super(codeOf(wire.reason), wire.message, { metadata: wire.metadata });
    this.wire = wire;
  }
}

/** The catalogue's advice is for the code as such; of this one case the peer may know more. */
function isWorthRetrying(error: WireError): boolean {
  const { retryable } = error.metadata;
  return retryable === undefined ? error.retryable : retryable === 'true';
}

/** A newer peer may know reasons that this client does not. */
function codeOf(reason: string): ErrorCode {
  return isErrorCode(reason) ? reason : 'INTERNAL';
}

/**
 * Why a stream ended. What the peer said in its own words stays; anything else that the transport says, an abruptly killed peer's
 * INTERNAL among it, means no more than that the connection is gone.
 */
export function streamFailure(error: ServiceError): CoordinatorError {
  if (error.code === status.UNIMPLEMENTED) {
    return new CoordinatorError('PROTOCOL', 'The peer does not serve Concordat.', { cause: error });
  }
  const failure = fromServiceError(error);
  return failure.code === 'INTERNAL' || failure.code === 'DEADLINE'
    ? new CoordinatorError('CONNECTION_LOST', failure.message, { cause: error })
    : failure;
}

/** Our own errors stay as they are; everything else gets a class that applications know, with the original as its cause. */
export function toClientError(error: unknown): ConcordatError {
  if (error instanceof ConcordatError) {
    return error;
  }
  if (error instanceof CoordinatorError) {
    const retryable = error instanceof RefusedError ? isWorthRetrying(error.wire) : isRetryable(error);
    return new ConcordatError(error.message, { code: error.code, retryable, cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ConcordatError(message, { code: 'INTERNAL', retryable: false, cause: error });
}

/** Why an embedded participant did not take a connection; an `EngineError` is of the database that did not open the branch. */
export function enlistingFailure(resource: string, error: unknown): ConcordatError {
  if (!(error instanceof EngineError)) {
    return toClientError(error);
  }
  const { message, ...words } = error.reason;
  const details = { ...words, code: 'STATEMENT_FAILED', resource, cause: error } as const;
  return new StatementError(`The branch could not be opened on the connection: ${message}`, details);
}

/** A statement of the application's own on an enlisted connection failed, and its scope was left all the same as if it had not. */
export function enlistedFailure(resource: string, { message, ...words }: Reason): StatementError {
  return new StatementError(`A statement on the enlisted connection failed: ${message}`, {
    ...words,
    code: 'STATEMENT_FAILED',
    resource,
  });
}

/** A reply of a sidecar that is an error. The database's own words travel in the metadata: `sqlstate`, `errno`. */
export function toStatementError(resource: string, error: WireError): StatementError {
  const code = codeOf(error.reason);
  return new StatementError(error.message, {
    code,
    retryable: isWorthRetrying(error),
    resource,
    ...engineWords(error),
    cause: endOfBranch(error),
  });
}

/** Why the branch was over before the statement came, where the participant knows. */
function endOfBranch({ metadata: { reason }, message }: WireError): CoordinatorError | undefined {
  return reason !== undefined && isErrorCode(reason) ? new CoordinatorError(reason, message) : undefined;
}

function engineWords({ metadata }: WireError): { sqlstate: string | undefined; errno: number | undefined } {
  const errno = Number(metadata['errno'] || Number.NaN);
  return { sqlstate: metadata['sqlstate'] || undefined, errno: Number.isNaN(errno) ? undefined : errno };
}

/** A statement that got no answer: its branch is lost, and with it the transaction, which may be done again. */
export function lostStatement(resource: string, error: CoordinatorError): StatementError {
  return new StatementError(`The connection to the participant of ${resource} broke: ${error.message}`, {
    code: 'CONNECTION_LOST',
    retryable: true,
    resource,
    cause: error,
  });
}

/** The branches that have something to say: a reason, or an end that is not the transaction's. */
export function branchCauses(branches: readonly WireBranch[]): BranchCause[] {
  return branches
    .filter((branch) => (branch.reason?.code ?? '') !== '' || branch.state === 'BRANCH_STATE_DAMAGED')
    .map((branch) => ({
      bqual: branch.bqual,
      resource: branch.resource,
      code: branch.reason?.code ?? '',
      message: branch.reason?.message ?? `the branch ended against the decision (${wireEvidenceText(branch.evidence)})`,
      sqlstate: branch.reason?.sqlstate || undefined,
      errno: branch.reason?.errno || undefined,
      retryable: branch.reason?.retryable ?? false,
    }));
}

/** The transaction was refused its commit, and is rolled back. */
export function rolledBackByRefusal(gtrid: string, refusal: RefusedError): TransactionRolledBackError {
  const branches = causesOf(refusal.wire);
  // A constraint that failed at prepare fails again, a deadlock does not.
  const retryable = branches.length > 0 ? branches.every((branch) => branch.retryable) : isWorthRetrying(refusal.wire);
  return new TransactionRolledBackError(`The transaction was rolled back: ${withCauses(refusal.message, branches)}`, {
    code: refusal.code,
    retryable,
    gtrid,
    branches,
    cause: refusal,
  });
}

/** Where the coordinator names no branch it repeats the words of the one whose vote it was. */
function causesOf(error: WireError): BranchCause[] {
  const causes = branchCauses(error.branches);
  const code = error.metadata['cause'] ?? '';
  if (causes.length > 0 || error.reason !== 'BRANCH_VOTED_NO' || code === '') {
    return causes;
  }
  const { bqual = '', resource = '' } = error.metadata;
  return [{ bqual, resource, code, message: error.message, retryable: isWorthRetrying(error), ...engineWords(error) }];
}

/** The transaction was rolled back before its client asked for an end, or while nobody was listening. */
export function rolledBackByReason(
  gtrid: string,
  reason: WireReason | null,
  wireBranches: readonly WireBranch[] = [],
): TransactionRolledBackError {
  const branches = branchCauses(wireBranches);
  const message = reason?.message || 'it had not been decided when its coordinator or its session ended';
  return new TransactionRolledBackError(`The transaction was rolled back: ${withCauses(message, branches)}`, {
    code: codeOfReason(reason),
    retryable: reason?.code ? reason.retryable : true,
    gtrid,
    branches,
  });
}

/** The application's own statements ended branches of it, past every guard, and not all of their work is rolled back. */
export function endedOutside(
  gtrid: string,
  ended: readonly {
    readonly kind: 'committed' | 'unproven';
    readonly proof: string;
    readonly resource: string;
    readonly bqual: string;
  }[],
  cause: unknown,
): HeuristicOutcomeError {
  const branches = ended.map(({ resource, bqual, proof }) => ({
    ...{ bqual, resource, message: proof, code: 'HEURISTIC_OUTCOME', retryable: false },
    ...{ sqlstate: undefined, errno: undefined },
  }));
  const message = `The transaction was rolled back, but not all of it: ${branches.map((branch) => `${branch.bqual}: ${branch.message}`).join('; ')}`;
  const outcome = ended.some(({ kind }) => kind === 'committed') ? 'mixed' : 'hazard';
  return new HeuristicOutcomeError(message, { gtrid, outcome, branches, cause });
}

function codeOfReason(reason: WireReason | null): ErrorCode {
  return reason !== null && isErrorCode(reason.code) ? reason.code : 'TXN_ROLLED_BACK';
}

function withCauses(message: string, branches: readonly BranchCause[]): string {
  const causes = branches.filter((branch) => branch.message !== message);
  return causes.length === 0
    ? message
    : `${message} (${causes.map((branch) => `${branch.bqual}: ${branch.message}`).join('; ')})`;
}
