// A database in memory with two-phase commit: what survives a restart of its "server" and what does not. No clock, no dice.

import type { KnownLog, RecordedLife, SqlValue } from '../../participants/resource-manager.ts';
import { parseRow } from '../../xa/evidence.ts';
import type { Isolation } from '../../xa/vocabulary.ts';
import { EPOCH_LEAP_MAX, formatXid, type LogIdentity } from '../../xa/xid.ts';
import { type LockOwner, LockTable } from './locks.ts';

/** One transaction. */
export interface MemoryTransaction extends LockOwner {
  readonly session: MemorySession;
  readonly isolation: Isolation;
  readonly readOnly: boolean;
  readonly writes: Map<string, SqlValue>;
}

/** The engine's end of a connection. */
export interface MemorySession {
  /** The opening that it serves, spelled by `formatRow`; another life of an adapter finds it by that. */
  readonly tag: string;
  /** Called once when the engine ends the session: a crash, an administrator, a fence. */
  readonly ended: (why: string) => void;
}

/** What a backup of the whole server holds: everything that outlives a crash of it. */
export interface MemoryHistory {
  readonly rows: ReadonlyMap<string, SqlValue>;
  readonly evidence: ReadonlySet<string>;
  readonly prepared: ReadonlyMap<string, PreparedTransaction & { readonly locks: readonly string[] }>;
  readonly tokens: ReadonlyMap<string, string>;
  readonly lives: ReadonlyMap<LogIdentity, RecordedLife>;
}

interface PreparedTransaction {
  readonly transaction: MemoryTransaction;
  readonly preparedAtMs: number;
}

/** Shared by every adapter on it, and alive over `crash` and `start`: what a data directory is to a server. */
export class MemoryEngine {
  readonly identity: string;
  readonly locks = new LockTable();
  readonly #rows = new Map<string, SqlValue>();
  /** The newest token of each participant. */
  readonly tokens = new Map<string, string>();
  readonly #lives = new Map<LogIdentity, RecordedLife>();
  readonly #prepared = new Map<string, PreparedTransaction>();
  /** What committed transactions that wrote have left: the tags of their sessions. */
  readonly #evidence = new Set<string>();
  /** By the name of a branch: which opening of it is prepared, or has left its row. There is one, as with a key of the two. */
  readonly #names = new Map<string, string>();
  readonly #active = new Set<MemoryTransaction>();
  #running = true;

  /** `identity` tells engines apart, as `memory:<identity>`. */
  constructor(identity: string) {
    this.identity = `memory:${identity}`;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Kill -9: active transactions and sessions are gone; rows, prepared transactions, evidence and epochs stay. */
  crash(): void {
    this.#running = false;
    this.endSessions('the server was killed');
  }

  start(): void {
    this.#running = true;
  }

  /** Ends sessions that serve an unprepared transaction: all of them, or those with this tag, or with one that goes on behind it. */
  endSessions(why: string, tag?: string): void {
    for (const transaction of [...this.#active]) {
      if (tag === undefined || `${transaction.session.tag}:`.startsWith(`${tag}:`)) {
        this.abort(transaction);
        transaction.session.ended(why);
      }
    }
  }

  /** A backup, or a standby that has everything up to now. */
  history(): MemoryHistory {
    const prepared = [...this.#prepared].map(
      ([id, one]) => [id, { ...one, locks: [...one.transaction.held] }] as const,
    );
    return {
      rows: new Map(this.#rows),
      evidence: new Set(this.#evidence),
      prepared: new Map(prepared),
      tokens: new Map(this.tokens),
      lives: new Map(this.#lives),
    };
  }

  /** That backup takes the place of everything, or that standby: all sessions end, and what came later never was. */
  goBackTo(history: MemoryHistory): void {
    this.endSessions('the server was put back to an earlier state');
    for (const { transaction } of this.#prepared.values()) {
      this.abort(transaction);
    }
    this.#prepared.clear();
    this.#names.clear();
    replace(this.#rows, history.rows);
    replace(this.tokens, history.tokens);
    replace(this.#lives, history.lives);
    this.#evidence.clear();
    for (const tag of history.evidence) {
      this.#evidence.add(tag);
      this.#names.set(nameOf(tag), tag);
    }
    for (const [id, { transaction, preparedAtMs, locks }] of history.prepared) {
      const again = { ...transaction, held: new Set<string>(), waitsFor: undefined };
      for (const key of locks) {
        void this.locks.acquire(again, key); // Free: nobody holds or waits for anything.
      }
      this.#prepared.set(id, { transaction: again, preparedAtMs });
      this.#names.set(nameOf(id), id);
    }
  }

  begin(
    session: MemorySession,
    options: { readonly isolation: Isolation; readonly readOnly: boolean },
  ): MemoryTransaction {
    const transaction: MemoryTransaction = {
      session,
      isolation: options.isolation,
      readOnly: options.readOnly,
      writes: new Map(),
      held: new Set(),
      waitsFor: undefined,
    };
    this.#active.add(transaction);
    return transaction;
  }

  isActive(transaction: MemoryTransaction): boolean {
    return this.#active.has(transaction);
  }

  read(transaction: MemoryTransaction | undefined, key: string): SqlValue | undefined {
    return transaction?.writes.get(key) ?? this.#rows.get(key);
  }

  /** The caller holds the lock of `key`. */
  write(transaction: MemoryTransaction, key: string, value: SqlValue): void {
    transaction.writes.set(key, value);
  }

  /**
   * Survives crashes from now on. False: the id is taken, or another opening of the name is prepared or has left its row, and the
   * transaction is aborted.
   */
  prepare(transaction: MemoryTransaction, id: string, nowMs: number): boolean {
    if (this.isTaken(id)) {
      this.abort(transaction);
      return false;
    }
    this.#active.delete(transaction);
    this.#prepared.set(id, { transaction, preparedAtMs: nowMs });
    this.#names.set(nameOf(id), id);
    return true;
  }

  commit(transaction: MemoryTransaction): void {
    for (const [key, value] of transaction.writes) {
      this.#rows.set(key, value);
    }
    if (transaction.writes.size > 0) {
      const { tag } = transaction.session;
      this.#evidence.add(tag);
      this.#names.set(nameOf(tag), tag);
    }
    this.#end(transaction);
  }

  abort(transaction: MemoryTransaction): void {
    this.locks.cancel(transaction, new Error('the transaction was aborted'));
    this.#end(transaction);
  }

  /** False: no prepared transaction has that id. */
  finish(id: string, verb: 'commit' | 'rollback'): boolean {
    const prepared = this.#prepared.get(id);
    if (prepared === undefined) {
      return false;
    }
    this.#prepared.delete(id);
    this.#names.delete(nameOf(id));
    if (verb === 'commit') {
      this.commit(prepared.transaction);
    } else {
      this.abort(prepared.transaction);
    }
    return true;
  }

  prepared(): readonly {
    readonly id: string;
    readonly transaction: MemoryTransaction;
    readonly preparedAtMs: number;
  }[] {
    return [...this.#prepared].map(([id, { transaction, preparedAtMs }]) => ({ id, transaction, preparedAtMs }));
  }

  /** A session with this tag has a transaction that is not prepared. */
  isAtWork(tag: string): boolean {
    return [...this.#active].some(({ session }) => session.tag === tag);
  }

  /** The evidence of committed transactions: tags of their sessions. */
  evidence(): readonly string[] {
    return [...this.#evidence];
  }

  /** Another opening of the same name, or another transaction of this id, is prepared or has left its row. */
  isTaken(id: string): boolean {
    return this.#names.has(nameOf(id));
  }

  /** What is prepared or has left its row: the opening, or, of a branch's name, whichever of its openings it is. */
  openingOf(name: string): { readonly id: string; readonly isCommitted: boolean } | undefined {
    const id = this.#names.get(nameOf(name));
    const isMeant = id !== undefined && (id === name || nameOf(id) === name);
    return isMeant ? { id, isCommitted: this.#evidence.has(id) } : undefined;
  }

  /** The transaction of a session with this tag wrote and is committed, and was not forgotten. */
  isCommitted(tag: string): boolean {
    return this.#evidence.has(tag);
  }

  forget(tag: string): void {
    if (this.#evidence.delete(tag)) {
      this.#names.delete(nameOf(tag));
    }
  }

  raiseEpoch(identity: LogIdentity, epoch: number, token: string, previous?: RecordedLife): RecordedLife {
    const known = this.#lives.get(identity) ?? { epoch: 0, token: '' };
    const isAsSeen = previous === undefined || (previous.epoch === known.epoch && previous.token === known.token);
    if (!isAsSeen || epoch <= known.epoch || epoch > known.epoch + EPOCH_LEAP_MAX) {
      return known;
    }
    this.#lives.set(identity, { epoch, token });
    return { epoch, token };
  }

  knownLogs(): readonly KnownLog[] {
    return [...this.#lives].map(([identity, life]) => ({ identity, ...life }));
  }

  #end(transaction: MemoryTransaction): void {
    this.#active.delete(transaction);
    this.locks.release(transaction);
  }
}

function replace<K, V>(map: Map<K, V>, by: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of by) {
    map.set(key, value);
  }
}

/** Without the opening; another product's id is its own name. */
function nameOf(id: string): string {
  const row = parseRow(id);
  return row === undefined ? id : formatXid(row);
}
