// Who speaks for which resource: the participant instances that are attached now, and the resources that the log has known.
import type { ScanResult__Output } from '../../gen/concordat/v1/ScanResult.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Evidence, EvidenceRow } from '../../xa/evidence.ts';
import { RESOURCES_MAX } from '../../xa/limits.ts';
import type { BranchProof, Reason } from '../../xa/vocabulary.ts';
import type { ResourceName } from '../../xa/xid.ts';

/** What reaches a participant instance; sent in order, lost when its stream breaks (D9). */
export interface Link {
  readonly resource: ResourceName;
  readonly instance: string;
  readonly kind: 'sidecar' | 'embedded';
  /** Where it serves statements; empty when embedded. */
  readonly address: string;
  readonly engine: string;
  readonly engineVersion: string;
  readonly engineIdentity: string;
  readonly warnings: readonly string[];
  readonly attachedAt: number;
  prepare(gtrid: string, bqual: string): void;
  /** @param opener the instance that opened the branch: of a commit in one phase another one says only what became of it. */
  finish(
    gtrid: string,
    bqual: string,
    verb: 'commit' | 'rollback' | 'commit-one-phase',
    evidence: Evidence,
    opener: string | undefined,
  ): void;
  /** Deletes evidence rows. */
  forget(rows: readonly EvidenceRow[]): void;
  /** What the engine shows for one branch now. @throws {CoordinatorError} when the participant does not answer in time. */
  probe(gtrid: string, bqual: string, evidence: Evidence): Promise<Probe>;
  /** Everything the engine lists, and a preflight made now. @throws {CoordinatorError} as above. */
  scan(): Promise<Scan>;
  /** Writes a token into the participant's database. @throws {CoordinatorError} when the participant does not answer in time. */
  showToken(token: string): Promise<TokenAnswer>;
  /** What the participant reads in its database as the token of another one. @throws {CoordinatorError} as above. */
  readToken(instance: string): Promise<TokenAnswer>;
  /** The participant may not take part any more: it hears why, and the stream ends. */
  refuse(error: CoordinatorError): void;
  /** Ends the stream after what was sent: another one of the same instance has taken its place, or the coordinator leaves. */
  close(): void;
}

export interface Probe {
  readonly proof: BranchProof;
  readonly blockedSessions: number;
}

/** `failed`: its database does not answer. */
export type TokenAnswer =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'failed'; readonly message: string };

/** Passed on to operators as it came over the wire. */
export type Scan = Pick<ScanResult__Output, 'branches' | 'findings'>;

/** A participant that wanted to speak for a resource and is at another database. */
export interface RefusedAttachment {
  readonly link: Link;
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly message: string;
}

export interface KnownResource {
  readonly name: ResourceName;
  readonly engine: string;
  readonly engineIdentity: string;
  /** The newest participant that was refused since one took part for the last time. */
  readonly refused: RefusedAttachment | undefined;
  /** Attached now, the newest last. */
  readonly links: readonly Link[];
  /** Monotonic milliseconds: when the last of them went. Undefined: there is one, or there was none since the start. */
  readonly awayAt: number | undefined;
}

/** Why an attached participant's database does not answer it, and since when it does not, whatever it said meanwhile. */
interface Trouble {
  readonly reason: Reason;
  /** Monotonic milliseconds. */
  readonly at: number;
}

interface MutableResource {
  readonly name: ResourceName;
  engine: string;
  engineIdentity: string;
  refused: RefusedAttachment | undefined;
  /** A successor is being written to the log: until then the resource is neither the one nor the other. */
  isChanging: boolean;
  links: Link[];
  awayAt: number | undefined;
}

export class Directory {
  readonly #resources = new Map<ResourceName, MutableResource>();
  readonly #troubles = new WeakMap<Link, Trouble | undefined>();
  readonly #listeners = new Set<(name: ResourceName) => void>();
  #hasMet = false;

  /**
   * Whether a resource that attaches for the first time may stay: its name does so for good.
   * @throws {CoordinatorError} `LIMIT_RESOURCES`
   */
  checkRoom(name: ResourceName): void {
    if (!this.#resources.has(name) && this.#resources.size >= RESOURCES_MAX) {
      throw new CoordinatorError(
        'LIMIT_RESOURCES',
        `${this.#resources.size} resources are registered, and at most ${RESOURCES_MAX} may be`,
      );
    }
  }

  /** A resource that the log knows, or that attaches for the first time. */
  register(name: ResourceName, engine: string, engineIdentity: string): void {
    const known = this.#resources.get(name);
    if (known === undefined) {
      this.#resources.set(name, {
        name,
        engine,
        engineIdentity,
        refused: undefined,
        isChanging: false,
        links: [],
        awayAt: undefined,
      });
    }
  }

  /**
   * Whether this engine may speak for the resource: the same engine as ever, under no second name.
   * @throws {CoordinatorError} `RESOURCE_IDENTITY`; `RESOURCE_UNAVAILABLE`: just now it cannot be said.
   */
  check(name: ResourceName, engineIdentity: string): void {
    if (this.#resources.get(name)?.isChanging) {
      throw new CoordinatorError('RESOURCE_UNAVAILABLE', `a successor of ${name} is being written to the log`);
    }
    const known = this.#resources.get(name);
    if (known !== undefined && known.engineIdentity !== engineIdentity) {
      throw new CoordinatorError(
        'RESOURCE_IDENTITY',
        `resource ${name} is the engine ${known.engineIdentity}, and this participant speaks for ${engineIdentity}. ` +
          `If that database has taken its place (upgrade, restore, new server id), run: concordat resource accept ${name}`,
      );
    }
    this.checkName(name, engineIdentity);
  }

  /** One database has one name. @throws {CoordinatorError} `RESOURCE_IDENTITY` */
  checkName(name: ResourceName, engineIdentity: string): void {
    for (const resource of this.#resources.values()) {
      if (resource.name !== name && resource.engineIdentity === engineIdentity) {
        throw new CoordinatorError(
          'RESOURCE_IDENTITY',
          `the engine ${engineIdentity} is registered as resource ${resource.name}; one database has one name`,
        );
      }
    }
  }

  noteRefused(refused: RefusedAttachment): void {
    const resource = this.#resources.get(refused.link.resource);
    if (resource !== undefined) {
      resource.refused = refused;
    }
  }

  /**
   * Another engine takes the place of the one that was registered: `durable` is called when nobody speaks for the former one any more,
   * and the successor may attach when it has resolved.
   */
  async succeed(
    name: ResourceName,
    engine: string,
    engineIdentity: string,
    durable: () => Promise<void>,
  ): Promise<void> {
    const resource = this.#resources.get(name);
    if (resource === undefined) {
      throw unknownResource(name);
    }
    resource.isChanging = true;
    for (const link of [...resource.links]) {
      link.refuse(new CoordinatorError('RESOURCE_IDENTITY', `an operator accepted ${engineIdentity} as ${name}`));
    }
    await durable();
    resource.engine = engine;
    resource.engineIdentity = engineIdentity;
    resource.refused = undefined;
    resource.isChanging = false;
  }

  /** Nobody speaks for the name any more, and nothing is known by it, once `durable` has it in the log. */
  async forget(name: ResourceName, durable: () => Promise<void>): Promise<void> {
    const resource = this.#resources.get(name);
    if (resource === undefined) {
      throw unknownResource(name);
    }
    resource.isChanging = true;
    for (const link of [...resource.links]) {
      link.refuse(new CoordinatorError('RESOURCE_IDENTITY', `an operator has let the name ${name} go`));
    }
    await durable();
    this.#resources.delete(name);
    this.#changed(name);
  }

  /** What an attached participant says of its database: why it is refused, or undefined. @returns whether that is news. */
  noteTrouble(link: Link, reason: Reason | undefined, now: number): boolean {
    const known = this.#troubles.get(link);
    this.#troubles.set(link, reason && { reason, at: known?.at ?? now });
    return known?.reason.code !== reason?.code || known?.reason.message !== reason?.message;
  }

  troubleOf(link: Link): Trouble | undefined {
    return this.#troubles.get(link);
  }

  isRegistered(name: ResourceName): boolean {
    return this.#resources.has(name);
  }

  /** Whether a database has taken this life for one of its log since the start: until then the log may be a copy that lacks decisions. */
  get hasMet(): boolean {
    return this.#hasMet;
  }

  attach(link: Link): void {
    const resource = this.#resources.get(link.resource);
    if (resource === undefined) {
      throw unknownResource(link.resource);
    }
    this.#hasMet = true;
    resource.refused = undefined;
    resource.awayAt = undefined;
    const former = resource.links.find((other) => other.instance === link.instance);
    resource.links = [...resource.links.filter((other) => other !== former), link];
    former?.close();
    this.#changed(link.resource);
  }

  /** @param now monotonic milliseconds. */
  detach(link: Link, now: number): void {
    const resource = this.#resources.get(link.resource);
    if (resource?.links.includes(link)) {
      resource.links = resource.links.filter((other) => other !== link);
      resource.awayAt = resource.links.length === 0 ? now : undefined;
      this.#changed(link.resource);
    }
  }

  get(name: ResourceName): KnownResource | undefined {
    return this.#resources.get(name);
  }

  all(): readonly KnownResource[] {
    return [...this.#resources.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  linkOf(name: ResourceName, instance: string): Link | undefined {
    return this.#resources.get(name)?.links.find((link) => link.instance === instance);
  }

  /** The newest attached sidecar: it finishes what its own and every other instance left. */
  sidecarOf(name: ResourceName): Link | undefined {
    return this.#resources.get(name)?.links.findLast((link) => link.kind === 'sidecar');
  }

  /** `listener` hears the name of the resource that changed. @returns a function that ends the subscription. */
  onChange(listener: (name: ResourceName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(name: ResourceName): void {
    for (const listener of this.#listeners) {
      listener(name);
    }
  }
}

function unknownResource(name: ResourceName): CoordinatorError {
  return new CoordinatorError('RESOURCE_UNKNOWN', `resource ${name} is not registered`);
}
