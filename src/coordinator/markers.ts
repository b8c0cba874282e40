// Marker rows that a participant still finds in its engine: deleted when their transaction is accounted for, kept while they
// are the only proof of how a one-phase commit ended.
import type { Log } from '../log/log.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../xa/limits.ts';
import { gtridParts, parseXid, type ResourceName, resourceOf, type Xid } from '../xa/xid.ts';
import type { Driver } from './driver.ts';

/** Sweeps come about once a minute: a marker that two of them bring up has been answerable for at least that long. */
const SEEN_MAX = 100_000;

export class Markers {
  readonly #driver: Driver;
  readonly #log: Log;
  readonly #seenOnce = new Set<string>();

  constructor(driver: Driver, log: Log) {
    this.#driver = driver;
    this.#log = log;
  }

  /** One sweep's markers, as `gtrid:bqual`; what is not in the grammar, or of another log, is left alone (D8). */
  swept(resource: ResourceName, texts: readonly string[]): void {
    for (const text of texts.slice(0, BRANCHES_PER_MESSAGE_MAX)) {
      const xid = parseXid(text);
      if (xid !== undefined && resourceOf(xid.bqual) === resource) {
        this.#judge(xid, text);
      }
    }
  }

  #judge(xid: Xid, text: string): void {
    const { identity, epoch } = this.#log.recovered;
    const asked = gtridParts(xid.gtrid);
    if (asked.identity !== identity || asked.epoch > epoch || this.#driver.registry.live(xid.gtrid) !== undefined) {
      return;
    }
    const logged = this.#log.outcome(xid.gtrid);
    if (logged.kind === 'decided' && !logged.finished) {
      return;
    }
    if (logged.kind !== 'decided' && this.#driver.registry.outcomes.outcome(xid.gtrid) === undefined) {
      // The row was committed, and nothing is known against it: a one-phase commit, whose only proof this is.
      this.#driver.registry.outcomes.note(xid.gtrid, 'committed');
    }
    if (this.#seenOnce.delete(text)) {
      this.#driver.evidence.forget(xid.gtrid, xid.bqual);
    } else if (this.#seenOnce.size < SEEN_MAX) {
      this.#seenOnce.add(text);
    }
  }
}
