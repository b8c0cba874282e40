// What is concluded of transactions that are not held: from what participants report of their branches, from rows that engines still
// keep, and from a person's word. Presumed abort, and all that may not be presumed. As pure as `step`: the callers gather the facts and
// carry out what is concluded.
import type { LoggedOutcome, LogRecord } from '../../log/record.ts';
import { type EvidenceRow, openingOf } from '../../xa/evidence.ts';
import type { Outcome } from '../../xa/vocabulary.ts';
import { type Bqual, type Gtrid, gtridParts, type LogIdentity } from '../../xa/xid.ts';
import { isEnd } from './branches.ts';
import { stepCompleted } from './completed.ts';
import type { CallAnswer, Effect, Step } from './event.ts';
import { decidedLongAgo, isOfLostLife, orphan } from './recovered.ts';
import { type BranchReport, evidenceOf } from './reports.ts';
import type { Committed } from './scope.ts';
import { presumedIn, type State } from './state.ts';

/** Which log this is, and how far it can be believed. */
export interface LogFacts {
  readonly identity: LogIdentity;
  readonly epoch: number;
  /** Of lives up to this one decisions may be missing; absent: of none. */
  readonly lostTo?: number | undefined;
}

/** What is still known of one transaction without its state. */
export interface Traces {
  readonly log: LogFacts;
  readonly logged: LoggedOutcome;
  /** Operator actions and heuristic records in the log, oldest first. */
  readonly history: readonly LogRecord[];
  /** Its records contradict each other: nothing is concluded from them. */
  readonly isUnreadable: boolean;
  /** How it ended, as far as the memory has it. */
  readonly remembered: Outcome | undefined;
  /** The branch by whose engine alone that is known; undefined: it is the whole transaction's. */
  readonly provenBy: Bqual | undefined;
  /** The branches of a commit that left no record. */
  readonly committed: Committed | undefined;
  /** Every outcome of this life is still in memory: an id that is not was never begun, or is as good as that. */
  readonly isComplete: boolean;
}

export interface ReportFacts extends Traces {
  /** The id is leased, its Begin may still come, and there is room for it. */
  readonly mayBegin: boolean;
  /** A transaction of this life may have been begun under the id; if it is not held, it is over. */
  readonly mayHaveBegun: boolean;
}

export type ReportConclusion =
  | { readonly kind: 'nothing' }
  /** The report overtook its Begin, which comes on the client's own stream. */
  | { readonly kind: 'begins' }
  /** The branch is kept as it is until a person says what becomes of it. */
  | { readonly kind: 'kept'; readonly why: string }
  /** Participants are told once; nothing of the transaction is held for it. */
  | { readonly kind: 'told'; readonly effects: readonly Effect[] }
  /** Presumed abort. `isExpired`: it is older than the retained outcomes. */
  | { readonly kind: 'orphan'; readonly step: Step<State>; readonly isExpired: boolean };

const NOTHING: ReportConclusion = { kind: 'nothing' };

/** A participant tells of a branch whose transaction is not held. */
export function judgeReport(gtrid: Gtrid, report: BranchReport, facts: ReportFacts): ReportConclusion {
  const { identity, epoch } = gtridParts(gtrid);
  const { log, logged, remembered } = facts;
  if (identity !== log.identity) {
    return NOTHING; // Somebody else's transaction: not touched, whatever state it is in (D8).
  }
  if (epoch > log.epoch) {
    return {
      kind: 'kept',
      why: 'the branch is of a newer epoch than this log knows: the log is an old copy, or the wrong one',
    };
  }
  // A transaction that was begun and is not held any more is over, however long ago: a late word never begins it again (D9). Nor does it
  // begin one whose Begin was refused: its client was told that there is nothing (D5).
  if (facts.mayBegin) {
    return { kind: 'begins' };
  }
  if (report.kind === 'branch-opened' && epoch < log.epoch) {
    // What an earlier life left at work goes. Nothing is concluded of its transaction: it may have been told to commit in one phase.
    return told(report, 'rollback');
  }
  if (report.kind === 'vote' && report.vote.kind !== 'prepared') {
    return NOTHING; // The branch has ended by itself; there is nothing to roll back.
  }
  if (facts.isUnreadable) {
    return NOTHING; // What was decided cannot be read, so that its branches follow nothing.
  }
  if (logged.kind === 'decided') {
    return { kind: 'told', effects: stepCompleted(decidedLongAgo(logged.record), report).effects };
  }
  if (isOfLostLife(gtrid, log) && wordOn(gtrid, facts) !== 'rollback') {
    // It may have been decided, in records that this log has not. What becomes of it is known elsewhere, if at all (D7).
    return {
      kind: 'kept',
      why: 'decisions of the life of this branch may be missing, since the log was restored. Next: look at what its other databases show, then run concordat tx resolve',
    };
  }
  if (remembered !== undefined && remembered !== 'rolled-back') {
    // Ended long ago without a record, in one phase: what turns up now is something else, and the outcome stays what was told.
    return told(report, 'rollback');
  }
  // No decision names it: presumed abort, sound because nothing leaves the log before its branches are accounted for (D7).
  const presumed = facts.mayHaveBegun && facts.isComplete ? 'transaction' : 'branch';
  const branch = { bqual: report.bqual, instance: report.instance, evidence: evidenceOf(report) };
  const isExpired = logged.kind === 'expired' && remembered === undefined;
  return { kind: 'orphan', step: orphan(gtrid, branch, presumed), isExpired };
}

function told(report: BranchReport, verb: 'commit' | 'rollback'): Extract<ReportConclusion, { kind: 'told' }> {
  const { bqual, instance } = report;
  return { kind: 'told', effects: [{ kind: 'finish', verb, bqual, instance, evidence: evidenceOf(report) }] };
}

/** What a person has said of a transaction of a life that the log lacks in part; undefined: nothing. */
function wordOn(gtrid: Gtrid, { log, history }: Pick<Traces, 'log' | 'history'>): 'commit' | 'rollback' | undefined {
  return isOfLostLife(gtrid, log)
    ? history
        .flatMap((record) => (record.kind === 'operator-action' ? [record.action] : []))
        .findLast((action) => action === 'commit' || action === 'rollback')
    : undefined;
}

/**
 * Of a transaction whose decision the log has lost a person has said that it is committed: a branch that turns up later, and that the
 * record of the word could not name, follows it, held or not. Undefined: it is a report like others.
 */
export function followsWord(
  gtrid: Gtrid,
  report: BranchReport,
  facts: Traces,
): Extract<ReportConclusion, { kind: 'told' }> | undefined {
  const isPrepared = report.kind === 'branch-found' || (report.kind === 'vote' && report.vote.kind === 'prepared');
  if (!isPrepared || wordOn(gtrid, facts) !== 'commit') {
    return undefined;
  }
  const { logged } = facts;
  const isNamed = logged.kind === 'decided' && logged.record.branches.some(({ bqual }) => bqual === report.bqual);
  return isNamed ? undefined : told(report, 'commit');
}

/** How an answer is heard by the transaction that it is of. */
type AnswerConclusion =
  | 'as-told'
  /** Done: what its engine proves is known, and was forgotten by an operator. */
  | 'no-news'
  /** Done, and the transaction counts as committed: it was one phase, of which only the answer was lost. */
  | 'one-phase-commit';

/**
 * A branch of an earlier life that no decision names, and that its engine proves to be committed, was committed in one phase: of such a
 * commit only the answer was lost, and it is not damage (D5). Unless others of its transaction are known: then it was somebody's hand. Of a
 * transaction that is older than the retained outcomes nothing can be said: it may have been decided, and an instance that was cut off
 * has not heard of it (D7).
 */
export function judgeAnswer(
  state: State,
  { bqual, verb, result }: CallAnswer,
  { logged, history }: Pick<Traces, 'logged' | 'history'>,
): AnswerConclusion {
  // Its engine has proven it; or the instance that the earlier life had told answers now, and what was found is another opening.
  const isCommit = result.kind === (verb === 'commit-one-phase' ? 'done' : 'done-otherwise') && verb !== 'commit';
  const isOver = state.kind === 'rolling-back' || state.kind === 'completed';
  if (!isOver || presumedIn(state) !== 'branch' || !isCommit) {
    return 'as-told';
  }
  const others = state.branches.some((branch) => branch.bqual !== bqual || branch.status.kind === 'damaged');
  if (others && logged.kind !== 'expired') {
    return 'as-told';
  }
  return recordedOutcome({ logged, history }) === undefined ? 'one-phase-commit' : 'no-news';
}

/**
 * The end of a branch whose transaction an operator has settled by his word, and forgotten: what people hear if the word was wrong.
 * Undefined: nothing is disproved.
 */
export function disprovedWord(
  gtrid: Gtrid,
  { bqual, verb, result }: CallAnswer,
  { log, history }: Pick<Traces, 'log' | 'history'>,
): string | undefined {
  if (verb !== 'commit' || !isEnd(result) || gtridParts(gtrid).identity !== log.identity) {
    return undefined;
  }
  const disproved = result.kind === 'done' ? 'branch-rolled-back' : 'branch-committed';
  const end = result.kind === 'done' ? 'it is committed' : result.proof;
  return history.some(
    (record) => record.kind === 'operator-action' && record.bqual === bqual && record.action === disproved,
  )
    ? `an operator vouched for its end (${disproved}) and has forgotten it, but ${end}`
    : undefined;
}

/** What becomes of a row that an engine still keeps, once it has been answerable for a while. `proves-commit`: it goes, and is noted. */
type RowConclusion = 'stays' | 'goes' | 'proves-commit';

/** Whether anything will be asked of the row yet. `isLive`: its transaction is under way. */
export function judgeRow({ gtrid, bqual, opening }: EvidenceRow, isLive: boolean, facts: Traces): RowConclusion {
  const { log, logged, history, remembered } = facts;
  const { identity, epoch } = gtridParts(gtrid);
  if (identity !== log.identity || epoch > log.epoch || isLive) {
    return 'stays';
  }
  if (logged.kind === 'decided') {
    // A finished record that is only queued may be lost with the process: the next one asks for the row again (D7, D10).
    if (!logged.settled) {
      return 'stays';
    }
    const decided = logged.record.branches.find((branch) => branch.bqual === bqual);
    // The row of another opening than the decided one proves that somebody committed it by hand: people will look for it.
    return decided === undefined || openingOf(decided.evidence) === opening ? 'goes' : 'stays';
  }
  if (facts.isUnreadable || isOfLostLife(gtrid, log)) {
    return 'stays'; // Its decision may be missing here, and whoever settles its other branches needs the row.
  }
  if (recordedOutcome(facts) !== undefined) {
    // Damage: people look for the row until they have fixed it, and say so by forgetting it. It is no proof of a commit (D5).
    return history.some((record) => record.kind === 'operator-action' && record.action === 'forget') ? 'goes' : 'stays';
  }
  if (remembered === undefined) {
    return 'proves-commit'; // Nothing is known against it: a one-phase commit, whose only proof this is.
  }
  // The row of a transaction that was rolled back proves that somebody committed a branch of it by hand: people will look for it.
  return remembered === 'committed' ? 'goes' : 'stays';
}

/** The outcome that the log's records of a transaction stand for, when it is not held any more; undefined: they are silent. */
export function recordedOutcome({ logged, history }: Pick<Traces, 'logged' | 'history'>): Outcome | undefined {
  const acted = (...actions: readonly string[]): boolean =>
    history.some((record) => record.kind === 'operator-action' && actions.includes(record.action));
  const damage = history.flatMap((record) => (record.kind === 'heuristic' ? record.damage : []));
  if (damage.some(({ kind }) => kind !== 'unproven')) {
    return 'mixed';
  }
  if (acted('forget') || damage.length > 0) {
    return acted('branch-rolled-back') ? 'mixed' : 'hazard';
  }
  // An operator's word for a branch counts for nothing when its engine proved the end after all.
  return logged.kind === 'decided' ? 'committed' : undefined;
}
