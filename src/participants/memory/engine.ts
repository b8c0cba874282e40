// A database in memory with two-phase commit: what survives a restart of its "server" and what does not. No clock, no dice.
import type { Isolation } from '../../xa/vocabulary.ts';
import { EPOCH_LEAP_MAX, type LogIdentity } from '../../xa/xid.ts';
import type { KnownLog, RecordedLife, SqlValue } from '../resource-manager.ts';
import { type LockOwner, LockTable } from './locks.ts';

/** Outcomes that the engine can still prove; older ones are forgotten, as PostgreSQL truncates its commit log. */
export const MEMORY_OUTCOMES_MAX = 100_000;

export type MemoryOutcome = 'in-progress' | 'committed' | 'aborted';

/** One transaction. Its number is given with the first write, so that none means that nothing was written. */
export interface MemoryTransaction extends LockOwner {
  readonly session: MemorySession;
  readonly isolation: Isolation;
  readonly readOnly: boolean;
  readonly writes: Map<string, SqlValue>;
  number: number | undefined;
}

/** The engine's end of a connection. */
export interface MemorySession {
  /** The branch that it serves, spelled by `formatXid`; another life of an adapter finds it by that. */
  readonly tag: string;
  /** Called once when the engine ends the session: a crash, an administrator, a fence. */
  readonly ended: (why: string) => void;
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
  readonly #outcomes = new Map<number, MemoryOutcome>();
  readonly #active = new Set<MemoryTransaction>();
  #lastNumber = 0;
  #running = true;

  /** `identity` tells engines apart, as `memory:<identity>`. */
  constructor(identity: string) {
    this.identity = `memory:${identity}`;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Kill -9: active transactions and sessions are gone; rows, prepared transactions, outcomes and epochs stay. */
  crash(): void {
    this.#running = false;
    this.endSessions('the server was killed');
  }

  start(): void {
    this.#running = true;
  }

  /** Ends sessions that serve an unprepared transaction: all of them, or those with this tag. */
  endSessions(why: string, tag?: string): void {
    for (const transaction of [...this.#active]) {
      if (tag === undefined || transaction.session.tag === tag) {
        this.abort(transaction);
        transaction.session.ended(why);
      }
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
      number: undefined,
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
    if (transaction.number === undefined) {
      this.#lastNumber += 1;
      transaction.number = this.#lastNumber;
      this.#settle(transaction, 'in-progress');
    }
    transaction.writes.set(key, value);
  }

  /** Survives crashes from now on. False: the id is taken, and the transaction is aborted. */
  prepare(transaction: MemoryTransaction, id: string, nowMs: number): boolean {
    if (this.#prepared.has(id)) {
      this.abort(transaction);
      return false;
    }
    this.#active.delete(transaction);
    this.#prepared.set(id, { transaction, preparedAtMs: nowMs });
    return true;
  }

  commit(transaction: MemoryTransaction): void {
    for (const [key, value] of transaction.writes) {
      this.#rows.set(key, value);
    }
    this.#end(transaction, 'committed');
  }

  abort(transaction: MemoryTransaction): void {
    this.locks.cancel(transaction, new Error('the transaction was aborted'));
    this.#end(transaction, 'aborted');
  }

  /** False: no prepared transaction has that id. */
  finish(id: string, verb: 'commit' | 'rollback'): boolean {
    const prepared = this.#prepared.get(id);
    if (prepared === undefined) {
      return false;
    }
    this.#prepared.delete(id);
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

  /** Undefined: never given, or forgotten. */
  outcome(number: number): MemoryOutcome | undefined {
    return this.#outcomes.get(number);
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

  #end(transaction: MemoryTransaction, outcome: MemoryOutcome): void {
    this.#active.delete(transaction);
    this.#settle(transaction, outcome);
    this.locks.release(transaction);
  }

  #settle(transaction: MemoryTransaction, outcome: MemoryOutcome): void {
    if (transaction.number === undefined) {
      return;
    }
    this.#outcomes.set(transaction.number, outcome);
    if (this.#outcomes.size > MEMORY_OUTCOMES_MAX) {
      // Only the end of an ended transaction may be forgotten: an unfinished one keeps the map a little longer instead.
      const [oldest] = this.#outcomes;
      if (oldest !== undefined && oldest[1] !== 'in-progress') {
        this.#outcomes.delete(oldest[0]);
      }
    }
  }
}
