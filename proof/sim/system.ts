// Everything that one simulation is made of, and how its parts come and go.
import type { ResourceName } from '../../src/xa/xid.ts';
import { Attempts } from './attempt.ts';
import { Client, type ClientParts } from './client.ts';
import { CoordinatorNode } from './coordinator.ts';
import { SimEngine } from './engine.ts';
import { Network } from './network.ts';
import { Site } from './site.ts';
import type { ShapeOptions, SwarmOptions } from './swarm.ts';
import { Address, type EngineRates } from './wire-to-engine.ts';
import type { World } from './world.ts';

/** From a process's end to the start of its next life, where nothing else says. */
const RESTART_MS = 300;

const CALM: EngineRates = {
  ...{ latencyMs: 0.5, slow: 0, slowMs: 0, lostRequest: 0, lostAnswer: 0, falseUnknown: 0, noticeMs: 10 },
};

export class System {
  readonly world: World;
  readonly options: SwarmOptions;
  readonly network: Network;
  readonly coordinator: CoordinatorNode;
  readonly sites: readonly Site[];
  readonly attempts = new Attempts();
  readonly clients: Client[];
  engineRates: EngineRates = CALM;
  onTold: ClientParts['onTold'] = () => undefined;
  /** The last life of the log before it was replaced by a backup of it. */
  restoredEpoch = 0;
  /** Called at every vote, decision and finish. */
  onCritical: () => void = () => undefined;
  #wanted: number;
  #lives = 1;

  constructor(world: World, options: SwarmOptions) {
    const { shape } = options;
    this.world = world;
    this.options = options;
    this.#wanted = options.transactions;
    this.network = new Network(world, { ...options.network, slow: 0, broken: 0, late: 0 });
    this.coordinator = new CoordinatorNode(this.network, { ...shape, defaultTimeoutMs: 5_000 });
    this.coordinator.disk.flushMs = shape.flushMs;
    this.coordinator.onStopped = () => world.after(RESTART_MS, () => this.startCoordinator());
    this.sites = Array.from({ length: shape.sites }).flatMap((_, index) => {
      const name = `r${index}` as string as ResourceName;
      const engine = new SimEngine(name, world.chance.fork());
      prepareRows(engine);
      // A database may have two sidecars; either may finish what the other has begun.
      const suffixes = world.chance.happens(shape.twinShare) ? ['', 'b'] : [''];
      const sidecars: Site[] = [];
      for (const suffix of suffixes) {
        const address = new Address(engine);
        const site = new Site({
          ...{ name, suffix, engine, address, sidecars, network: this.network, maxBranches: shape.maxBranches },
          ...{ rates: () => this.engineRates, attach: (from) => this.coordinator.open(from, 'attach') },
        });
        sidecars.push(site);
      }
      return sidecars;
    });
    this.clients = Array.from({ length: shape.clients }, (_, index) => this.#client(index));
  }

  get shape(): ShapeOptions {
    return this.options.shape;
  }

  /** Starts the coordinator unless it runs; one that fails at the start is started again. */
  startCoordinator(): void {
    if (this.coordinator.host === undefined) {
      this.coordinator.start().catch((error: unknown) => {
        this.world.trace.say('coord', 'did not start', error);
        this.coordinator.kill('lost');
        this.world.after(RESTART_MS, () => this.startCoordinator());
      });
    }
  }

  startSite(site: Site): void {
    if (site.host === undefined) {
      site.start();
    }
  }

  startClients(): void {
    for (const client of this.clients) {
      client.work(this.shape.concurrency);
    }
  }

  /** What it had begun is left behind, and another life of it works on. */
  killClient(index: number): void {
    this.clients[index]?.host.kill();
    const next = this.#client(index);
    this.clients[index] = next;
    next.work(this.shape.concurrency);
  }

  /** Whether every client has done its work. */
  get idle(): boolean {
    return this.clients.every((client) => client.idle);
  }

  /** From now on things are slow and lost, if they are in this simulation. */
  disturb(): void {
    this.network.rates = this.options.network;
    this.engineRates = this.options.engine;
  }

  /** Nothing is slow, lost or refused any more, and nothing new is begun. */
  calm(): void {
    this.#wanted = 0;
    this.network.rates = { ...this.network.rates, slow: 0, broken: 0, late: 0 };
    this.engineRates = CALM;
    this.startCoordinator();
    for (const site of this.sites) {
      this.startSite(site);
    }
  }

  #client(index: number): Client {
    const { network, coordinator, sites, attempts, shape } = this;
    const parts: ClientParts = {
      ...{ name: `c${index}`, network, coordinator, sites, attempts, shape },
      wantsMore: () => {
        this.#wanted -= 1;
        return this.#wanted >= 0;
      },
      onTold: (attempt, told, applied) => this.onTold(attempt, told, applied),
    };
    this.#lives += 1;
    return new Client(parts, this.#lives);
  }
}

/** What every database has before anything begins. */
export function prepareRows(engine: SimEngine): void {
  const transaction = engine.begin({ tag: '', ended: () => undefined }, { isolation: 'default', readOnly: false });
  engine.write(transaction, 'hot', { kind: 'int', value: 0n });
  engine.commit(transaction);
}
