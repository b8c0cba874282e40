// A small Concordat on this machine: two databases, a coordinator and two sidecars, each a process of its own.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EngineServer, EngineUnavailableError, startMariadb, startPostgres } from './engines/index.ts';
import { Program } from './program.ts';

export interface ClusterOptions {
  /** Holds everything; made if missing. */
  readonly directory: string;
  /** `host:port` of the coordinator; port 0 for a free one, kept over its restarts. */
  readonly listen: string;
  readonly onProgress: (text: string) => void;
}

/** The order side of the shop: MariaDB, or a second PostgreSQL where that cannot be had. */
export interface Databases {
  readonly accounts: EngineServer;
  readonly orders: EngineServer;
  /** Why the second one is not MariaDB. */
  readonly note: string | undefined;
}

export async function startDatabases(directory: string, onProgress: (text: string) => void): Promise<Databases> {
  const [accounts, orders] = await Promise.allSettled([
    startPostgres({ version: 18, directory: join(directory, 'accounts'), onProgress }),
    startMariadb({ directory: join(directory, 'orders'), onProgress }),
  ]);
  if (accounts.status === 'rejected') {
    await (orders.status === 'fulfilled' ? orders.value.stop() : undefined);
    throw accounts.reason;
  }
  if (orders.status === 'fulfilled') {
    return { accounts: accounts.value, orders: orders.value, note: undefined };
  }
  if (!(orders.reason instanceof EngineUnavailableError)) {
    await accounts.value.stop();
    throw orders.reason;
  }
  // `fresh`: two copies of one data directory would claim to be the same engine.
  const second = await startPostgres({ version: 18, directory: join(directory, 'orders-pg'), fresh: true, onProgress });
  return { accounts: accounts.value, orders: second, note: orders.reason.message };
}

export class Cluster {
  readonly #directory: string;
  readonly #databases: Databases;
  #coordinator: Program | undefined;
  readonly #sidecars = new Map<string, Program>();
  #address: string;
  #adminAddress = '127.0.0.1:0';

  constructor(options: { readonly directory: string; readonly listen: string; readonly databases: Databases }) {
    this.#directory = options.directory;
    this.#databases = options.databases;
    this.#address = options.listen;
  }

  get address(): string {
    return this.#address;
  }

  get coordinator(): Program {
    if (this.#coordinator === undefined) {
      throw new Error('the coordinator was not started');
    }
    return this.#coordinator;
  }

  /** @param failpoints where it kills itself; see lib/failpoint.ts. */
  async startCoordinator(failpoints = ''): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    this.#coordinator = Program.start({
      args: [
        'coordinator',
        '--data-dir',
        join(this.#directory, 'log'),
        '--listen',
        this.#address,
        '--admin-listen',
        this.#adminAddress,
      ],
      env: { CONCORDAT_FAILPOINTS: failpoints },
    });
    const { address } = await this.#coordinator.event('serving');
    this.#address = String(address);
  }

  async startSidecars(): Promise<void> {
    await Promise.all([this.startSidecar('accounts'), this.startSidecar('orders')]);
  }

  /** @param wait until it takes part; false where its coordinator cannot answer yet. */
  async startSidecar(
    resource: 'accounts' | 'orders',
    { wait = true, failpoints = '' }: { readonly wait?: boolean; readonly failpoints?: string } = {},
  ): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const urlFile = join(this.#directory, `${resource}.url`);
    await writeFile(urlFile, `${this.#databases[resource].url}\n`, { mode: 0o600 });
    const sidecar = Program.start({
      args: ['participant', '--resource', resource, '--url-file', urlFile, '--coordinator', this.#address],
      env: { CONCORDAT_FAILPOINTS: failpoints },
    });
    this.#sidecars.set(resource, sidecar);
    if (wait) {
      await sidecar.event('attached');
    }
  }

  sidecar(resource: 'accounts' | 'orders'): Program {
    const sidecar = this.#sidecars.get(resource);
    if (sidecar === undefined) {
      throw new Error(`the sidecar of ${resource} was not started`);
    }
    return sidecar;
  }

  /** Resolves with the first program that ends, whoever ended it. */
  fallen(): Promise<'coordinator' | 'accounts' | 'orders'> {
    return Promise.race([
      this.coordinator.ended.then(() => 'coordinator' as const),
      this.sidecar('accounts').ended.then(() => 'accounts' as const),
      this.sidecar('orders').ended.then(() => 'orders' as const),
    ]);
  }

  async stopPrograms(): Promise<void> {
    await Promise.all([...this.#sidecars.values(), this.#coordinator].map((program) => program?.stop()));
  }

  /** Programs first, then the databases; nothing is left behind. */
  async stop(): Promise<void> {
    await this.stopPrograms();
    await Promise.all([this.#databases.accounts.stop(), this.#databases.orders.stop()]);
  }
}
