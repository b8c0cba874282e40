// How a transaction comes in that the coordinator does not hold: production's recovery at a start, and what production's engine concludes
// from what participants report and from rows that their engines still keep.

import { recover } from '../../src/coordinator/driver/recovery.ts';
import type { HeldTransaction } from '../../src/coordinator/driver/transaction.ts';
import { judgeAnswer, judgeReport, judgeRow, type ReportFacts } from '../../src/coordinator/engine/absent.ts';
import type { Effect, Event } from '../../src/coordinator/engine/event.ts';
import { judgeQuestion } from '../../src/coordinator/engine/question.ts';
import type { BranchReport } from '../../src/coordinator/engine/reports.ts';
import { difference } from '../../src/coordinator/engine/scope.ts';
import { presumedIn, type State } from '../../src/coordinator/engine/state.ts';
import type { EventLogger } from '../../src/lib/logger.ts';
import type { Log } from '../../src/log/log.ts';
import type { LoggedOutcome, LogRecord } from '../../src/log/record.ts';
import { openingOf } from '../../src/xa/evidence.ts';
import type { Outcome } from '../../src/xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../src/xa/xid.ts';
import type { Opening } from './layout.ts';
import { bqualOf, evidenceOf, GTRID, IDENTITY, NAMES } from './names.ts';

export interface Memory {
  readonly logged: LoggedOutcome;
  /** Of the coordinator's present life, 1 for the first. */
  readonly epoch: number;
  /** What is left of a transaction that has left the memory, or what an engine proved of it. */
  readonly remembered: Outcome | undefined;
}

export interface Admission {
  /** Undefined: it is not taken in. */
  readonly state: State | undefined;
  readonly effects: readonly Effect[];
}

export function isBranchEvent(event: Event): event is BranchReport {
  return event.kind === 'branch-opened' || event.kind === 'vote' || event.kind === 'branch-found';
}

/** What a start takes in from these records, and which transactions it could not understand. */
export function started(unfinished: readonly LogRecord[]): {
  readonly admitted: ReadonlyMap<Gtrid, Admission>;
  readonly unreadable: ReadonlySet<Gtrid>;
} {
  const admitted = new Map<Gtrid, Admission>();
  const unreadable = new Set<Gtrid>();
  const driver = {
    admit: (
      gtrid: Gtrid,
      state: State,
      { effects = [] }: { readonly effects?: readonly Effect[] },
    ): HeldTransaction => {
      admitted.set(gtrid, { state, effects });
      return {} as HeldTransaction;
    },
  };
  const log = { recovered: { unfinished, resources: [] } } as unknown as Log;
  const transactions = { noteUnreadable: (gtrid: Gtrid) => void unreadable.add(gtrid) };
  recover({ log, driver, transactions, directory: { register: ignore }, logger: SILENT });
  return { admitted, unreadable };
}

/** A start with these records. `problem`: it could not understand them. */
export function restarted(unfinished: readonly LogRecord[]): Admission & { readonly problem: string | undefined } {
  const { admitted, unreadable } = started(unfinished);
  const problem = unreadable.has(GTRID) ? 'D7: a start does not understand its own records' : undefined;
  return { ...(admitted.get(GTRID) ?? NOT_TAKEN_IN), problem };
}

export function reported(event: BranchReport, memory: Memory, gtrid = GTRID): Admission {
  const conclusion = judgeReport(gtrid, event, factsOf(memory));
  switch (conclusion.kind) {
    case 'orphan':
      return conclusion.step;
    case 'told':
      return { state: undefined, effects: conclusion.effects };
    case 'begins': // No id of an earlier life is leased.
    case 'kept':
    case 'nothing':
      return NOT_TAKEN_IN;
  }
}

/** Undefined: neither a branch of another log nor one of a newer epoch is touched. */
export function touchesForeign(event: BranchReport, memory: Memory): string | undefined {
  const touched = foreign(memory.epoch).find((gtrid) => {
    const { state, effects } = reported(event, memory, gtrid);
    return state !== undefined || effects.length > 0;
  });
  return touched && `D8: a branch of ${touched} was touched`;
}

export interface Judged {
  /** `nothing`: the transaction does not hear of it. */
  readonly heard: 'as-told' | 'done' | 'nothing';
  /** The transaction counts as committed from now on. */
  readonly isNoted: boolean;
}

/** The answer to the rollback of a branch of an earlier life, as the transaction that was taken in for it hears it. */
export function judgedAnswer(state: State, event: Extract<Event, { kind: 'branch-result' }>, memory: Memory): Judged {
  const conclusion = judgeAnswer(state, event, factsOf(memory));
  return {
    heard: conclusion === 'as-told' ? conclusion : event.verb === 'commit-one-phase' ? 'nothing' : 'done',
    isNoted: conclusion === 'one-phase-commit',
  };
}

export interface Swept {
  readonly isNoted: boolean;
  /** The row may be deleted, once it has been answerable for a while: how long that is, is not for the checker to know. */
  readonly mayGo: boolean;
}

/** The row of one opening. */
export interface SweptRow {
  readonly branch: number;
  readonly opening: Opening;
}

/** A row is reported; `state`: what the coordinator holds of its transaction. */
export function sweptMarker({ branch, opening }: SweptRow, state: State | undefined, memory: Memory): Swept {
  const mark = openingOf(evidenceOf(branch, opening + 1));
  if (mark === undefined) {
    throw new Error('every opening has a mark');
  }
  const isLive = state !== undefined && state.kind !== 'completed';
  const isKnown = state?.kind === 'completed' && !(presumedIn(state) === 'branch' && state.outcome === 'rolled-back');
  const remembered = isKnown ? state.outcome : memory.remembered;
  const row = { gtrid: GTRID, bqual: bqualOf(branch), opening: mark };
  const conclusion = judgeRow(row, isLive, factsOf({ ...memory, remembered }));
  return { isNoted: conclusion === 'proves-commit', mayGo: conclusion !== 'stays' };
}

/** Somebody asks how the transaction ended, which is not held; `claimed`, `provers`: a bit for each branch that he names, or whose engine has proven an end. */
export function questioned(claimed: number, provers: number, memory: Memory): ReturnType<typeof judgeQuestion> {
  const [provenBy] = bqualsIn(provers);
  const facts = { ...factsOf(memory), provenBy, mayHaveBegun: true, hasMet: true, hasResources: true };
  const bquals = bqualsIn(claimed);
  const answer = judgeQuestion(GTRID, bquals, facts);
  const committed = answer.kind === 'outcome' && answer.outcome !== 'rolled-back' ? answer.committed : undefined;
  const claims = bquals.map((bqual) => ({ bqual, instance: '' }));
  const other = committed && difference(committed, claims, 'commit');
  return other === undefined ? answer : { kind: 'unknown', why: other.message }; // He is refused, and hears no outcome.
}

function bqualsIn(mask: number): readonly Bqual[] {
  return NAMES.flatMap((_, branch) => ((mask & (1 << branch)) === 0 ? [] : [bqualOf(branch)]));
}

function factsOf({ logged, epoch, remembered }: Memory): ReportFacts {
  return {
    log: { identity: IDENTITY, epoch },
    ...{ logged, history: [], isUnreadable: false, remembered, provenBy: undefined, committed: undefined },
    ...{ isComplete: true, mayBegin: false, mayHaveBegun: false },
  };
}

const NOT_TAKEN_IN: Admission = { state: undefined, effects: [] };

/** Of another log, of one whose name is alike, and of a life that this log does not know. */
function foreign(epoch: number): readonly Gtrid[] {
  return ['zzzzzzzzzz.1.1', 'abcdefghii.1.1', `${IDENTITY}.${epoch + 1}.1`] as Gtrid[];
}

const SILENT: EventLogger = { debug: ignore, info: ignore, warn: ignore, error: ignore, fatal: ignore };

function ignore(): void {}
