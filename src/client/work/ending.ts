// How a transaction is ended: the commit with every way in which its answer may come or stay away, and the rollback.
import type { CommitResponse__Output as CommitResponse } from '../../gen/concordat/v1/CommitResponse.ts';
import { within } from '../../lib/wait.ts';
import type { ErrorCode } from '../../xa/errors.ts';
import { OVERDUE_GRACE_MS, ROLLBACK_WAIT_MS } from '../../xa/times.ts';
import type { Acknowledgement } from '../../xa/vocabulary.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { type BranchIdentity, ConcordatError, TransactionRolledBackError } from '../public/errors.ts';
import type { CommitResult } from '../public/transaction.ts';
import type { CoordinatorLink } from '../session/coordinator-link.ts';
import type { CoordinatorSession } from '../session/coordinator-session.ts';
import { RefusedError, rolledBackByRefusal } from '../session/failures.ts';
import { awaitOutcome, ensureCommitted, heuristicOutcome } from './outcome.ts';
import { printableReason } from './printable.ts';
import type { Work } from './work.ts';

interface CommitSettings {
  readonly session: CoordinatorSession;
  /** The session that the transaction was begun on: no other may commit it. */
  readonly link: CoordinatorLink;
  readonly gtrid: Gtrid;
  readonly work: Work;
  readonly acknowledgement: Acknowledgement;
  readonly outcomeTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Why its Begin was refused, if that has been heard. */
  readonly refusedBegin: () => RefusedError | undefined;
}

/** Refusals that say: rolled back, for good. */
const ROLLED_BACK_CODES: ReadonlySet<ErrorCode> = new Set([
  'BRANCHES_DIFFER',
  'BRANCH_VOTED_NO',
  'TXN_ROLLED_BACK',
  'TXN_TIMEOUT',
  'ROLLBACK_ONLY',
  'CLIENT_LOST',
] satisfies ErrorCode[]);

/** Refusals that leave the end open, because the coordinator itself does not know it: a rollback would not be obeyed. */
const UNCERTAIN: ReadonlySet<ErrorCode> = new Set(['OUTCOME_UNKNOWN', 'LOG_FAILED', 'DEADLINE'] satisfies ErrorCode[]);

/** A word of its own, since the wait for a commit is the usual case and its error is not. */
const SILENCE = Symbol('the coordinator did not answer the commit in time');

/**
 * Asks for the commit and tells how it ended.
 *
 * The wait ends with the transaction's own time, some seconds and `outcomeTimeoutMs` after it, at the latest.
 * @throws {TransactionRolledBackError} {HeuristicOutcomeError} {OutcomeUnknownError}
 */
export async function commitTransaction(settings: CommitSettings): Promise<CommitResult> {
  const { session, link, gtrid, work, signal, outcomeTimeoutMs } = settings;
  const applied = settings.acknowledgement === 'applied';
  let failure: unknown;
  try {
    const commit = {
      requestId: `${gtrid}/commit`,
      gtrid,
      branches: work.refsToCommit(),
      acknowledgement: applied ? 'ACKNOWLEDGEMENT_APPLIED' : 'ACKNOWLEDGEMENT_DECIDED',
    } as const;
    const bounds = { clock: session.settings.clock, timeoutMs: work.remainingMs + OVERDUE_GRACE_MS, signal };
    const answer = await within(link.request({ commit }), bounds, () => SILENCE);
    return committed(gtrid, answer.commit, work.identities());
  } catch (error) {
    if (error instanceof ConcordatError) {
      throw error;
    }
    failure = error;
  }
  if (failure instanceof RefusedError) {
    return await afterRefusal(settings, failure);
  }
  // A decision that is durable is an answer, even where a database is away for longer than we wait.
  const untilApplied = applied && failure !== SILENCE;
  const branches = work.identities();
  return await awaitOutcome(session, {
    gtrid,
    branches,
    signal,
    timeoutMs: outcomeTimeoutMs,
    untilApplied,
    cause: failure === SILENCE ? new Error(SILENCE.description) : failure,
  });
}

/** The coordinator did not do as it was asked, and its words do not always tell what became of the transaction. */
async function afterRefusal(settings: CommitSettings, refusal: RefusedError): Promise<CommitResult> {
  const { session, link, gtrid, work, signal, outcomeTimeoutMs } = settings;
  throwIfEnded(gtrid, refusal);
  const refusedBegin = settings.refusedBegin();
  if (refusal.code === 'TXN_NOT_FOUND' && refusedBegin !== undefined) {
    // Nothing was begun that could have been committed; of what participants hold of it they hear from the coordinator.
    throw rolledBackByRefusal(gtrid, refusedBegin);
  }
  if (!UNCERTAIN.has(refusal.code)) {
    // The request was at fault and the transaction is still open. If it is not, the coordinator does not obey (D2).
    await rollbackTransaction(session, link, work, `commit refused: ${refusal.code}`);
  }
  try {
    const branches = work.identities();
    const untilApplied = settings.acknowledgement === 'applied';
    const timeoutMs = outcomeTimeoutMs;
    return await awaitOutcome(session, { gtrid, branches, signal, timeoutMs, untilApplied, cause: refusal });
  } catch (error) {
    throw error instanceof TransactionRolledBackError ? rolledBackByRefusal(gtrid, refusal) : error;
  }
}

function committed(
  gtrid: string,
  answer: CommitResponse | null | undefined,
  opened: readonly BranchIdentity[],
): CommitResult {
  if (!answer) {
    throw new TypeError('the coordinator answered the commit with nothing');
  }
  switch (answer.outcome) {
    case 'OUTCOME_COMMITTED':
      ensureCommitted(gtrid, opened, answer.branches);
      return { outcome: 'committed', applied: answer.state === 'TRANSACTION_STATE_COMPLETED' };
    case 'OUTCOME_MIXED':
      throw heuristicOutcome(gtrid, 'mixed', answer.branches);
    case 'OUTCOME_HAZARD':
      throw heuristicOutcome(gtrid, 'hazard', answer.branches);
    case 'OUTCOME_UNSPECIFIED':
    case 'OUTCOME_ROLLED_BACK': // Comes as a refusal, as the next two do.
    case 'OUTCOME_UNKNOWN':
    case 'OUTCOME_EXPIRED':
      break;
    default:
      answer.outcome satisfies never; // Of a newer coordinator, then.
  }
  throw new TypeError(`the coordinator answered the commit with ${answer.outcome}`);
}

/** Comes back where the refusal leaves the end open. */
function throwIfEnded(gtrid: string, refusal: RefusedError): void {
  const { outcome, branches } = refusal.wire;
  if (outcome === 'OUTCOME_ROLLED_BACK' || (outcome === 'OUTCOME_UNSPECIFIED' && ROLLED_BACK_CODES.has(refusal.code))) {
    throw rolledBackByRefusal(gtrid, refusal);
  }
  if (outcome === 'OUTCOME_MIXED' || outcome === 'OUTCOME_HAZARD') {
    throw heuristicOutcome(gtrid, outcome === 'OUTCOME_MIXED' ? 'mixed' : 'hazard', branches, refusal);
  }
  if (refusal.code === 'HEURISTIC_OUTCOME') {
    throw heuristicOutcome(gtrid, 'hazard', branches, refusal);
  }
}

/**
 * Asks for the rollback and waits for its answer, `ROLLBACK_WAIT_MS` at most. Never rejects: a commit was not and will not be asked
 * for, so that the transaction ends rolled back whether anybody hears us or not.
 */
export async function rollbackTransaction(
  session: CoordinatorSession,
  link: CoordinatorLink,
  work: Work,
  reason: string,
): Promise<void> {
  const { gtrid } = work;
  const rollback = {
    requestId: `${gtrid}/rollback`,
    gtrid,
    reason: printableReason(reason),
    branches: work.refs(),
  };
  const bounds = { clock: session.settings.clock, timeoutMs: ROLLBACK_WAIT_MS };
  try {
    await within(link.request({ rollback }), bounds, () => undefined);
  } catch (error) {
    session.settings.logger?.info({ evt: 'rollback_unanswered', txn: gtrid, err: error }, 'rollback not confirmed');
  }
}
