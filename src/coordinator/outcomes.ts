// Completed transactions: the newest whole, so that late messages find their state; more of them as an outcome only.
import type { Outcome } from '../xa/vocabulary.ts';
import type { Bqual, Gtrid } from '../xa/xid.ts';
import { isHeuristic } from './engine/state.ts';
import type { Transaction } from './transaction.ts';

/** States kept whole: late messages arrive within seconds, and at 5,000 transactions a second this holds the last ones. */
const WHOLE_MAX = 10_000;

export class Outcomes {
  readonly #whole = new Map<Gtrid, Transaction>();
  readonly #outcomes = new Map<Gtrid, Outcome>();
  /** The branch by whose engine alone an outcome is known. */
  readonly #provenBy = new Map<Gtrid, Bqual>();
  readonly #outcomesMax: number;
  /** Whether every outcome of this life is still here: then an id that is not was never begun. */
  isComplete = true;

  constructor(outcomesMax: number) {
    this.#outcomesMax = outcomesMax;
  }

  add(transaction: Transaction, outcome: Outcome): void {
    this.#whole.set(transaction.gtrid, transaction);
    if (this.#whole.size > Math.min(WHOLE_MAX, this.#outcomesMax)) {
      evictOldest(this.#whole, (old) => !isHeuristic(old.state));
    }
    if (!transaction.presumed || outcome !== 'rolled-back') {
      this.note(transaction.gtrid, outcome);
    }
  }

  /**
   * An engine has proven how its branch ended, and nothing else is known of the transaction: how that ended, too, for whoever knows of
   * no other branch. A commit in one phase looks like this, and so does a branch that somebody committed by hand (D5).
   */
  noteProof(gtrid: Gtrid, bqual: Bqual, outcome: Outcome): void {
    this.note(gtrid, outcome);
    this.#provenBy.set(gtrid, bqual);
    if (this.#provenBy.size > this.#outcomesMax) {
      evictOldest(this.#provenBy, () => true);
    }
  }

  /** Undefined: the outcome is the whole transaction's. */
  provenBy(gtrid: Gtrid): Bqual | undefined {
    return this.#provenBy.get(gtrid);
  }

  /** An outcome that is known without its transaction. */
  note(gtrid: Gtrid, outcome: Outcome): void {
    this.#provenBy.delete(gtrid);
    this.#outcomes.set(gtrid, outcome);
    if (this.#outcomes.size > this.#outcomesMax) {
      evictOldest(this.#outcomes, () => true);
      this.isComplete = false;
    }
  }

  transaction(gtrid: Gtrid): Transaction | undefined {
    return this.#whole.get(gtrid);
  }

  outcome(gtrid: Gtrid): Outcome | undefined {
    return this.#outcomes.get(gtrid);
  }

  remove(gtrid: Gtrid): void {
    this.#whole.delete(gtrid);
  }

  /** Heuristic ones stay listed until an operator forgets them. */
  heuristic(): readonly Transaction[] {
    return [...this.#whole.values()].filter((transaction) => isHeuristic(transaction.state));
  }
}

/** Maps iterate in insertion order; the few that must stay are stepped over. */
function evictOldest<V>(map: Map<Gtrid, V>, mayGo: (value: V) => boolean): void {
  for (const [key, value] of map) {
    if (mayGo(value)) {
      map.delete(key);
      return;
    }
  }
}
