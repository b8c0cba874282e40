// What records mean together: which transactions are unfinished, which are closed, which facts are the newest. Pure.
import type { Gtrid, LogIdentity } from '../xa/xid.ts';
import { gtridParts } from '../xa/xid.ts';
import type { NumberedRecord } from './codec.ts';
import type { FactItem, LedgerItem, TransactionItem } from './ledger-item.ts';
import { emptyItem, factKey, isClosed, isFact, isToBeSeen, isUndone, keyOf } from './ledger-item.ts';
import type { LifeName, LogRecord } from './record.ts';

export { isClosed, recordsOf } from './ledger-item.ts';

/**
 * The transactions and facts of a log, fed with its records in the order in which they are stored. A record that was stored
 * twice, because it was carried to the new end of the journal, counts once.
 */
export class Ledger {
  readonly #identity: LogIdentity;
  readonly #items = new Map<string, LedgerItem>();
  #closed = 0;
  #records = 0;

  constructor(identity: LogIdentity) {
    this.#identity = identity;
  }

  /** Closed transactions that are still here. */
  get closed(): number {
    return this.#closed;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Records that are needed for the items. */
  get records(): number {
    return this.#records;
  }

  /**
   * Takes in one record, which is stored at `place` and was written in the life `epoch`.
   *
   * Answers undefined, or a sentence that says why the record contradicts an earlier one or the log's identity: a bug when
   * it is about to be appended, damage when it is read.
   */
  add(numbered: NumberedRecord, at: { readonly place: number; readonly epoch: number }): string | undefined {
    const { record, sequence } = numbered;
    const { place, epoch } = at;
    if (isFact(record)) {
      this.#addFact(factKey(record), { sequence, record }, place);
      return undefined;
    }
    const named = gtridParts(record.gtrid);
    if (named.identity !== this.#identity) {
      return `record ${sequence} names ${record.gtrid}, a transaction of another log than ${this.#identity}`;
    }
    if (named.epoch > epoch) {
      return `record ${sequence} of epoch ${epoch} names ${record.gtrid}, a transaction of a life yet to come`;
    }
    const item = this.transaction(record.gtrid);
    if (record.kind === 'finished') {
      // A finished record without a decision belongs to a transaction that has moved to the history already.
      if (item !== undefined && item.finished === undefined) {
        this.#put({ ...item, finished: numbered, newest: Math.max(item.newest, sequence) });
      }
      return undefined;
    }
    if (record.kind === 'decided') {
      return this.#addDecision(item, record.gtrid, numbered, place);
    }
    this.#addAction(item ?? emptyItem(record.gtrid, place), numbered);
    return undefined;
  }

  transaction(gtrid: Gtrid): TransactionItem | undefined {
    const item = this.#items.get(gtrid);
    return item?.kind === 'transaction' ? item : undefined;
  }

  /** Decisions that are not finished, heuristic records and operator actions that are not forgotten, in log order. */
  unfinished(): readonly LogRecord[] {
    const open: NumberedRecord[] = [];
    for (const item of this.#items.values()) {
      if (item.kind === 'transaction') {
        if (item.decided !== undefined && isUndone(item)) {
          open.push(item.decided);
        }
        if (!item.forgotten && item.actions.some(isToBeSeen)) {
          open.push(...item.actions);
        }
      }
    }
    return open.sort((left, right) => left.sequence - right.sequence).map((numbered) => numbered.record);
  }

  /** The newest registration of each resource. */
  resources(): readonly Extract<LogRecord, { kind: 'resource-registered' }>[] {
    const newest = new Map<string, Extract<LogRecord, { kind: 'resource-registered' }>>();
    for (const { record } of this.#facts().toSorted((left, right) => left.sequence - right.sequence)) {
      if (record.kind === 'resource-registered') {
        newest.set(record.resource, record);
      }
    }
    return [...newest.values()];
  }

  /** This life and those before it, oldest first, as far as they are known. */
  lives(): readonly LifeName[] {
    const started = this.#facts().find(({ record }) => record.kind === 'epoch-started')?.record;
    return started?.kind === 'epoch-started'
      ? [...(started.earlier ?? []), { epoch: started.epoch, token: started.token ?? '' }]
      : [];
  }

  /** Refusals that no adoption has answered. */
  refusals(): readonly Extract<LogRecord, { kind: 'life-refused' }>[] {
    const facts = this.#facts();
    const adopted = Math.max(0, ...facts.map(({ record, sequence }) => (record.kind === 'log-adopted' ? sequence : 0)));
    return facts.flatMap(({ record, sequence }) =>
      record.kind === 'life-refused' && sequence > adopted ? [record] : [],
    );
  }

  /** The highest life that an adoption speaks of; -1: there was none. */
  adoptedTo(): number {
    return Math.max(-1, ...this.#facts().map(({ record }) => (record.kind === 'log-adopted' ? record.lostTo : -1)));
  }

  /** Every item, the one with the oldest place first. */
  items(): IterableIterator<LedgerItem> {
    return this.#items.values();
  }

  /**
   * Forgets an item as it was: it is stored elsewhere, or not needed. What came to it since then stays, at `place`, which is
   * not before the place of any item.
   */
  remove(item: TransactionItem, place: number): void {
    const now = this.transaction(item.gtrid);
    this.#take(item.gtrid);
    const since = now?.actions.filter((action) => action.sequence > item.newest) ?? [];
    for (const action of since) {
      this.#addAction(this.transaction(item.gtrid) ?? emptyItem(item.gtrid, place), action);
    }
  }

  /** Notes that every record of an item is stored at `place` or behind it, which is not before the place of any item. */
  move(item: LedgerItem, place: number): void {
    const now = this.#take(keyOf(item));
    if (now !== undefined) {
      this.#put({ ...now, place });
    }
  }

  #addFact(key: string, fact: FactItem['fact'], place: number): void {
    const known = this.#items.get(key);
    if (known !== undefined && known.newest >= fact.sequence) {
      return;
    }
    this.#take(key);
    this.#put({ kind: 'fact', place, fact, newest: fact.sequence });
  }

  #addDecision(item: TransactionItem | undefined, gtrid: Gtrid, decided: NumberedRecord, place: number) {
    if (item?.decided !== undefined) {
      return item.decided.sequence === decided.sequence
        ? undefined
        : `record ${decided.sequence} decides ${gtrid} again, which record ${item.decided.sequence} decided`;
    }
    const known = item ?? emptyItem(gtrid, place);
    this.#put({ ...known, decided, newest: Math.max(known.newest, decided.sequence) });
    return undefined;
  }

  #addAction(item: TransactionItem, numbered: NumberedRecord): void {
    if (item.actions.some((known) => known.sequence === numbered.sequence)) {
      return;
    }
    // Carried records come after newer ones, so that their order is their number, not their arrival.
    const actions = [...item.actions, numbered].sort((left, right) => left.sequence - right.sequence);
    const last = actions.at(-1)?.record;
    const forgotten = last?.kind === 'operator-action' && last.action === 'forget';
    this.#put({ ...item, actions, forgotten, newest: Math.max(item.newest, numbered.sequence) });
  }

  #facts(): readonly FactItem['fact'][] {
    return [...this.#items.values()].flatMap((item) => (item.kind === 'fact' ? [item.fact] : []));
  }

  /** Replaces an item in its place, or adds it at the end. */
  #put(item: LedgerItem): void {
    const key = keyOf(item);
    this.#count(this.#items.get(key), -1);
    this.#count(item, 1);
    this.#items.set(key, item);
  }

  #take(key: string): LedgerItem | undefined {
    const item = this.#items.get(key);
    this.#count(item, -1);
    this.#items.delete(key);
    return item;
  }

  #count(item: LedgerItem | undefined, sign: 1 | -1): void {
    if (item?.kind === 'fact') {
      this.#records += sign;
    } else if (item !== undefined) {
      const { decided, finished, actions } = item;
      this.#records += sign * (actions.length + Number(decided !== undefined) + Number(finished !== undefined));
      this.#closed += isClosed(item) ? sign : 0;
    }
  }
}
