// The real coordinator and real sidecars over memory engines, all in this process, over real gRPC.
import { type Concordat, type ConnectOptions, connect } from '../../src/client/index.ts';
import { type Coordinator, startCoordinator } from '../../src/coordinator/server.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import type { Sidecar } from '../../src/participants/sidecar/sidecar.ts';
import { runSidecars } from '../../src/participants/sidecar/sidecars.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import { eventually } from '../support/eventually.ts';

const RESOURCES = ['accounts', 'orders'] as const;
export type ResourceKey = (typeof RESOURCES)[number];

const silence = () => undefined;
const silent = { debug: silence, info: silence, warn: silence, error: silence, fatal: silence };
const logger = { ...silent, trace: silence };

export class RealCluster implements AsyncDisposable {
  readonly #disk = new MemoryDisk();
  readonly #engines = new Map<ResourceKey, MemoryEngine>();
  readonly #sidecars = new Map<ResourceKey, Sidecar>();
  readonly #clients: Concordat[] = [];
  #log: Log | undefined;
  #coordinator: Coordinator | undefined;
  #listen = '127.0.0.1:0';
  readonly #openTransactionsMax: number;

  constructor(openTransactionsMax: number) {
    this.#openTransactionsMax = openTransactionsMax;
  }

  get address(): string {
    return this.#listen;
  }

  get coordinator(): Coordinator {
    if (this.#coordinator === undefined) {
      throw new Error('the coordinator does not run');
    }
    return this.#coordinator;
  }

  async startCoordinator(): Promise<void> {
    const ports = { clock: systemClock, random: systemRandom };
    this.#log = await openMemoryLog({ ...ports, version: 'test', disk: this.#disk });
    this.#coordinator = await startCoordinator({
      ...ports,
      log: this.#log,
      logger: logger as never,
      listen: this.#listen,
      defaultTimeoutMs: 30_000,
      openTransactionsMax: this.#openTransactionsMax,
      outcomesMax: 10_000,
      drainGraceMs: 1_000,
    });
    this.#listen = this.#coordinator.address;
  }

  /** As a crash: what is open stays for the next life to recover. */
  async killCoordinator(): Promise<void> {
    await this.#coordinator?.stop();
    await this.#log?.[Symbol.asyncDispose]();
  }

  async startSidecar(resource: ResourceKey): Promise<void> {
    let engine = this.#engines.get(resource);
    if (engine === undefined) {
      engine = new MemoryEngine(`engine-of-${resource}`);
      this.#engines.set(resource, engine);
    }
    const opened = engine;
    const config = {
      ...{ resource, url: 'memory:', coordinator: this.#listen, listen: '127.0.0.1:0', advertise: undefined },
      ...{ maxBranches: 64, detach: false, drainGraceMs: 1_000 },
    };
    const ports = {
      ...{ clock: systemClock, random: systemRandom, logger: silent },
      openEngine: () => openMemoryResourceManager({ engine: opened, clock: systemClock, poolMax: 64 }),
    };
    const { each } = await runSidecars([config], ports, () => ports);
    const [sidecar] = each as readonly [Sidecar];
    this.#sidecars.set(resource, sidecar);
    await sidecar.ready;
  }

  async stopSidecar(resource: ResourceKey): Promise<void> {
    await this.#sidecars.get(resource)?.stop(0);
  }

  /** Branches that any engine holds prepared. */
  get prepared(): number {
    return [...this.#engines.values()].reduce((sum, engine) => sum + engine.prepared().length, 0);
  }

  async connect(options: ConnectOptions = {}): Promise<Concordat> {
    const concordat = await connect(this.#listen, options);
    this.#clients.push(concordat);
    await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
    return concordat;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all([...this.#sidecars.values()].map((sidecar) => sidecar.stop(0)));
    await this.killCoordinator();
  }
}

export async function startCluster(openTransactionsMax = 10_000): Promise<RealCluster> {
  const cluster = new RealCluster(openTransactionsMax);
  await cluster.startCoordinator();
  await Promise.all(RESOURCES.map((resource) => cluster.startSidecar(resource)));
  return cluster;
}
