// What a ledger holds of one transaction, or of one fact, and when nobody needs it any more. Pure.
import { unreachable } from '../lib/assert.ts';
import type { Gtrid } from '../xa/xid.ts';
import type { NumberedRecord } from './codec.ts';
import type { LogRecord } from './record.ts';

/** Everything that the log holds of one transaction and may still need. */
export interface TransactionItem {
  readonly kind: 'transaction';
  readonly gtrid: Gtrid;
  /** Where the store keeps the oldest of these records; items are iterated in the order of their places. */
  readonly place: number;
  readonly decided: NumberedRecord | undefined;
  /** The record that every branch of the decision is accounted for. */
  readonly finished: NumberedRecord | undefined;
  /** Heuristic records and operator actions, oldest first. */
  readonly actions: readonly NumberedRecord[];
  readonly forgotten: boolean;
  /** The highest sequence of any of its records. */
  readonly newest: number;
}

/** A record of which only the newest counts: a resource's registration, the start of this life. */
export interface FactItem {
  readonly kind: 'fact';
  readonly place: number;
  readonly fact: NumberedRecord & { readonly record: Fact };
  readonly newest: number;
}

export type LedgerItem = TransactionItem | FactItem;

/** Nobody needs it any more: what was decided is finished, and what an operator should see was forgotten (D7). */
export function isClosed(item: TransactionItem): boolean {
  return !isUndone(item) && (item.forgotten || !item.actions.some(isToBeSeen));
}

/** Decided, and not every branch is accounted for. */
export function isUndone(item: TransactionItem): boolean {
  return item.decided !== undefined && item.finished === undefined;
}

/** Damage and an operator's word on a branch stay until they are forgotten; a word on a transaction without a decision is only history. */
export function isToBeSeen({ record }: NumberedRecord): boolean {
  const ofAll = record.kind === 'operator-action' && (record.action === 'rollback' || record.action === 'commit');
  return record.kind === 'heuristic' || (record.kind === 'operator-action' && !ofAll);
}

/** The records from which an item can be known again, in an order in which it can be fed with them. */
export function recordsOf(item: LedgerItem): readonly NumberedRecord[] {
  if (item.kind === 'fact') {
    return [item.fact];
  }
  return [item.decided, item.finished, ...item.actions].filter((record) => record !== undefined);
}

/** A transaction of which nothing is known yet. */
export function emptyItem(gtrid: Gtrid, place: number): TransactionItem {
  return {
    kind: 'transaction',
    gtrid,
    place,
    decided: undefined,
    finished: undefined,
    actions: [],
    forgotten: false,
    newest: 0,
  };
}

/** One text for each item. A gtrid has dots and no spaces, so that no transaction is mistaken for a fact. */
export function keyOf(item: LedgerItem): string {
  if (item.kind === 'transaction') {
    return item.gtrid;
  }
  return factKey(item.fact.record);
}

type Fact = Extract<LogRecord, { kind: 'epoch-started' | 'resource-registered' | 'life-refused' | 'log-adopted' }>;

/** What is said of no transaction. */
export function isFact(record: LogRecord): record is Fact {
  return !('gtrid' in record);
}

/** Facts with the same key replace each other. Of the registrations of a resource the newest counts, whatever their keys. */
export function factKey(fact: Fact): string {
  switch (fact.kind) {
    case 'epoch-started':
      return 'life';
    case 'resource-registered':
      // What an operator did stays for the audit when a later registration counts in its place.
      return fact.accepted === undefined
        ? `resource ${fact.resource}`
        : `resource ${fact.resource} ${fact.accepted.wallTime} ${fact.accepted.requestId}`;
    case 'life-refused':
      return `refused ${fact.resource}`;
    case 'log-adopted':
      return `adopted ${fact.lostTo}`;
    default:
      return unreachable(fact);
  }
}
