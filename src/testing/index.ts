// `concordat/testing`: what an application's unit tests import, to run its transactions without a database.
import { type Coordinator, startCoordinator } from '../coordinator/server.ts';
import { systemRandom } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import type { Log } from '../log/log.ts';
import { runSidecars } from '../participants/sidecar/sidecars.ts';
import { ScriptedDatabase } from './application/database.ts';
import type { TestConcordat, TestDatabase, TestOptions } from './application/public.ts';
import { MemoryDisk } from './log/memory-disk.ts';
import { openMemoryLog } from './log/memory-log.ts';

export type {
  TestAnswer,
  TestCall,
  TestConcordat,
  TestDatabase,
  TestEngine,
  TestOptions,
  TestRefusal,
  TestReply,
  TestScript,
  TestStatement,
} from './application/public.ts';

const silence = (): void => undefined;
const logger = { debug: silence, info: silence, warn: silence, error: silence, fatal: silence };
const ports = { clock: systemClock, random: systemRandom };
const DRAIN_GRACE_MS = 1_000;

/** Starts a coordinator, with its log in memory, and a sidecar for each database. Resolves when all of them take part. */
export async function startTesting(options: TestOptions): Promise<TestConcordat> {
  const testing = new InMemory(options);
  try {
    await testing.startCoordinator();
    await testing.startDatabases();
    return testing;
  } catch (error) {
    await testing[Symbol.asyncDispose]();
    throw error;
  }
}

class InMemory implements TestConcordat {
  readonly #options: TestOptions;
  readonly #disk = new MemoryDisk();
  readonly #databases: ReadonlyMap<string, ScriptedDatabase>;
  #running: { readonly coordinator: Coordinator; readonly log: Log } | undefined;
  #address = '127.0.0.1:0';

  constructor(options: TestOptions) {
    this.#options = options;
    const sidecar = { start: (database: ScriptedDatabase) => this.#startSidecar(database) };
    const databases = Object.entries(options.databases);
    this.#databases = new Map(databases.map(([name, kind]) => [name, new ScriptedDatabase(name, kind, sidecar)]));
  }

  get address(): string {
    return this.#address;
  }

  database(name: string): TestDatabase {
    const database = this.#databases.get(name);
    if (database === undefined) {
      throw new TypeError(`there is no database ${name}; there are: ${[...this.#databases.keys()].join(', ')}`);
    }
    return database;
  }

  async startCoordinator(): Promise<void> {
    if (this.#running !== undefined) {
      return;
    }
    const log = await openMemoryLog({ ...ports, version: 'testing', disk: this.#disk });
    const coordinator = await startCoordinator({
      ...{ ...ports, log, logger, listen: this.#address },
      defaultTimeoutMs: this.#options.defaultTimeoutMs ?? 30_000,
      openTransactionsMax: 10_000,
      outcomesMax: 10_000,
      drainGraceMs: DRAIN_GRACE_MS,
    });
    this.#running = { coordinator, log };
    this.#address = coordinator.address;
  }

  async stopCoordinator(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.coordinator.stop();
    await running?.log[Symbol.asyncDispose]();
  }

  async startDatabases(): Promise<void> {
    await Promise.all([...this.#databases.values()].map((database) => database.start()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#databases.values()].map((database) => database.stop()));
    await this.stopCoordinator();
  }

  async #startSidecar(database: ScriptedDatabase): Promise<() => Promise<void>> {
    const config = {
      ...{ resource: database.name, url: 'memory:', coordinator: this.#address, listen: '127.0.0.1:0' },
      ...{ advertise: undefined, maxBranches: 1_000, detach: false, drainGraceMs: DRAIN_GRACE_MS },
    };
    const all = { ...ports, logger, openEngine: () => database.open(systemClock) };
    const sidecars = await runSidecars([config], all, () => all);
    await sidecars.each[0]?.ready;
    return async () => await sidecars[Symbol.asyncDispose]();
  }
}
