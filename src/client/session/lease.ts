// Leased ids: ranges of sequence numbers with which this session numbers its own transactions, without asking (design: identity).
import type { Lease__Output as WireLease } from '../../gen/concordat/v1/Lease.ts';
import { formatGtrid, type Gtrid, type LogIdentity } from '../../xa/xid.ts';

interface Range {
  next: number;
  readonly end: number;
}

/** Numbers of one session's life. They are never used twice, and never after the session has ended. */
export class GtridLease {
  readonly #identity: LogIdentity;
  readonly #epoch: number;
  readonly #ranges: Range[] = [];
  #left = 0;
  #size = 0;
  #renewing = false;

  constructor(identity: LogIdentity, epoch: number) {
    this.#identity = identity;
    this.#epoch = epoch;
  }

  add(lease: WireLease): void {
    const first = Number(lease.first);
    this.#renewing = false;
    if (lease.count === 0) {
      return;
    }
    this.#ranges.push({ next: first, end: first + lease.count });
    this.#left += lease.count;
    this.#size = lease.count;
  }

  /** Undefined when all are used: a new range is on its way. */
  next(): Gtrid | undefined {
    const range = this.#ranges[0];
    if (range === undefined) {
      return undefined;
    }
    const sequence = range.next++;
    if (range.next >= range.end) {
      this.#ranges.shift();
    }
    this.#left--;
    return formatGtrid({ identity: this.#identity, epoch: this.#epoch, sequence });
  }

  get empty(): boolean {
    return this.#left === 0;
  }

  /** True once for each time that half of the newest range is used: the moment to ask for more. */
  shouldRenew(): boolean {
    if (this.#renewing || this.#left * 2 > this.#size) {
      return false;
    }
    this.#renewing = true;
    return true;
  }

  renewalRefused(): void {
    this.#renewing = false;
  }
}
