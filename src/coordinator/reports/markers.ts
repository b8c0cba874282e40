// Marker rows that a participant still finds in its engine: deleted when their transaction is accounted for, kept while they
// are the only proof of how a one-phase commit ended.
import type { Log } from '../../log/log.ts';
import { type EvidenceRow, openingOf, parseRow, rowOf } from '../../xa/evidence.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../../xa/limits.ts';
import { gtridParts, type ResourceName, resourceOf } from '../../xa/xid.ts';
import { recordedOutcome } from '../driver/answers.ts';
import type { Driver } from '../driver/driver.ts';
import type { Transaction } from '../driver/transaction.ts';

export class Markers {
  readonly #driver: Driver;
  readonly #log: Log;

  constructor(driver: Driver, log: Log) {
    this.#driver = driver;
    this.#log = log;
  }

  /** One sweep's markers, as `gtrid:bqual:opening`; what is not in the grammar, or of another log, is left alone (D8). */
  swept(resource: ResourceName, texts: readonly string[]): void {
    for (const text of texts.slice(0, BRANCHES_PER_MESSAGE_MAX)) {
      const row = parseRow(text);
      if (row !== undefined && resourceOf(row.bqual) === resource) {
        this.#judge(row);
      }
    }
  }

  /** A commit in one phase was answered. There is no record of it: the row alone proves it after a restart, and nobody need sweep for it. */
  answered({ gtrid, state }: Transaction): void {
    if (state.kind === 'completed' && state.outcome === 'committed') {
      for (const { bqual, evidence } of state.branches) {
        const row = rowOf({ gtrid, bqual }, evidence);
        if (row !== undefined) {
          this.#driver.evidence.forgetLater(row, this.#isAccountedFor);
        }
      }
    }
  }

  #judge(row: EvidenceRow): void {
    if (this.#isAccountedFor(row)) {
      this.#driver.evidence.forgetLater(row, this.#isAccountedFor);
    }
  }

  /** Whether nothing will be asked of the row any more, once it has been answerable for a while. */
  readonly #isAccountedFor = ({ gtrid, bqual, opening }: EvidenceRow): boolean => {
    const { registry } = this.#driver;
    const { identity, epoch } = this.#log.recovered;
    const asked = gtridParts(gtrid);
    if (asked.identity !== identity || asked.epoch > epoch || registry.live(gtrid) !== undefined) {
      return false;
    }
    const logged = this.#log.outcome(gtrid);
    if (logged.kind === 'decided' || registry.unreadable.has(gtrid)) {
      // A finished record that is only queued may be lost with the process: the next one asks for the row again (D7, D10).
      if (logged.kind !== 'decided' || !logged.settled) {
        return false;
      }
      const decided = logged.record.branches.find((branch) => branch.bqual === bqual);
      // The row of another opening than the decided one proves that somebody committed it by hand: people will look for it.
      return decided === undefined || openingOf(decided.evidence) === opening;
    }
    if (asked.epoch <= (this.#log.recovered.lostTo ?? -1)) {
      return false; // Its decision may be missing here, and whoever settles its other branches needs the row.
    }
    const history = this.#log.history(gtrid);
    if (recordedOutcome(logged, history) !== undefined) {
      // Damage: people look for the row until they have mended it, and say so by forgetting it. It is no proof of a commit (D5).
      return history.some((record) => record.kind === 'operator-action' && record.action === 'forget');
    }
    if (registry.outcomes.outcome(gtrid) === undefined) {
      // The row was committed, and nothing is known against it: a one-phase commit, whose only proof this is.
      registry.outcomes.noteProof(gtrid, bqual, 'committed');
    }
    // The row of a transaction that was rolled back proves that somebody committed a branch of it by hand: people will look for it.
    return registry.outcomes.outcome(gtrid) === 'committed';
  };
}
