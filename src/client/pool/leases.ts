// Which connection of a pool the running code gets: the one of its transaction, or, outside, one of the pool as ever.
import { ConcordatError } from '../public/errors.ts';
import type { ConnectionPoolOptions } from '../public/pool.ts';
import type { Ambient, ScopedTransaction } from '../scope/ambient.ts';
import type { Level } from '../scope/level.ts';
import { ended, hasEnded } from '../scope/propagation.ts';
import { Lease } from './lease.ts';

interface LeaseSourceParts<Connection> {
  readonly ambient: Ambient;
  /** The driver's own, below every facade of it. */
  readonly pool: object;
  readonly resource: string;
  readonly options: ConnectionPoolOptions;
  /** A connection of the pool itself. */
  readonly take: () => Promise<Connection>;
}

type Leases<Connection extends object> = WeakMap<ScopedTransaction, Lease<Connection>>;

/**
 * By pool and resource: whoever asks, by whichever facade of a pool and in either flavour, gets the same connection in one transaction. Two
 * would be two branches at one database, and wait for each other's locks.
 */
const LEASES = new WeakMap<object, Map<string, Leases<never>>>();

function leasesOf<Connection extends object>(pool: object, resource: string): Leases<Connection> {
  const ofPool = LEASES.get(pool) ?? new Map<string, Leases<never>>();
  LEASES.set(pool, ofPool);
  // The connections of one pool are of one kind.
  const leases = (ofPool.get(resource) ?? new WeakMap()) as Leases<never>;
  ofPool.set(resource, leases);
  return leases as unknown as Leases<Connection>;
}

/** Of one facade of a pool. */
export class LeaseSource<Connection extends { release(): void }> {
  readonly #parts: LeaseSourceParts<Connection>;
  readonly #leases: Leases<Connection>;

  constructor(parts: LeaseSourceParts<Connection>) {
    this.#parts = parts;
    this.#leases = leasesOf(parts.pool, parts.resource);
  }

  /**
   * Where the running code works; undefined: in no transaction.
   * @throws {ConcordatError} TXN_STATE: its transaction has ended. TRANSACTION_REQUIRED: none is there, and the pool is strict.
   */
  here(): { readonly lease: Lease<Connection>; readonly level: Level } | undefined {
    const { ambient, options, resource } = this.#parts;
    const { now } = ambient;
    if (now === undefined) {
      if (options.strict === true) {
        throw new ConcordatError(
          `The pool of ${resource} is strict, and no transaction is open here. Next: call it within concordat.transaction(), or use the pool that it was made of.`,
          { code: 'TRANSACTION_REQUIRED', retryable: false },
        );
      }
      return undefined;
    }
    if (hasEnded(now)) {
      throw ended(now.tx, now.level);
    }
    return { lease: this.#leaseOf(now.tx), level: now.level };
  }

  #leaseOf(tx: ScopedTransaction): Lease<Connection> {
    let lease = this.#leases.get(tx);
    if (lease === undefined) {
      lease = new Lease(this.#parts.ambient, tx, () => this.#enlist(tx));
      this.#leases.set(tx, lease);
    }
    return lease;
  }

  async #enlist(tx: ScopedTransaction) {
    const connection = await this.#parts.take();
    try {
      return { connection, enlisted: await tx.enlist(this.#parts.resource, connection) };
    } finally {
      // As long as it is lent, its pool does not get it back.
      connection.release();
    }
  }
}
