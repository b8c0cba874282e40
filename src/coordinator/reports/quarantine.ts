// Branches that are not touched, because this log does not know their life, or not wholly: the wrong log, or an old copy of it (D8).
import type { Clock } from '../../lib/clock.ts';
import { DistinctCount } from '../../lib/distinct-count.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { QUARANTINED_NAMED_MAX } from '../../xa/quarantined.ts';
import { LISTED_NO_MORE_MS } from '../../xa/times.ts';
import type { Evidence } from '../../xa/vocabulary.ts';
import { formatXid, type Gtrid, type ResourceName, type Xid } from '../../xa/xid.ts';

export interface Quarantined extends Xid {
  readonly resource: ResourceName;
  readonly instance: string;
  readonly evidence: Evidence;
}

interface Listed {
  /** Each branch, and when it was told of last. */
  readonly seenAt: Map<string, Quarantined & { readonly at: number }>;
  /** Lists have come since then without a gap. */
  listedSince: number;
  listedAt: number;
  beyond: Beyond | undefined;
}

/** Those that are not named, counted anew for each while in which the engine is listed several times. */
interface Beyond {
  readonly since: number;
  readonly count: DistinctCount;
  /** Of the while before, which is whole. */
  readonly before: number;
}

export class Quarantine {
  readonly #clock: Clock;
  readonly #logger: EventLogger;
  readonly #resources = new Map<ResourceName, Listed>();

  constructor(clock: Clock, logger: EventLogger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** How many of them the resource's engine held when it was listed last: exactly, or about where more are there than are named. */
  countAt(resource: ResourceName): number {
    const listed = this.#resources.get(resource);
    const beyond = Math.max(listed?.beyond?.before ?? 0, listed?.beyond?.count.estimate ?? 0);
    return (listed?.seenAt.size ?? 0) + beyond;
  }

  /** Those that are named, of one resource. */
  at(resource: ResourceName): readonly Quarantined[] {
    return [...(this.#resources.get(resource)?.seenAt.values() ?? [])];
  }

  /** Those of one transaction. */
  of(gtrid: Gtrid): readonly Quarantined[] {
    return [...this.#resources.keys()].flatMap((resource) => this.at(resource)).filter((one) => one.gtrid === gtrid);
  }

  /** It is settled. */
  remove(branch: Quarantined): void {
    this.#resources.get(branch.resource)?.seenAt.delete(formatXid(branch));
  }

  /** @param why a sentence for people, who hear it once as long as the branch is there. */
  add(branch: Quarantined, why: string): void {
    const { gtrid, bqual, resource } = branch;
    const now = this.#clock.now();
    const listed = this.#resources.get(resource) ?? {
      seenAt: new Map(),
      listedSince: now,
      listedAt: now,
      beyond: undefined,
    };
    this.#resources.set(resource, listed);
    const key = formatXid({ gtrid, bqual });
    const isNew = !listed.seenAt.has(key);
    if (isNew && listed.seenAt.size >= QUARANTINED_NAMED_MAX) {
      listed.beyond ??= { since: now, count: new DistinctCount(), before: 0 };
      listed.beyond.count.add(key);
      return;
    }
    listed.seenAt.set(key, { ...branch, at: now });
    if (isNew) {
      this.#logger.error({ evt: 'branch-quarantined', txn: gtrid, branch: bqual, message: why });
    }
  }

  /** A list of the resource's engine has come: what was not in it for a while is gone. While nobody lists, nothing is concluded. */
  listed(resource: ResourceName): void {
    const listed = this.#resources.get(resource);
    if (listed === undefined) {
      return;
    }
    const now = this.#clock.now();
    if (now - listed.listedAt >= LISTED_NO_MORE_MS) {
      listed.listedSince = now;
    }
    listed.listedAt = now;
    if (now - listed.listedSince < LISTED_NO_MORE_MS) {
      return;
    }
    if (listed.beyond !== undefined && now - listed.beyond.since >= LISTED_NO_MORE_MS) {
      const before = listed.beyond.count.estimate;
      listed.beyond = before === 0 ? undefined : { since: now, count: new DistinctCount(), before };
    }
    for (const [key, { at }] of listed.seenAt) {
      if (now - at >= LISTED_NO_MORE_MS) {
        listed.seenAt.delete(key);
      }
    }
    if (listed.seenAt.size === 0) {
      this.#resources.delete(resource);
      this.#logger.info({ evt: 'quarantine-empty', resource });
    }
  }
}
