// Evidence that the coordinator has accounted for: deleted in batches, and left to the next sweep of markers when that fails.
import type { Clock, Timer } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { EvidenceRow } from '../../xa/evidence.ts';
import { BRANCHES_PER_MESSAGE_MAX } from '../../xa/limits.ts';
import { reasonOf } from '../reasons.ts';
import type { ResourceManager } from '../resource-manager.ts';

interface ForgetterOptions {
  readonly rm: ResourceManager;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

const COLLECT_MS = 1_000;
/** Batches that wait for a slow engine; what comes beyond them is left to the next sweep of markers. */
const WAITING_MAX = 100;

export class Forgetter {
  readonly #options: ForgetterOptions;
  #collected: EvidenceRow[] = [];
  #timer: Timer | undefined;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: ForgetterOptions) {
    this.#options = options;
  }

  receive(rows: readonly EvidenceRow[]): void {
    for (const row of rows) {
      this.#collected.push(row);
      if (this.#collected.length === BRANCHES_PER_MESSAGE_MAX) {
        this.#flush();
      }
    }
    if (this.#collected.length > 0) {
      this.#timer ??= this.#options.clock.after(COLLECT_MS, () => this.#flush());
    }
  }

  /** Drops what is collected: the participant stops, and its next life finds the markers. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#collected = [];
  }

  #flush(): void {
    const batch = this.#collected;
    this.close();
    if (this.#waiting >= WAITING_MAX) {
      return;
    }
    this.#waiting += 1;
    const { rm, logger } = this.#options;
    this.#tail = this.#tail
      .then(() => rm.forget(batch))
      .catch((error: unknown) => {
        const { code, message } = reasonOf(error);
        logger.warn({ evt: 'forget-failed', branches: batch.length, code, message });
      })
      .then(() => {
        this.#waiting -= 1;
      });
  }
}
