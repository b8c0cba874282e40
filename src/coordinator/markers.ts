// Marker rows that a participant still finds in its engine: deleted when their transaction is accounted for, kept while they
// are the only proof of how a one-phase commit ended.
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../log/log.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../xa/limits.ts';
import { gtridParts, parseXid, type ResourceName, resourceOf, type Xid } from '../xa/xid.ts';
import type { Driver } from './driver.ts';
import { PROOF_KEPT_MS } from './evidence.ts';

/** Beyond it the oldest sightings are forgotten: their rows are deleted later. */
const SEEN_MAX = 100_000;

export class Markers {
  readonly #driver: Driver;
  readonly #log: Log;
  readonly #clock: Clock;
  /** Monotonic time of the first sighting, oldest first: two sidecars, or one that comes back, sweep more often than a row may go. */
  readonly #seenAt = new Map<string, number>();

  constructor(driver: Driver, log: Log, clock: Clock) {
    this.#driver = driver;
    this.#log = log;
    this.#clock = clock;
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
    if (!this.#isAccountedFor(xid)) {
      return;
    }
    const now = this.#clock.now();
    const seenAt = this.#seenAt.get(text);
    if (seenAt === undefined) {
      this.#seenAt.set(text, now);
      if (this.#seenAt.size > SEEN_MAX) {
        const [oldest = text] = this.#seenAt.keys();
        this.#seenAt.delete(oldest);
      }
    } else if (now - seenAt >= PROOF_KEPT_MS) {
      this.#seenAt.delete(text);
      this.#driver.evidence.forget(xid.gtrid, xid.bqual);
    }
  }

  /** Whether nothing will be asked of the row any more, once it has been answerable for a while. */
  #isAccountedFor({ gtrid, bqual }: Xid): boolean {
    const { registry } = this.#driver;
    const { identity, epoch } = this.#log.recovered;
    const asked = gtridParts(gtrid);
    if (asked.identity !== identity || asked.epoch > epoch || registry.live(gtrid) !== undefined) {
      return false;
    }
    const logged = this.#log.outcome(gtrid);
    if (logged.kind === 'decided' || registry.unreadable.has(gtrid)) {
      // A finished record that is only queued may be lost with the process: the next one asks for the row again (D7, D10).
      return logged.kind === 'decided' && logged.settled;
    }
    if (asked.epoch <= (this.#log.recovered.lostTo ?? -1)) {
      return false; // Its decision may be missing here, and whoever settles its other branches needs the row.
    }
    if (registry.outcomes.outcome(gtrid) === undefined) {
      // The row was committed, and nothing is known against it: a one-phase commit, whose only proof this is.
      registry.outcomes.noteProof(gtrid, bqual, 'committed');
    }
    // The row of a transaction that was rolled back proves that somebody committed a branch of it by hand: people will look for it.
    return registry.outcomes.outcome(gtrid) === 'committed';
  }
}
