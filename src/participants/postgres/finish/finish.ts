// Phase two and its proofs: what an answer of COMMIT PREPARED means, and what is asked when it means nothing.
import { type EvidenceRow, formatRow } from '../../../xa/evidence.ts';
import type { FinishResult, Reason } from '../../../xa/vocabulary.ts';
import type { BatchOutcome, BatchStep, PgError, StepResult } from '../protocol/batch.ts';
import { lostReason, statementReason, UNREPLICATED } from '../protocol/errors.ts';
import type { RunInControl } from '../session/query.ts';
import { formatGid, gidLiteral } from '../sql/gid.ts';
import { rowStep } from '../tables/rows.ts';
import { BRANCH_TABLE, printPostgresSql } from '../tables/tables.ts';

/** What the engine shows of one opening: it lists it as prepared, it has the row of a commit, or neither. */
type BranchStanding = 'prepared' | 'committed' | 'neither';

/** The engine could not be asked, or does not answer for certain now. */
export type NoStanding = Extract<FinishResult, { kind: 'unknown' | 'not-yet' }>;

/** Ends sessions that may still prepare or commit; why they are not ended. */
export type Fence = () => Promise<Reason | undefined>;

/** COMMIT PREPARED, proven. Never rejects. */
export async function commitPrepared(control: RunInControl, row: EvidenceRow, fence: Fence): Promise<FinishResult> {
  return await finishTwice(control, row, 'commit prepared', fence, (standing) => {
    switch (standing) {
      case 'committed':
        return { kind: 'done' };
      case 'prepared':
        return notYet('the branch is listed and yet not found');
      case 'neither':
        return { kind: 'done-otherwise', proof: notHere(row) };
    }
  });
}

/** ROLLBACK PREPARED of one opening. Never rejects. */
export async function rollbackPrepared(control: RunInControl, row: EvidenceRow, fence: Fence): Promise<FinishResult> {
  return await finishTwice(control, row, 'rollback prepared', fence, (standing) => {
    switch (standing) {
      case 'committed':
        return { kind: 'done-otherwise', proof: hasRow([row]) };
      case 'prepared':
        return notYet('the branch is listed and yet not found');
      case 'neither':
        return { kind: 'done' };
    }
  });
}

export function hasRow(rows: readonly EvidenceRow[]): string {
  return `the row ${rows.map(formatRow).join(', ')} is in ${BRANCH_TABLE}: it was committed`;
}

function notHere(row: EvidenceRow): string {
  return (
    `the database neither lists ${formatGid(row)} as prepared nor has its row in ${BRANCH_TABLE}: ` +
    'it is not committed here'
  );
}

async function finishTwice(
  control: RunInControl,
  row: EvidenceRow,
  verb: 'commit prepared' | 'rollback prepared',
  fence: Fence,
  judge: (standing: BranchStanding) => FinishResult,
): Promise<FinishResult> {
  const first = await finish(control, row, verb);
  if (first !== 'not-found') {
    return first;
  }
  const stuck = await fence();
  if (stuck !== undefined) {
    return { kind: 'unknown', reason: stuck };
  }
  // What the fenced sessions could still do, they have done by now.
  const again = await finish(control, row, verb);
  if (again !== 'not-found') {
    return again;
  }
  const standing = await standingOf(control, row);
  return typeof standing === 'string' ? judge(standing) : standing;
}

/**
 * What the engine shows of one opening. In two transactions and in this order: a branch that is committed in between is in the list, or
 * its row is seen.
 */
export async function standingOf(control: RunInControl, row: EvidenceRow): Promise<BranchStanding | NoStanding> {
  const listed = await ask(control, {
    text: 'select 1 from pg_prepared_xacts where gid = $1 and database = current_database()',
    values: [formatGid(row)],
  });
  if ('kind' in listed) {
    return listed;
  }
  if (listed.rows.length > 0) {
    return 'prepared';
  }
  const found = await ask(control, rowStep(row));
  return 'kind' in found ? found : found.rows.length > 0 ? 'committed' : 'neither';
}

/** One question. What keeps it from being answered is told, and nothing is concluded. */
export async function ask(control: RunInControl, step: BatchStep): Promise<StepResult | NoStanding> {
  const outcome = await control({ kind: 'steps', steps: [step] });
  if (outcome.kind !== 'answered') {
    return { kind: 'unknown', reason: lost(outcome) };
  }
  if (outcome.error !== undefined) {
    return unanswered(outcome.error);
  }
  const [result] = outcome.results;
  return result === undefined || outcome.isUnreplicated
    ? { kind: 'unknown', reason: result === undefined ? lostReason(undefined) : UNREPLICATED }
    : result;
}

async function finish(
  control: RunInControl,
  row: EvidenceRow,
  verb: 'commit prepared' | 'rollback prepared',
): Promise<FinishResult | 'not-found'> {
  const outcome = await control({ kind: 'simple', text: `${verb} ${gidLiteral(row)}` });
  if (outcome.kind !== 'answered') {
    return { kind: 'unknown', reason: lost(outcome) };
  }
  if (outcome.error !== undefined) {
    return refusal(outcome.error);
  }
  if (outcome.isUnreplicated) {
    return { kind: 'unknown', reason: UNREPLICATED };
  }
  const tag = outcome.results[0]?.tag;
  return tag === verb.toUpperCase()
    ? { kind: 'done' }
    : { kind: 'unknown', reason: { code: 'INTERNAL', message: `unexpected answer ${tag}`, retryable: true } };
}

function refusal(error: PgError): FinishResult | 'not-found' {
  const reason = statementReason(error);
  switch (error.code) {
    case '42704':
      return 'not-found';
    case '55000':
      return notYet(`another session is finishing the branch: ${error.message}`, reason);
    case '42501':
      return notYet(
        `${reason.message}; run the participant as the role that prepared the branch (pg_prepared_xacts.owner)`,
        reason,
      );
    case '0A000':
      return notYet(
        `${reason.message}; point the participant at the database in which the branch was prepared`,
        reason,
      );
    case '25006':
      return notYet(`${reason.message}; ${STANDBY}`, reason);
    default:
      return { kind: 'unknown', reason };
  }
}

function unanswered(error: PgError): NoStanding {
  const reason = statementReason(error);
  switch (error.code) {
    case '25006':
      return notYet(`${reason.message}; ${STANDBY}`, reason);
    case '55P03':
      return notYet('another session asks for its row, and may be waiting for a synchronous standby', reason);
    case '42P01':
    case '3F000':
      return notYet(
        `${reason.message}; without it nothing is known of the branch: is this the database in which it was prepared?`,
        reason,
      );
    case '42501':
      return error.routine === 'check_enable_rls'
        ? notYet(
            `${reason.message}; run as an administrator: alter table ${BRANCH_TABLE} disable row level security`,
            reason,
          )
        : notYet(`${reason.message}; run as an administrator: ${printPostgresSql().replaceAll('\n', ' ')}`, reason);
    default:
      return { kind: 'unknown', reason };
  }
}

const STANDBY = 'the server is a standby or read-only: point the participant at the primary';

function notYet(message: string, from?: Reason): Extract<FinishResult, { kind: 'not-yet' }> {
  const base = from ?? { code: 'BRANCH_BUSY', retryable: true };
  return { kind: 'not-yet', reason: { ...base, message, retryable: true } };
}

function lost(outcome: Exclude<BatchOutcome, { kind: 'answered' }>): Reason {
  return lostReason(outcome.kind === 'lost' ? outcome.error : outcome.message);
}
