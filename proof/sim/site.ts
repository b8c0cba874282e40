// A database and the sidecar beside it: the real participant runtime, started again whenever it dies.
import type { Error__Output as WireError } from '../../src/gen/concordat/v1/Error.ts';
import type { DialCoordinator } from '../../src/participants/attach/attach-link.ts';
import { openAttachLink } from '../../src/participants/attach/grpc-dial.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import type { StatementAnswer, StatementCall } from '../../src/participants/runtime/branches/statement-call.ts';
import { openParticipantRuntime, type ParticipantRuntime } from '../../src/participants/runtime/runtime.ts';
import { toWireError } from '../../src/wire/status.ts';
import type { ResourceName, Xid } from '../../src/xa/xid.ts';
import type { SimEngine } from './engine.ts';
import { Host } from './host.ts';
import { eventsTo } from './logger.ts';
import type { Network, Stream } from './network.ts';
import { RemoteResourceManager } from './remote-rm.ts';
import { type Address, type EngineRates, EngineWire } from './wire-to-engine.ts';

/** Opens a stream to whatever coordinator there is now. */
export type Attach = (from: Host) => Stream;

export interface SiteParts {
  /** Tells the processes of twins apart. */
  readonly suffix: string;
  readonly name: ResourceName;
  /** The database of the resource; another one may answer at its address. */
  readonly engine: SimEngine;
  readonly address: Address;
  readonly network: Network;
  readonly attach: Attach;
  readonly rates: () => EngineRates;
  readonly maxBranches: number;
  /** All of this database, this one among them. */
  readonly sidecars: readonly Site[];
}

/** Longer than a tombstone is not waited; most come much sooner. */
const LATE_MS = 30_000;

interface Life {
  readonly host: Host;
  readonly runtime: ParticipantRuntime;
}

export type Executed =
  | { readonly kind: 'done'; readonly answer: StatementAnswer; readonly instance: string }
  | { readonly kind: 'refused'; readonly error: WireError };

export class Site {
  readonly parts: SiteParts;
  #life: Life | undefined;
  #lives = 0;

  constructor(parts: SiteParts) {
    this.parts = parts;
  }

  get host(): Host | undefined {
    return this.#life?.host;
  }

  get runtime(): ParticipantRuntime | undefined {
    return this.#life?.runtime;
  }

  start(): void {
    const { name, suffix, network, address, rates } = this.parts;
    this.#lives += 1;
    const host = new Host(`${name}${suffix}/${this.#lives}`, network.world);
    const rm = new RemoteResourceManager(new EngineWire(host, address, rates));
    this.#life = { host, runtime: openRuntime(this.parts, host, 'sidecar', rm) };
  }

  kill(): void {
    this.#life?.host.kill();
    this.#life = undefined;
  }

  /** SIGTERM: rolls back what is open, says so, and leaves. */
  async stop(): Promise<void> {
    const life = this.#life;
    await life?.runtime[Symbol.asyncDispose]();
    life?.host.kill();
    if (this.#life === life) {
      this.#life = undefined;
    }
  }

  /** A statement that has come over the network: answered by the life that it reached, if that lives long enough. */
  execute(call: StatementCall, answered: (executed: Executed) => void): void {
    const { network, sidecars } = this.parts;
    const { chance, rates, world } = network;
    if (call.number === 1 && chance.happens(rates.late)) {
      world.after(chance.next() ** 3 * LATE_MS, () => chance.pick(sidecars).#execute(call, () => undefined));
    }
    this.#execute(call, answered);
  }

  #execute(call: StatementCall, answered: (executed: Executed) => void): void {
    const life = this.#life;
    life?.host.enter(() => {
      const { runtime } = life;
      runtime.execute(call).then(
        (answer) => answered({ kind: 'done', answer, instance: runtime.instance }),
        (error: unknown) => answered({ kind: 'refused', error: toWireError(error) }),
      );
    });
  }

  /** A client's word that it is done with the branch. */
  prepare(xid: Xid): void {
    const life = this.#life;
    life?.host.enter(() => life.runtime.prepare(xid));
  }
}

export function openRuntime(
  parts: SiteParts,
  host: Host,
  kind: 'sidecar' | 'embedded',
  rm: ResourceManager,
): ParticipantRuntime {
  const { name, attach, maxBranches } = parts;
  const dial: DialCoordinator = (events) => {
    const stream = attach(host);
    // Of a gRPC client only these two methods are used, and of its stream those that the simulated one has.
    const client = { attach: () => stream.near, close: () => undefined } as unknown as Parameters<
      typeof openAttachLink
    >[0];
    return openAttachLink(client, events);
  };
  return openParticipantRuntime({
    ...{ resource: name, kind, address: kind === 'sidecar' ? name : '', rm },
    ...{ dial, clock: host.clock, random: host.chance, logger: eventsTo(host), maxBranches },
  });
}
