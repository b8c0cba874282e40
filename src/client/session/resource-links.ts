// The streams to sidecars: one for each address, opened at its first statement, opened anew after it broke.
import type { CoordinatorError } from '../../xa/errors.ts';
import type { Logger } from '../public/options.ts';
import { ResourceLink } from './resource-link.ts';

/** Belongs to one client; closing it breaks every stream. */
export class ResourceLinks {
  readonly #links = new Map<string, ResourceLink>();
  readonly #logger: Logger | undefined;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  get(address: string): ResourceLink {
    let link = this.#links.get(address);
    if (link === undefined) {
      link = new ResourceLink(address, this.#onLost);
      this.#links.set(address, link);
    }
    return link;
  }

  /** Closes the streams to addresses that the directory does not name any more, once no branch lives there. */
  keep(addresses: ReadonlySet<string>): void {
    for (const link of this.#links.values()) {
      if (!addresses.has(link.address) && link.branches === 0) {
        link.close();
      }
    }
  }

  close(): void {
    for (const link of [...this.#links.values()]) {
      link.close();
    }
  }

  readonly #onLost = (link: ResourceLink, error: CoordinatorError): void => {
    if (this.#links.get(link.address) === link) {
      this.#links.delete(link.address);
    }
    this.#logger?.warn({ evt: 'resource_stream_lost', address: link.address, err: error }, error.message);
  };
}
