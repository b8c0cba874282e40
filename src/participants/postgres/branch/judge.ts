// What a batch's outcome means for a branch: pure readings of command tags, errors and lost answers.
import type { Evidence, FinishResult, Reason, Vote } from '../../../xa/vocabulary.ts';
import type { BatchOutcome } from '../protocol/batch.ts';
import { lostReason, statementReason, UNREPLICATED } from '../protocol/errors.ts';

/** Why nothing more is done in a branch. */
export const ENDED: Reason = { code: 'BRANCH_STATE', message: 'the branch is prepared or ended', retryable: false };

const PREPARED = 'PREPARE TRANSACTION';

/** Why a batch did not do what it was sent for; undefined when it did. */
export function failureOf(outcome: BatchOutcome): Reason | undefined {
  switch (outcome.kind) {
    case 'answered':
      return outcome.error === undefined ? undefined : statementReason(outcome.error);
    case 'too-large':
      return { code: 'LIMIT_RESULT', message: outcome.message, retryable: false };
    default:
      return lostReason(outcome.error);
  }
}

/** The single value of the statement at `index`; undefined: null, or not answered. */
export function valueAt(outcome: BatchOutcome, index: number): string | undefined {
  return (outcome.kind === 'answered' ? outcome.results[index]?.rows[0]?.[0] : undefined) ?? undefined;
}

/**
 * Prepared only if the last tag says so: in a failed transaction, and outside of one, PREPARE TRANSACTION succeeds and
 * answers ROLLBACK. One that no standby may have is no yes: after a failover it could be gone.
 */
export function judgePrepare(outcome: BatchOutcome, evidence: Evidence): Vote {
  const isUnreplicated = outcome.kind === 'answered' && outcome.isUnreplicated;
  const reason = failureOf(outcome) ?? (isUnreplicated ? UNREPLICATED : undefined);
  if (reason !== undefined) {
    return { kind: 'rollback', reason };
  }
  const tag = lastTag(outcome);
  return tag === PREPARED ? { kind: 'prepared', evidence } : { kind: 'rollback', reason: unexpected(tag) };
}

/** The COMMIT of a branch that wrote nothing. A failure (40001 is possible) means that what it read must not be relied on. */
export function judgeReadOnly(outcome: BatchOutcome): Vote {
  const reason = failureOf(outcome) ?? (lastTag(outcome) === 'COMMIT' ? undefined : unexpected(lastTag(outcome)));
  return reason === undefined ? { kind: 'read-only' } : { kind: 'rollback', reason };
}

/**
 * PREPARE TRANSACTION shows that nothing waits to be sent, and that what was read may be relied on: the branch wrote nothing, so that it
 * is the same whichever end it has then.
 */
export function judgeSilent(outcome: BatchOutcome): Vote {
  const tag = outcome.kind === 'answered' ? outcome.results[0]?.tag : undefined;
  return tag === PREPARED ? { kind: 'read-only' } : { kind: 'rollback', reason: failureOf(outcome) ?? unexpected(tag) };
}

/** It is prepared and was not ended: COMMIT PREPARED is refused where a function of the branch has changed the session's own role. */
export function isLeftPrepared(outcome: BatchOutcome): boolean {
  return outcome.kind === 'answered' && lastTag(outcome) === PREPARED;
}

/** The COMMIT of a single branch, answered: a failed transaction answers ROLLBACK without an error. */
export function judgeOnePhase(outcome: Extract<BatchOutcome, { kind: 'answered' }>): FinishResult {
  if (outcome.error !== undefined) {
    return { kind: 'done-otherwise', proof: `COMMIT failed: ${outcome.error.code} ${outcome.error.message}` };
  }
  return lastTag(outcome) === 'COMMIT'
    ? { kind: 'done' }
    : { kind: 'done-otherwise', proof: `COMMIT answered ${lastTag(outcome) ?? 'nothing'}` };
}

/** Tags of the engine's transaction control. None of a branch's own statements is answered with one, but for a return to a savepoint. */
const CONTROL: ReadonlySet<string> = new Set([
  ...['BEGIN', 'START TRANSACTION', 'COMMIT', 'ROLLBACK'],
  ...['PREPARE TRANSACTION', 'COMMIT PREPARED', 'ROLLBACK PREPARED'],
]);

/** Those of what a branch had written before, and what became of it. */
export const COMMITTING: ReadonlyMap<string, string> = new Map([
  ['COMMIT', 'it is committed'],
  ['PREPARE TRANSACTION', 'it is prepared under another name: see pg_prepared_xacts'],
]);

/**
 * The tag by which a statement of the application proves to have been transaction control after all; or `nothing`, if the transaction is
 * over without one. Undefined: the branch is as it was.
 */
export function controlTag(
  outcome: BatchOutcome,
  expected: { readonly goesBack: boolean; readonly isOpen: boolean },
): string | undefined {
  const tag = outcome.kind === 'answered' ? outcome.results[0]?.tag : undefined;
  if (outcome.kind !== 'answered' || tag === undefined) {
    return undefined;
  }
  if (CONTROL.has(tag) && !(expected.goesBack && tag === 'ROLLBACK')) {
    return tag;
  }
  return expected.isOpen && outcome.error === undefined && outcome.status !== 'T' ? 'nothing' : undefined;
}

function lastTag(outcome: BatchOutcome): string | undefined {
  return outcome.kind === 'answered' ? outcome.results.at(-1)?.tag : undefined;
}

function unexpected(tag: string | undefined): Reason {
  const message = `the engine rolled the branch back (it answered ${tag ?? 'nothing'})`;
  return { code: 'STATEMENT_FAILED', message, retryable: false };
}
