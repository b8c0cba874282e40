// What the engine lists as prepared, for votes that only its list can tell: one listing for all who ask before it begins.
import type { Evidence } from '../../../xa/vocabulary.ts';
import { formatXid } from '../../../xa/xid.ts';
import type { ResourceManager } from '../../resource-manager.ts';

export class PreparedListing {
  readonly #rm: ResourceManager;
  /** The next listing, which has not begun: every branch asked for until then shares it. */
  #next: Promise<ReadonlyMap<string, readonly Evidence[]>> | undefined;
  #current: Promise<unknown> = Promise.resolve();

  constructor(rm: ResourceManager) {
    this.#rm = rm;
  }

  /** By branch, from a listing that begins after this call. @throws {EngineError} */
  read(): Promise<ReadonlyMap<string, readonly Evidence[]>> {
    this.#next ??= this.#current.then(async () => {
      this.#next = undefined;
      const listing = this.#rm.list();
      this.#current = listing.then(
        () => undefined,
        () => undefined,
      );
      const prepared = new Map<string, readonly Evidence[]>();
      for (const { xid, evidence } of await listing) {
        if (xid !== undefined) {
          const key = formatXid(xid);
          prepared.set(key, [...(prepared.get(key) ?? []), evidence]);
        }
      }
      return prepared;
    });
    return this.#next;
  }
}
