// Which transactions are held: live ones, and completed ones as long as somebody may ask for them.
import { assert } from '../../lib/assert.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { type Completed, presumedIn, type State } from '../engine/state.ts';
import { outcomeOf } from './answers.ts';
import { Outcomes } from './outcomes.ts';
import type { HeldTransaction, Holder } from './transaction.ts';

export class Registry {
  readonly outcomes: Outcomes;
  /** Transactions whose records recovery could not understand: nothing is concluded about them, and their branches are left alone. */
  readonly unreadable = new Set<Gtrid>();
  readonly #live = new Map<Gtrid, HeldTransaction>();
  readonly #idleListeners = new Set<() => void>();
  #undecided = 0;
  readonly #undecidedOf = new Map<Holder, Set<HeldTransaction>>();
  #orphans = 0;

  constructor(outcomesMax: number) {
    this.outcomes = new Outcomes(outcomesMax);
  }

  live(gtrid: Gtrid): HeldTransaction | undefined {
    return this.#live.get(gtrid);
  }

  /** Live, or completed and still held whole. */
  find(gtrid: Gtrid): HeldTransaction | undefined {
    return this.#live.get(gtrid) ?? this.outcomes.transaction(gtrid);
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
    return this.outcomes.heuristic();
  }

  /** The newest that are over in this life, held whole. */
  recent(): readonly HeldTransaction[] {
    return this.outcomes.recent();
  }

  /** An operator has forgotten it. */
  forget(gtrid: Gtrid): void {
    this.outcomes.remove(gtrid);
  }

  add(transaction: HeldTransaction): void {
    const { gtrid, state } = transaction;
    assert(!this.#live.has(gtrid), `${gtrid} is admitted once`);
    if (state.kind === 'completed') {
      this.outcomes.add(transaction, state.outcome);
    } else {
      this.#live.set(gtrid, transaction);
      this.#undecided += Number(isUndecided(state));
      this.#note(transaction);
      this.#orphans += Number(presumedIn(state) !== undefined);
    }
  }

  /** The transaction has entered a state of another kind than `before`. */
  moved(transaction: HeldTransaction, before: State): void {
    const { gtrid, state } = transaction;
    this.#undecided += Number(isUndecided(state)) - Number(isUndecided(before));
    if (isUndecided(before) && !isUndecided(state)) {
      this.#unnote(transaction);
    }
    if (before.kind === 'completed') {
      this.outcomes.remove(gtrid);
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
    this.outcomes.add(transaction, state.outcome);
    for (const listener of this.#idleListeners) {
      listener();
    }
  }
}

function isUndecided({ kind }: State): boolean {
  return kind === 'active' || kind === 'preparing' || kind === 'one-phase' || kind === 'deciding';
}
