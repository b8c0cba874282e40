// What operators ask a log about the past: what people did, and what was committed. Pure.
import type { NumberedRecord } from './codec.ts';
import type { LedgerItem } from './ledger-item.ts';
import type { LogRecord } from './record.ts';

type Decided = Extract<LogRecord, { kind: 'decided' }>;
type Act = Extract<LogRecord, { kind: 'operator-action' | 'resource-registered' | 'log-adopted' }>;

/** What a person did: each has an operator, a reason and a time. */
export interface NumberedAct {
  readonly sequence: number;
  readonly record: Act;
}

/** Each act once, oldest first, also where a record is stored twice. */
export function actsIn(records: Iterable<NumberedRecord>): readonly NumberedAct[] {
  const acts = new Map<number, NumberedAct>();
  for (const { sequence, record } of records) {
    if (isAct(record)) {
      acts.set(sequence, { sequence, record });
    }
  }
  return [...acts.values()].sort((left, right) => left.sequence - right.sequence);
}

function isAct(record: LogRecord): record is Act {
  return (
    record.kind === 'operator-action' ||
    record.kind === 'log-adopted' ||
    (record.kind === 'resource-registered' && record.accepted !== undefined)
  );
}

/** The records of a ledger's items. */
export function* recordsIn(items: Iterable<LedgerItem>): Generator<NumberedRecord> {
  for (const item of items) {
    if (item.kind === 'fact') {
      yield item.fact;
    } else {
      yield* item.actions;
    }
  }
}

/** Decisions of a ledger that are finished and were made at `since` or later, by the wall clock; in any order. */
export function finishedIn(items: Iterable<LedgerItem>, since: number): readonly Decided[] {
  const found: Decided[] = [];
  for (const item of items) {
    const record = item.kind === 'transaction' && item.finished !== undefined ? item.decided?.record : undefined;
    if (record?.kind === 'decided' && isSince(record, since)) {
      found.push(record);
    }
  }
  return found;
}

/** Of a decision that was written before decisions had a time it is not known. */
export function isSince({ origin }: Decided, since: number): boolean {
  return origin !== undefined && origin.decidedAt >= since;
}

/** Newest first, at most `max`. */
export function newestPast(decided: readonly Decided[], max: number): readonly Decided[] {
  return decided
    .toSorted((left, right) => (right.origin?.decidedAt ?? 0) - (left.origin?.decidedAt ?? 0))
    .slice(0, max);
}
