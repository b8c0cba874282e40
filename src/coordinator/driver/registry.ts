// Which transactions are held: live ones, and of completed ones the newest whole, so that late messages find their state; of more of them
// no more than how they ended.
import { assert } from '../../lib/assert.ts';
import { FifoMap } from '../../lib/fifo-map.ts';
import type { Outcome } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import { type Committed, committedIn } from '../engine/scope.ts';
import { type Completed, isHeuristic, outcomeOf, presumedIn, type State } from '../engine/state.ts';
import type { HeldTransaction, Holder } from './transaction.ts';

/** States kept whole: late messages arrive within seconds, and at 5,000 transactions a second this holds the last ones. */
const WHOLE_MAX = 10_000;

export class Registry {
  readonly #unreadable = new Set<Gtrid>();
  readonly #live = new Map<Gtrid, HeldTransaction>();
  readonly #idleListeners = new Set<() => void>();
  #undecided = 0;
  readonly #undecidedOf = new Map<Holder, Set<HeldTransaction>>();
  #orphans = 0;
  readonly #whole: FifoMap<Gtrid, HeldTransaction>;
  /** Heuristic ones that had to leave there: they stay listed until an operator forgets them. */
  readonly #heuristic = new Map<Gtrid, HeldTransaction>();
  readonly #outcomes: FifoMap<Gtrid, Outcome>;
  /** The branches of commits that have no record: what the log says of the others needs no place here. */
  readonly #unlogged: FifoMap<Gtrid, Committed>;
  readonly #provenBy: FifoMap<Gtrid, Bqual>;
  #isComplete = true;

  constructor(outcomesMax: number) {
    this.#whole = new FifoMap(Math.min(WHOLE_MAX, outcomesMax));
    this.#outcomes = new FifoMap(outcomesMax);
    this.#unlogged = new FifoMap(outcomesMax);
    this.#provenBy = new FifoMap(outcomesMax);
  }

  live(gtrid: Gtrid): HeldTransaction | undefined {
    return this.#live.get(gtrid);
  }

  /** Live, or completed and still held whole. */
  find(gtrid: Gtrid): HeldTransaction | undefined {
    return this.#live.get(gtrid) ?? this.#whole.get(gtrid) ?? this.#heuristic.get(gtrid);
  }

  /** The same, if its state says how the transaction ends. */
  findKnown(gtrid: Gtrid): HeldTransaction | undefined {
    const transaction = this.find(gtrid);
    const isOnlyBranch = transaction !== undefined && presumedIn(transaction.state) === 'branch';
    return isOnlyBranch && outcomeOf(transaction.state) === 'rolled-back' ? undefined : transaction;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Transactions that may still end either way. */
  get undecidedCount(): number {
    return this.#undecided;
  }

  /** Live transactions that only participants have told of. */
  get orphanCount(): number {
    return this.#orphans;
  }

  /** Those that a session, or a connection of unary callers, has begun and that may still end either way. A copy. */
  undecidedOf(holder: Holder): readonly HeldTransaction[] {
    return [...(this.#undecidedOf.get(holder) ?? [])];
  }

  undecidedCountOf(holder: Holder): number {
    return this.#undecidedOf.get(holder)?.size ?? 0;
  }

  /** Live ones. */
  all(): readonly HeldTransaction[] {
    return [...this.#live.values()];
  }

  /** Completed ones with damage, or with an end that nobody proves: held until an operator forgets them. */
  heuristic(): readonly HeldTransaction[] {
    return [...this.#heuristic.values(), ...this.#whole.values()].filter(({ state }) => isHeuristic(state));
  }

  /** The newest that are over in this life, held whole. */
  recent(): readonly HeldTransaction[] {
    return [...this.#whole.values()];
  }

  /** An operator has forgotten it. */
  forget(gtrid: Gtrid): void {
    this.#whole.delete(gtrid);
    this.#heuristic.delete(gtrid);
  }

  /** Recovery could not understand its records: nothing is concluded about it, and its branches are left alone. */
  noteUnreadable(gtrid: Gtrid): void {
    this.#unreadable.add(gtrid);
  }

  isUnreadable(gtrid: Gtrid): boolean {
    return this.#unreadable.has(gtrid);
  }

  /** How it ended, as far as it is known without its state. */
  outcome(gtrid: Gtrid): Outcome | undefined {
    return this.#outcomes.get(gtrid);
  }

  /** The branch by whose engine alone the outcome is known; undefined: it is the whole transaction's. */
  provenBy(gtrid: Gtrid): Bqual | undefined {
    return this.#provenBy.get(gtrid);
  }

  /** The branches of a commit that left no record; undefined: it left one, or did not happen as far as is known here. */
  committed(gtrid: Gtrid): Committed | undefined {
    return this.#unlogged.get(gtrid);
  }

  /** Whether every outcome of this life is still here: then an id that is not was never begun. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * An engine has proven how its branch ended, and nothing else is known of the transaction: how that ended, too, for whoever knows of
   * no other branch. A commit in one phase looks like this, and so does a branch that somebody committed by hand (D5). What is known of
   * the whole transaction outweighs it.
   */
  noteProof(gtrid: Gtrid, bqual: Bqual, outcome: Outcome): void {
    if (this.#outcomes.get(gtrid) !== undefined && this.#provenBy.get(gtrid) === undefined) {
      return;
    }
    this.#noteOutcome(gtrid, outcome);
    this.#provenBy.set(gtrid, bqual);
  }

  add(transaction: HeldTransaction): void {
    const { gtrid, state } = transaction;
    assert(!this.#live.has(gtrid), `${gtrid} is admitted once`);
    if (state.kind === 'completed') {
      this.#keep(transaction, state);
    } else {
      this.#live.set(gtrid, transaction);
      this.#undecided += Number(isUndecided(state));
      this.#note(transaction);
      this.#orphans += Number(presumedIn(state) !== undefined);
    }
  }

  /** The transaction has left the state `before`. */
  moved(transaction: HeldTransaction, before: State): void {
    const { gtrid, state } = transaction;
    if (state.kind === before.kind) {
      if (state.kind === 'completed') {
        this.#noteOutcome(gtrid, state.outcome); // Damage that was found after the end.
      }
      return;
    }
    this.#undecided += Number(isUndecided(state)) - Number(isUndecided(before));
    if (isUndecided(before) && !isUndecided(state)) {
      this.#unnote(transaction);
    }
    if (before.kind === 'completed') {
      this.forget(gtrid);
      this.#live.set(gtrid, transaction);
      this.#orphans += Number(presumedIn(state) !== undefined);
    } else if (state.kind === 'completed') {
      this.#completed(transaction, state);
    }
  }

  /** Resolves when no transaction is live any more. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#live.size === 0) {
          this.#idleListeners.delete(check);
          resolve();
        }
      };
      this.#idleListeners.add(check);
      check();
    });
  }

  #note(transaction: HeldTransaction): void {
    const { holder, state } = transaction;
    if (holder !== undefined && isUndecided(state)) {
      const own = this.#undecidedOf.get(holder) ?? new Set();
      this.#undecidedOf.set(holder, own.add(transaction));
    }
  }

  #unnote(transaction: HeldTransaction): void {
    const { holder } = transaction;
    if (holder !== undefined) {
      const own = this.#undecidedOf.get(holder);
      own?.delete(transaction);
      if (own?.size === 0) {
        this.#undecidedOf.delete(holder);
      }
      transaction.holder = undefined;
    }
  }

  #completed(transaction: HeldTransaction, state: Completed): void {
    this.#live.delete(transaction.gtrid);
    this.#orphans -= Number(presumedIn(state) !== undefined);
    this.#keep(transaction, state);
    for (const listener of this.#idleListeners) {
      listener();
    }
  }

  #keep(transaction: HeldTransaction, state: Completed): void {
    const { gtrid } = transaction;
    const committed = state.logged ? undefined : committedIn(state);
    if (committed !== undefined) {
      this.#unlogged.set(gtrid, committed);
    }
    const evicted = this.#whole.set(gtrid, transaction);
    if (evicted !== undefined && isHeuristic(evicted.state)) {
      this.#heuristic.set(evicted.gtrid, evicted);
    }
    if (presumedIn(state) !== 'branch' || state.outcome !== 'rolled-back') {
      this.#noteOutcome(gtrid, state.outcome);
    }
  }

  #noteOutcome(gtrid: Gtrid, outcome: Outcome): void {
    this.#provenBy.delete(gtrid);
    if (this.#outcomes.set(gtrid, outcome) !== undefined) {
      this.#isComplete = false;
    }
  }
}

function isUndecided({ kind }: State): boolean {
  return kind === 'active' || kind === 'preparing' || kind === 'one-phase' || kind === 'deciding';
}
