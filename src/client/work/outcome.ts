// How a transaction ended, asked afterwards: one question, and the patient form that a commit without an answer needs.
import type { BranchInfo__Output as WireBranch } from '../../gen/concordat/v1/BranchInfo.ts';
import type { GetTransactionRequest } from '../../gen/concordat/v1/GetTransactionRequest.ts';
import type { TransactionInfo__Output as TransactionInfo } from '../../gen/concordat/v1/TransactionInfo.ts';
import { type Backoff, backoffDelayMs } from '../../lib/backoff.ts';
import { pause, within } from '../../lib/wait.ts';
import {
  type BranchIdentity,
  HeuristicOutcomeError,
  OutcomeUnknownError,
  TransactionRolledBackError,
} from '../public/errors.ts';
import type { CommitResult, TransactionOutcome } from '../public/transaction.ts';
import type { CoordinatorLink } from '../session/coordinator-link.ts';
import type { CoordinatorSession } from '../session/coordinator-session.ts';
import { branchCauses, RefusedError, rolledBackByReason } from '../session/failures.ts';

const OUTCOMES = {
  OUTCOME_UNSPECIFIED: 'active',
  OUTCOME_COMMITTED: 'committed',
  OUTCOME_ROLLED_BACK: 'rolled-back',
  OUTCOME_MIXED: 'mixed',
  OUTCOME_HAZARD: 'hazard',
  OUTCOME_UNKNOWN: 'unknown',
  OUTCOME_EXPIRED: 'expired',
} as const satisfies Record<TransactionInfo['outcome'], TransactionOutcome>;

/** So long "not found" is asked again. */
const NOT_FOUND_PATIENCE_MS = 5_000;
const POLL: Backoff = { firstMs: 50, maxMs: 1_000 };

/** One answer of the coordinator. @throws {RefusedError} TXN_NOT_FOUND, OUTCOME_EXPIRED; {CoordinatorError} the session broke. */
export async function askTransaction(link: CoordinatorLink, request: GetTransactionRequest): Promise<TransactionInfo> {
  const { getTransaction } = await link.request({ getTransaction: request });
  if (!getTransaction?.transaction) {
    throw new TypeError('the coordinator answered GetTransaction without a transaction');
  }
  return getTransaction.transaction;
}

export function toldOutcome(info: Pick<TransactionInfo, 'outcome'>): TransactionOutcome {
  // A newer coordinator may know outcomes that this client does not: it concludes nothing from them.
  return OUTCOMES[info.outcome] ?? 'unknown';
}

interface OutcomeQuestion {
  readonly gtrid: string;
  readonly branches: readonly BranchIdentity[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Go on asking, within the time, until every branch is finished. */
  readonly untilApplied: boolean;
  /** What made the answer missing. */
  readonly cause: unknown;
}

/**
 * Asks until the outcome is known.
 * @throws {TransactionRolledBackError} {HeuristicOutcomeError}
 * @throws {OutcomeUnknownError} after `timeoutMs`, when the signal aborts, or when the coordinator says that it never will know.
 */
export async function awaitOutcome(session: CoordinatorSession, question: OutcomeQuestion): Promise<CommitResult> {
  const { clock, random } = session.settings;
  const { gtrid, branches, signal } = question;
  const begunAt = clock.now();
  const endsAt = begunAt + question.timeoutMs;
  const request = { gtrid, branches: branches.map(({ bqual, instance }) => ({ bqual, instance })) };
  let committed = false;
  let cause = question.cause;
  for (let attempt = 1; ; attempt++) {
    try {
      const timeoutMs = endsAt - clock.now();
      const { link } = await session.until(() => session.connection, { timeoutMs, signal });
      const late = (): unknown => cause;
      const info = await within(
        askTransaction(link, request),
        { clock, timeoutMs: endsAt - clock.now(), signal },
        late,
      );
      const result = conclude(gtrid, info, branches);
      committed ||= result !== undefined;
      if (result !== undefined && (result.applied || !question.untilApplied)) {
        return result;
      }
    } catch (error) {
      if (error instanceof HeuristicOutcomeError || error instanceof TransactionRolledBackError) {
        throw error;
      }
      if (error instanceof RefusedError && error.code === 'BRANCHES_DIFFER') {
        throw otherBranches(gtrid, error.message, error);
      }
      cause = error;
    }
    const isFinal =
      cause instanceof RefusedError && cause.entry.retry === 'no' && !isTooEarly(cause, begunAt, clock.now());
    if (isFinal || signal?.aborted === true || session.closed || clock.now() >= endsAt) {
      if (committed) {
        return { outcome: 'committed', applied: false };
      }
      throw unknownOutcome(gtrid, branches, cause);
    }
    await pause(clock, Math.min(backoffDelayMs(POLL, attempt, random), endsAt - clock.now()), signal).catch(
      () => undefined,
    );
  }
}

/** The coordinator may hear of the transaction yet, or of the end of the session that it was to be begun on. */
function isTooEarly({ code }: RefusedError, begunAt: number, now: number): boolean {
  return code === 'TXN_NOT_FOUND' && now - begunAt < NOT_FOUND_PATIENCE_MS;
}

/** Undefined: not known yet. */
function conclude(gtrid: string, info: TransactionInfo, opened: readonly BranchIdentity[]): CommitResult | undefined {
  const outcome = toldOutcome(info);
  switch (outcome) {
    case 'committed':
      ensureCommitted(gtrid, opened, info.branches);
      return { outcome, applied: info.state === 'TRANSACTION_STATE_COMPLETED' };
    case 'rolled-back':
      throw rolledBackByReason(gtrid, info.reason, info.branches);
    case 'mixed':
    case 'hazard':
      throw heuristicOutcome(gtrid, outcome, info.branches);
    default:
      return undefined;
  }
}

export function heuristicOutcome(
  gtrid: string,
  outcome: 'mixed' | 'hazard',
  branches: readonly WireBranch[],
  cause?: unknown,
): HeuristicOutcomeError {
  const message = `The transaction ${gtrid} ended ${outcome}: look with concordat tx explain ${gtrid}.`;
  return new HeuristicOutcomeError(message, { gtrid, outcome, branches: branchCauses(branches), cause });
}

/**
 * Whether every branch that was opened here is among the committed ones. There may be more: others have joined the transaction. A
 * coordinator that names none does not tell, and has compared the request by itself.
 * @throws {HeuristicOutcomeError} somebody has committed it without them.
 */
export function ensureCommitted(
  gtrid: string,
  opened: readonly BranchIdentity[],
  committed: readonly WireBranch[],
): void {
  const names = new Set(committed.map(({ bqual }) => bqual));
  const missing = opened.map(({ bqual }) => bqual).filter((bqual) => !names.has(bqual));
  if (names.size > 0 && missing.length > 0) {
    const what = `the commit is of ${[...names].join(', ')}, and ${missing.join(', ')} is not in it`;
    throw otherBranches(gtrid, what, undefined);
  }
}

/** A part of what was done here is committed, or nothing of it: somebody else has committed the transaction, with other branches. */
function otherBranches(gtrid: string, what: string, cause: unknown): HeuristicOutcomeError {
  const message = `The transaction ${gtrid} was committed with other branches than were opened here (${what}). Do not run it again before you have looked, with concordat tx explain ${gtrid}.`;
  return new HeuristicOutcomeError(message, { gtrid, outcome: 'mixed', branches: [], cause });
}

function unknownOutcome(gtrid: string, branches: readonly BranchIdentity[], cause: unknown): OutcomeUnknownError {
  const message = `The outcome of ${gtrid} is not known yet. Assume nothing: ask again with outcome('${gtrid}'), or with concordat tx show ${gtrid}.`;
  return new OutcomeUnknownError(message, { gtrid, branches, cause });
}
