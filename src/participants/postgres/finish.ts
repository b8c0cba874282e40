// Phase two and its proofs: what an answer of COMMIT PREPARED means, and what is asked when it means nothing.
import type { Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import { formatXid, type Xid } from '../../xa/xid.ts';
import type { BatchOutcome, PgError, Request, Step } from './batch.ts';
import { lostReason, statementReason } from './errors.ts';
import { formatGid, gidLiteral, parseEvidence } from './gid.ts';

/** Runs a request in a control session: separate from those of branches, so that a full pool never delays phase two. */
export type Control = (request: Request) => Promise<BatchOutcome>;

/** `pg_xact_status`; undefined: no evidence, too old, or not of this server. */
export type XactStatus = 'committed' | 'aborted' | 'in progress' | undefined;

export interface Standing {
  readonly prepared: boolean;
  readonly status: XactStatus;
}

/** The engine could not be asked. */
export type NoStanding = Extract<FinishResult, { kind: 'unknown' }>;

/** COMMIT PREPARED, proven. Never rejects. */
export async function commitPrepared(control: Control, xid: Xid, evidence: Evidence): Promise<FinishResult> {
  const first = await finish(control, xid, 'commit prepared');
  if (first !== 'not-found') {
    return first;
  }
  const standing = await standingOf(control, xid, evidence);
  if ('kind' in standing) {
    return standing;
  }
  if (standing.prepared) {
    // A PREPARE that was still on its way arrived between the two questions.
    const again = await finish(control, xid, 'commit prepared');
    return again === 'not-found' ? notYet('the branch is listed and yet not found') : again;
  }
  switch (standing.status) {
    case 'committed':
      return { kind: 'done' };
    case 'aborted':
      return { kind: 'done-otherwise', proof: `pg_xact_status of ${evidence} is aborted` };
    case 'in progress':
      return notYet('the transaction is in progress and not prepared');
    default:
      return { kind: 'unproven', reason: unproven(xid, evidence) };
  }
}

/** ROLLBACK PREPARED. `fence` ends sessions that might still prepare, before "not found" is believed. Never rejects. */
export async function rollbackPrepared(
  control: Control,
  xid: Xid,
  evidence: Evidence,
  fence: () => Promise<Reason | undefined>,
): Promise<FinishResult> {
  const first = await finish(control, xid, 'rollback prepared');
  if (first !== 'not-found') {
    return first;
  }
  const stuck = await fence();
  if (stuck !== undefined) {
    return { kind: 'unknown', reason: stuck };
  }
  // What the fenced sessions could still do, they have done by now.
  const again = await finish(control, xid, 'rollback prepared');
  if (again !== 'not-found') {
    return again;
  }
  const standing = await standingOf(control, xid, evidence);
  if ('kind' in standing) {
    return standing;
  }
  switch (standing.status) {
    case 'committed':
      return { kind: 'done-otherwise', proof: `pg_xact_status of ${evidence} is committed` };
    case 'in progress':
      return notYet('the transaction is in progress and not prepared');
    default:
      return standing.prepared ? notYet('the branch is listed and yet not found') : { kind: 'done' };
  }
}

/** What the engine lists and remembers; or that it cannot be asked. */
export async function standingOf(control: Control, xid: Xid, evidence: Evidence): Promise<Standing | NoStanding> {
  const xid8 = parseEvidence(evidence);
  const listed: Step = {
    text: 'select count(*)::text from pg_prepared_xacts where gid = $1 and database = current_database()',
    values: [formatGid(xid)],
  };
  const steps = xid8 === undefined ? [listed] : [listed, statusStep(xid8)];
  const outcome = await control({ kind: 'steps', steps });
  if (outcome.kind !== 'answered') {
    return { kind: 'unknown', reason: lost(outcome) };
  }
  const [list, status] = outcome.results;
  if (list === undefined || (outcome.error !== undefined && outcome.error.code !== '22023')) {
    return {
      kind: 'unknown',
      reason: outcome.error === undefined ? lostReason(undefined) : statementReason(outcome.error),
    };
  }
  // 22023: the number is in this server's future. It is another server, or an older copy: it proves nothing.
  return { prepared: list.rows[0]?.[0] !== '0', status: statusOf(status?.rows[0]?.[0]) };
}

/** @returns undefined also when the engine cannot be asked. */
export async function xactStatus(control: Control, xid8: string): Promise<XactStatus> {
  const outcome = await control({ kind: 'steps', steps: [statusStep(xid8)] });
  return outcome.kind === 'answered' ? statusOf(outcome.results[0]?.rows[0]?.[0]) : undefined;
}

function statusStep(xid8: string): Step {
  return { text: 'select pg_xact_status($1::xid8)', values: [xid8] };
}

function statusOf(text: string | null | undefined): XactStatus {
  return text === 'committed' || text === 'aborted' || text === 'in progress' ? text : undefined;
}

async function finish(
  control: Control,
  xid: Xid,
  verb: 'commit prepared' | 'rollback prepared',
): Promise<FinishResult | 'not-found'> {
  const outcome = await control({ kind: 'simple', text: `${verb} ${gidLiteral(xid)}` });
  if (outcome.kind !== 'answered') {
    return { kind: 'unknown', reason: lost(outcome) };
  }
  if (outcome.error !== undefined) {
    return refusal(outcome.error);
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
      return notYet(
        `${reason.message}; the server is a standby or read-only: point the participant at the primary`,
        reason,
      );
    default:
      return { kind: 'unknown', reason };
  }
}

function notYet(message: string, from?: Reason): FinishResult {
  const base = from ?? { code: 'BRANCH_BUSY', retryable: true };
  return { kind: 'not-yet', reason: { ...base, message, retryable: true } };
}

function unproven(xid: Xid, evidence: Evidence): Reason {
  const message = `the engine does not list ${formatXid(xid)} and proves neither end (evidence: ${evidence || 'none'})`;
  return { code: 'BRANCH_UNKNOWN', message, retryable: false };
}

function lost(outcome: Exclude<BatchOutcome, { kind: 'answered' }>): Reason {
  return lostReason(outcome.kind === 'lost' ? outcome.error : outcome.message);
}
