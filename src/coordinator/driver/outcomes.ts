// Completed transactions: the newest whole, so that late messages find their state; more of them as an outcome only.
import { FifoMap } from '../../lib/fifo-map.ts';
import type { Outcome } from '../../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../../xa/xid.ts';
import { type Committed, committedIn } from '../engine/scope.ts';
import { isHeuristic, presumedIn } from '../engine/state.ts';
import type { HeldTransaction } from './transaction.ts';

/** States kept whole: late messages arrive within seconds, and at 5,000 transactions a second this holds the last ones. */
const WHOLE_MAX = 10_000;

export class Outcomes {
  readonly #whole: FifoMap<Gtrid, HeldTransaction>;
  /** Heuristic ones that had to leave there: they stay listed until an operator forgets them. */
  readonly #heuristic = new Map<Gtrid, HeldTransaction>();
  readonly #outcomes: FifoMap<Gtrid, Outcome>;
  /** The branches of commits that have no record: what the log says of the others needs no place here. */
  readonly #unlogged: FifoMap<Gtrid, Committed>;
  /** The branch by whose engine alone an outcome is known. */
  readonly #provenBy: FifoMap<Gtrid, Bqual>;
  /** Whether every outcome of this life is still here: then an id that is not was never begun. */
  isComplete = true;

  constructor(outcomesMax: number) {
    this.#whole = new FifoMap(Math.min(WHOLE_MAX, outcomesMax));
    this.#outcomes = new FifoMap(outcomesMax);
    this.#unlogged = new FifoMap(outcomesMax);
    this.#provenBy = new FifoMap(outcomesMax);
  }

  add(transaction: HeldTransaction, outcome: Outcome): void {
    const { gtrid, state } = transaction;
    const committed = state.kind === 'completed' && !state.logged ? committedIn(state) : undefined;
    if (committed !== undefined) {
      this.#unlogged.set(gtrid, committed);
    }
    const evicted = this.#whole.set(gtrid, transaction);
    if (evicted !== undefined && isHeuristic(evicted.state)) {
      this.#heuristic.set(evicted.gtrid, evicted);
    }
    if (presumedIn(state) !== 'branch' || outcome !== 'rolled-back') {
      this.note(gtrid, outcome);
    }
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
    this.note(gtrid, outcome);
    this.#provenBy.set(gtrid, bqual);
  }

  /** Undefined: the outcome is the whole transaction's. */
  provenBy(gtrid: Gtrid): Bqual | undefined {
    return this.#provenBy.get(gtrid);
  }

  /** The branches of a commit that left no record; undefined: it left one, or did not happen as far as is known here. */
  committed(gtrid: Gtrid): Committed | undefined {
    return this.#unlogged.get(gtrid);
  }

  /** An outcome that is known without its transaction. */
  note(gtrid: Gtrid, outcome: Outcome): void {
    this.#provenBy.delete(gtrid);
    if (this.#outcomes.set(gtrid, outcome) !== undefined) {
      this.isComplete = false;
    }
  }

  transaction(gtrid: Gtrid): HeldTransaction | undefined {
    return this.#whole.get(gtrid) ?? this.#heuristic.get(gtrid);
  }

  outcome(gtrid: Gtrid): Outcome | undefined {
    return this.#outcomes.get(gtrid);
  }

  remove(gtrid: Gtrid): void {
    this.#whole.delete(gtrid);
    this.#heuristic.delete(gtrid);
  }

  /** The newest that are over, held whole. */
  recent(): readonly HeldTransaction[] {
    return [...this.#whole.values()];
  }

  heuristic(): readonly HeldTransaction[] {
    return [...this.#heuristic.values(), ...this.#whole.values()].filter(({ state }) => isHeuristic(state));
  }
}
