// Transactions as the command line shows them: the JSON contract, and the words and tones of the tables.

import type { BranchInfo__Output } from '../../gen/concordat/v1/BranchInfo.ts';
import type { Reason__Output } from '../../gen/concordat/v1/Reason.ts';
import type { TransactionInfo__Output } from '../../gen/concordat/v1/TransactionInfo.ts';
import type { Whose__Output } from '../../gen/concordat/v1/Whose.ts';
import { wireEvidenceText } from '../../wire/evidence.ts';
import { formatDuration } from './duration.ts';
import type { Tone } from './paint.ts';
import type { TableColumn } from './table.ts';

export interface ReasonView {
  readonly code: string;
  readonly message: string;
  readonly sqlstate: string | null;
  readonly errno: number | null;
  readonly retryable: boolean;
}

export interface BranchView {
  readonly bqual: string;
  readonly resource: string;
  readonly state: string;
  readonly instance: string | null;
  readonly evidence: string | null;
  readonly reason: ReasonView | null;
  readonly attempts: number;
  /** Milliseconds until the next phase-two call; null: none is scheduled. */
  readonly nextAttemptInMs: number | null;
}

/** Who began it, as its client says of itself. */
interface WhoseView {
  readonly application: string;
  readonly host: string;
  readonly user: string;
  readonly session: string;
}

export interface TransactionView {
  readonly id: string;
  readonly state: string;
  /** `commit` or `rollback`: how it will end. Null: not decided, or over with damage. */
  readonly decision: string | null;
  /** How it ended; null before that. Damage is told as soon as it is durable. */
  readonly outcome: string | null;
  readonly version: number;
  /** Since it was begun, over restarts. */
  readonly ageMs: number;
  /** ISO 8601, by the coordinator's clock; null: not known, or not decided. */
  readonly beganAt: string | null;
  readonly decidedAt: string | null;
  /** When it was over; null: it is not, or that was in an earlier life of the coordinator. */
  readonly endedAt: string | null;
  readonly whose: WhoseView | null;
  readonly deadlineInMs: number | null;
  readonly rollbackOnly: boolean;
  readonly operatorAction: boolean;
  readonly reason: ReasonView | null;
  readonly branches: readonly BranchView[];
}

/** States in which an engine may hold a prepared branch whose end it does not know. */
export const IN_DOUBT_STATES: readonly string[] = ['preparing', 'deciding', 'committing', 'rolling-back'];
const HEURISTIC_OUTCOMES: readonly string[] = ['mixed', 'hazard'];

/** `TRANSACTION_STATE_ROLLING_BACK` → `rolling-back`; null when unspecified. A newer coordinator's value comes as a number. */
export function enumWord(prefix: string, value: string | number): string | null {
  if (typeof value === 'number') {
    return `unknown-${value}`;
  }
  const word = value.slice(prefix.length).toLowerCase().replaceAll('_', '-');
  return word === 'unspecified' ? null : word;
}

export function viewReason(reason: Reason__Output | null): ReasonView | null {
  return reason === null || (reason.code === '' && reason.message === '')
    ? null
    : {
        code: reason.code,
        message: reason.message,
        sqlstate: reason.sqlstate === '' ? null : reason.sqlstate,
        errno: reason.errno === 0 ? null : reason.errno,
        retryable: reason.retryable,
      };
}

function viewBranch(branch: BranchInfo__Output): BranchView {
  return {
    bqual: branch.bqual,
    resource: branch.resource,
    state: enumWord('BRANCH_STATE_', branch.state) ?? 'unknown',
    instance: branch.instance === '' ? null : branch.instance,
    evidence: wireEvidenceText(branch.evidence) || null,
    reason: viewReason(branch.reason),
    attempts: branch.attempts,
    nextAttemptInMs: branch.nextAttemptInMs === 0 ? null : branch.nextAttemptInMs,
  };
}

const DECISIONS: Readonly<Record<string, string>> = { committed: 'commit', 'rolled-back': 'rollback' };

export function viewTransaction(info: TransactionInfo__Output): TransactionView {
  const deadline = Number(info.deadlineInMs);
  const state = enumWord('TRANSACTION_STATE_', info.state) ?? 'unknown';
  const told = enumWord('OUTCOME_', info.outcome);
  const decision = DECISIONS[told ?? ''] ?? null;
  return {
    id: info.gtrid,
    state,
    decision,
    // The wire tells the outcome from the decision on. A person who reads "committed" believes that every branch is.
    outcome: state !== 'completed' && decision !== null ? null : told,
    version: info.version,
    ageMs: Number(info.ageMs),
    beganAt: instant(info.beganAtMs),
    decidedAt: instant(info.decidedAtMs),
    endedAt: instant(info.endedAtMs),
    whose: info.whose === null ? null : viewWhose(info.whose),
    deadlineInMs: deadline > 0 ? deadline : null,
    rollbackOnly: info.rollbackOnly,
    operatorAction: info.operatorAction,
    reason: viewReason(info.reason),
    branches: info.branches.map(viewBranch),
  };
}

function instant(ms: string): string | null {
  return Number(ms) > 0 ? new Date(Number(ms)).toISOString() : null;
}

function viewWhose({ application, host, user, session }: Whose__Output): WhoseView {
  return { application, host, user, session };
}

/** `shop, deploy@web-3`; what the client has not said is left out. */
function whoseWord({ whose }: TransactionView): string {
  if (whose === null) {
    return '-';
  }
  const { application, host, user, session } = whose;
  const place = [user, host].filter((part) => part !== '').join('@');
  return [application, place].filter((part) => part !== '').join(', ') || session || '-';
}

export function hasHeuristicOutcome(transaction: TransactionView): boolean {
  return HEURISTIC_OUTCOMES.includes(transaction.outcome ?? '');
}

export function isInDoubt(transaction: TransactionView): boolean {
  return IN_DOUBT_STATES.includes(transaction.state);
}

export function describeReason(reason: ReasonView): string {
  const engine = [
    ...(reason.sqlstate === null ? [] : [`SQLSTATE ${reason.sqlstate}`]),
    ...(reason.errno === null ? [] : [`error ${reason.errno}`]),
  ];
  return `${reason.code}: ${reason.message}${engine.length === 0 ? '' : ` (${engine.join(', ')})`}`;
}

const TONES: Readonly<Record<string, Tone>> = {
  committed: 'good',
  mixed: 'bad',
  hazard: 'bad',
  damaged: 'bad',
  unproven: 'bad',
  unknown: 'bad',
  deciding: 'warning',
  committing: 'warning',
  'rolling-back': 'warning',
};

export function toneOf(word: string | null): Tone | undefined {
  return word === null ? undefined : TONES[word];
}

export const TRANSACTION_COLUMNS: readonly TableColumn<TransactionView>[] = [
  { header: 'TRANSACTION', value: (row) => row.id },
  { header: 'STATE', value: (row) => row.state, tone: (row) => toneOf(row.state) },
  { header: 'OUTCOME', value: (row) => row.outcome ?? '-', tone: (row) => toneOf(row.outcome) },
  { header: 'AGE', value: (row) => formatDuration(row.ageMs), align: 'right' },
  { header: 'WHOSE', value: whoseWord },
  { header: 'BRANCHES', value: (row) => row.branches.map((branch) => branch.bqual).join(' ') || '-' },
];

/** Of transactions that are over. */
export const FINISHED_COLUMNS: readonly TableColumn<TransactionView>[] = [
  { header: 'TRANSACTION', value: (row) => row.id },
  { header: 'OUTCOME', value: (row) => row.outcome ?? '-', tone: (row) => toneOf(row.outcome) },
  { header: 'ENDED', value: (row) => row.endedAt ?? (row.decidedAt === null ? '-' : `decided ${row.decidedAt}`) },
  { header: 'WHOSE', value: whoseWord },
  { header: 'BRANCHES', value: (row) => row.branches.map((branch) => branch.bqual).join(' ') || '-' },
  { header: 'REASON', value: (row) => (row.reason === null ? '-' : describeReason(row.reason)) },
];

export const BRANCH_COLUMNS: readonly TableColumn<BranchView>[] = [
  { header: 'BRANCH', value: (row) => row.bqual },
  { header: 'RESOURCE', value: (row) => row.resource },
  { header: 'STATE', value: (row) => row.state, tone: (row) => toneOf(row.state) },
  { header: 'EVIDENCE', value: (row) => row.evidence ?? '-' },
  { header: 'ATTEMPTS', value: (row) => String(row.attempts), align: 'right' },
  {
    header: 'NEXT',
    value: (row) => (row.nextAttemptInMs === null ? '-' : `in ${formatDuration(row.nextAttemptInMs)}`),
  },
  { header: 'REASON', value: (row) => (row.reason === null ? '-' : describeReason(row.reason)) },
];

/** Before the end a decision, afterwards an outcome: XA keeps the two words apart. */
function outcomeField({ decision, outcome }: TransactionView): readonly [string, string, Tone?] {
  const tone = toneOf(outcome);
  const field = outcome === null ? (['Decision', decision ?? 'none yet'] as const) : (['Outcome', outcome] as const);
  return tone === undefined ? field : [...field, tone];
}

function whoseField(view: TransactionView): string {
  const word = whoseWord(view);
  const session = view.whose?.session ?? '';
  return session === '' || word === session ? word : `${word}, session ${session}`;
}

/** The lines above the branches. */
export function transactionFields(view: TransactionView): readonly (readonly [string, string, Tone?])[] {
  const marks = [
    ...(view.rollbackOnly ? ['marked rollback-only'] : []),
    ...(view.operatorAction ? ['an operator acted on it'] : []),
  ];
  return [
    ['Transaction', view.id],
    ['State', view.state],
    outcomeField(view),
    ['Age', `${formatDuration(view.ageMs)}${view.beganAt === null ? '' : `, begun ${view.beganAt}`}`],
    ...(view.decidedAt === null ? [] : [['Decided', view.decidedAt] as const]),
    ...(view.whose === null ? [] : [['Whose', whoseField(view)] as const]),
    ...(view.deadlineInMs === null ? [] : [['Deadline', `in ${formatDuration(view.deadlineInMs)}`] as const]),
    ...(view.reason === null ? [] : [['Reason', describeReason(view.reason)] as const]),
    ...(marks.length === 0 ? [] : [['Marks', marks.join('; ')] as const]),
  ];
}
