// Which branch a resource has within one transaction, and where a new one is to live.

import { ConcordatError } from '../public/errors.ts';
import type { BranchStart, RunOptions } from '../public/options.ts';
import type { Resource } from '../public/resource.ts';
import type { OneShotStatement, TransactResult } from '../public/transaction.ts';
import type { Ambient } from '../scope/ambient.ts';
import type { CoordinatorSession } from '../session/coordinator-session.ts';
import type { ResourceLinks } from '../session/resource-links.ts';
import { type Placement, SidecarBranch } from './branch.ts';
import type { Embedding } from './embedding.ts';
import type { Work } from './work.ts';

/** What every transaction object of a client shares. */
export interface ClientParts {
  readonly session: CoordinatorSession;
  readonly links: ResourceLinks;
  readonly embedding: Embedding;
  readonly ambient: Ambient;
  readonly outcomeTimeoutMs: number;
}

/** What the transactions that do the application's work have besides. */
export interface TransactionParts extends ClientParts {
  /** As `Concordat.transact`: a transaction beside them. */
  readonly transact: (statements: readonly OneShotStatement[], options: RunOptions) => Promise<TransactResult>;
}

/** How long after it left a sidecar is waited for: long enough for its restart, or for that of the coordinator. */
const SIDECAR_RESTART_MS = 3_000;

/** The sidecar branches of one transaction, by resource, made when they are first named. */
export class WorkBranches {
  readonly #parts: ClientParts;
  readonly #work: Work;
  readonly #start: BranchStart;
  readonly #place: (resource: string) => Placement | Promise<Placement>;
  readonly #byResource = new Map<string, SidecarBranch>();

  constructor(
    parts: ClientParts,
    work: Work,
    start: BranchStart,
    place: (resource: string) => Placement | Promise<Placement>,
  ) {
    this.#parts = parts;
    this.#work = work;
    this.#start = start;
    this.#place = place;
  }

  get(resource: string): Resource {
    let branch = this.#byResource.get(resource);
    if (branch === undefined) {
      branch = new SidecarBranch({
        resource,
        work: this.#work,
        levelNow: () => this.#parts.ambient.levelIn(this.#work),
        start: this.#start,
        engine: () => this.#parts.session.directory.get(resource)?.engine,
        place: () => this.#place(resource),
      });
      this.#byResource.set(resource, branch);
      this.#work.add(branch);
    }
    return branch;
  }
}

/** The coordinator counts the branches of joined services up from 1; those that the beginner adds are counted down, to stay apart. */
const QUALIFIER_MAX = 9_999;

/** The branch qualifiers that the beginner of a transaction has used: first `<resource>`, then `<resource>.<n>`. */
export class Qualifiers {
  readonly #used = new Map<string, number>();

  next(resource: string): string {
    const used = this.#used.get(resource) ?? 0;
    this.#used.set(resource, used + 1);
    return used === 0 ? resource : `${resource}.${QUALIFIER_MAX + 1 - used}`;
  }
}

/** A branch of the beginner needs no enlisting: its sidecar reports it, and the commit names it. */
export function placeBranch(
  parts: ClientParts,
  work: Work,
  resource: string,
  bqual: string,
): Placement | Promise<Placement> {
  const look = (): Placement | undefined => {
    const entry = parts.session.directory.get(resource);
    if (entry === undefined) {
      throw unknownResource(parts, resource);
    }
    return entry.address === '' ? undefined : { bqual, link: parts.links.get(entry.address) };
  };
  const placement = look();
  if (placement !== undefined) {
    return placement;
  }
  const restartMs = SIDECAR_RESTART_MS - (parts.session.goneForMs(resource) ?? SIDECAR_RESTART_MS);
  if (restartMs <= 0) {
    throw unavailable(resource);
  }
  const timeoutMs = Math.min(restartMs, work.remainingMs);
  return parts.session.until(look, { timeoutMs, signal: work.signal }, () => unavailable(resource));
}

/**
 * What a transaction cannot do without.
 * @throws {ConcordatError} RESOURCE_UNKNOWN, RESOURCE_UNAVAILABLE: nothing was begun.
 */
export function checkRequired(parts: ClientParts, requires: readonly string[] | undefined): void {
  for (const resource of requires ?? []) {
    const entry = parts.session.directory.get(resource);
    if (entry === undefined) {
      throw unknownResource(parts, resource);
    }
    if (entry.address === '') {
      throw unavailable(resource);
    }
  }
}

function unknownResource(parts: ClientParts, resource: string): ConcordatError {
  const known = [...parts.session.directory.keys()].sort().join(', ') || 'none';
  return new ConcordatError(`No resource is called ${resource}. Known: ${known}. Start its participant.`, {
    code: 'RESOURCE_UNKNOWN',
    retryable: false,
  });
}

function unavailable(resource: string): ConcordatError {
  return new ConcordatError(
    `No sidecar of ${resource} is attached to the coordinator, so that nothing can be done there. Start it, or see with concordat resource list what it lacks.`,
    {
      code: 'RESOURCE_UNAVAILABLE',
      retryable: true,
    },
  );
}
