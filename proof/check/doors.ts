// How a transaction comes in that the coordinator does not hold, by production's own doors: `recover` at a start, `Strays` for what
// participants report, and what `Markers` conclude from rows that an engine still keeps.

import { recover } from '../../src/coordinator/driver/recovery.ts';
import type { Effect, Event } from '../../src/coordinator/engine/event.ts';
import type { State } from '../../src/coordinator/engine/state.ts';
import { Markers } from '../../src/coordinator/reports/markers.ts';
import type { BranchEvent } from '../../src/coordinator/reports/reports.ts';
import type { LoggedOutcome } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { openingOf } from '../../src/xa/evidence.ts';
import type { FinishResult, Outcome } from '../../src/xa/vocabulary.ts';
import type { ResourceName } from '../../src/xa/xid.ts';
import type { Opening } from './layout.ts';
import { bqualOf, evidenceOf, GTRID } from './names.ts';
import { foreign, SILENT, type StandIn, standIn } from './stand-ins.ts';

export interface Memory {
  readonly logged: LoggedOutcome;
  /** Its finished record is durable. */
  readonly isSettled: boolean;
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

export function isBranchEvent(event: Event): event is BranchEvent {
  return event.kind === 'branch-opened' || event.kind === 'vote' || event.kind === 'branch-found';
}

/** A start with these records. `problem`: it could not understand them. */
export function restarted(
  unfinished: readonly LogRecord[],
  epoch: number,
): Admission & { readonly problem: string | undefined } {
  const { driver, directory, log, effects } = standIn({
    epoch,
    logged: { kind: 'silent' },
    unfinished,
  });
  recover(log, driver, directory, SILENT);
  const problem = driver.registry.unreadable.has(GTRID) ? 'D7: a start does not understand its own records' : undefined;
  return { state: driver.registry.find(GTRID)?.state, effects, problem };
}

export function reported(event: BranchEvent, memory: Memory, gtrid = GTRID): Admission {
  const { driver, strays, effects } = remembering(memory);
  strays.deliver(gtrid, event, resourceOf(event));
  return { state: driver.registry.find(gtrid)?.state, effects };
}

/** Undefined: neither a branch of another log nor one of a newer epoch is touched. */
export function touchesForeign(event: BranchEvent, memory: Memory): string | undefined {
  const touched = foreign(memory.epoch).find((gtrid) => {
    const { state, effects } = reported(event, memory, gtrid);
    return state !== undefined || effects.length > 0;
  });
  return touched && `D8: a branch of ${touched} was touched`;
}

export interface Judged {
  readonly result: FinishResult;
  /** The transaction counts as committed from now on. */
  readonly isNoted: boolean;
}

/** The answer to the rollback of a branch of an earlier life, as the transaction that was taken in for it hears it. */
export function judgedAnswer(state: State, event: Extract<Event, { kind: 'branch-result' }>, memory: Memory): Judged {
  const { driver, strays } = remembering(memory);
  const transaction = driver.admit(GTRID, state, { presumed: true });
  const result = strays.judged(transaction, event);
  return { result, isNoted: driver.registry.outcomes.outcome(GTRID) === 'committed' };
}

export interface Swept {
  readonly isNoted: boolean;
  /** The row may be deleted, once it has been answerable for a while. */
  readonly mayGo: boolean;
}

/** The row of one opening. */
export interface SweptRow {
  readonly branch: number;
  readonly opening: Opening;
}

/** A row is reported; `state`: what the coordinator holds of its transaction. */
export function sweptMarker(
  { branch, opening }: SweptRow,
  held: { readonly state: State; readonly presumed: boolean } | undefined,
  memory: Memory,
): Swept {
  const { driver, log, clock, forgotten } = remembering(memory);
  if (held !== undefined) {
    driver.admit(GTRID, held.state, { presumed: held.presumed });
  }
  const bqual = bqualOf(branch);
  const markers = new Markers(driver, log);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    markers.swept(bqual as string as ResourceName, [`${GTRID}:${bqual}:${openingOf(evidenceOf(branch, opening + 1))}`]);
    clock.advance(SWEEP_MS);
  }
  const isNoted = memory.remembered !== 'committed' && driver.registry.outcomes.outcome(GTRID) === 'committed';
  return { isNoted, mayGo: (forgotten() & (1 << branch)) !== 0 };
}

/** Rows are reported again and again; how long a while is, is not for the checker to know. */
const SWEEPS = 4;
const SWEEP_MS = 3_600_000;

function remembering({ remembered, ...memory }: Memory): StandIn {
  const made = standIn({ ...memory, unfinished: [] });
  if (remembered !== undefined) {
    made.driver.registry.outcomes.note(GTRID, remembered);
  }
  return made;
}

function resourceOf(event: BranchEvent): ResourceName {
  return event.bqual as string as ResourceName;
}
