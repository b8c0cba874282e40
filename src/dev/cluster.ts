// A small Concordat on this machine: two databases, a coordinator and two sidecars, each a process of its own unless told otherwise.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EngineServer, EngineUnavailableError, startMariadb, startPostgres } from './engines/index.ts';
import { Program } from './program.ts';

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

const RESOURCES = ['accounts', 'orders'] as const;
type Resource = (typeof RESOURCES)[number];

export class Cluster {
  readonly #directory: string;
  readonly #databases: Databases;
  readonly #oneProcess: boolean;
  #coordinator: Program | undefined;
  readonly #sidecars = new Map<Resource, Program>();
  #address: string;
  #adminAddress = '127.0.0.1:0';

  /** @param options.oneProcess both sidecars in one process instead of one for each. */
  constructor(options: {
    readonly directory: string;
    readonly listen: string;
    readonly databases: Databases;
    readonly oneProcess?: boolean;
  }) {
    this.#directory = options.directory;
    this.#databases = options.databases;
    this.#oneProcess = options.oneProcess ?? false;
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
    await Promise.all((this.#oneProcess ? RESOURCES.slice(0, 1) : RESOURCES).map((each) => this.startSidecar(each)));
  }

  /**
   * The sidecar of `resource`, with all others if they are one process.
   * @param wait until it takes part; false where its coordinator cannot answer yet.
   */
  async startSidecar(
    resource: Resource,
    { wait = true, failpoints = '' }: { readonly wait?: boolean; readonly failpoints?: string } = {},
  ): Promise<void> {
    const resources = this.#oneProcess ? RESOURCES : [resource];
    const files = await Promise.all(resources.map((each) => this.#configure(each)));
    const program = Program.start({
      args: ['participant', ...files.flatMap((file) => ['--config', file]), '--coordinator', this.#address],
      env: { CONCORDAT_FAILPOINTS: failpoints },
    });
    for (const each of resources) {
      this.#sidecars.set(each, program);
    }
    if (wait) {
      await Promise.all(resources.map((each) => program.event('attached', (line) => line['resource'] === each)));
    }
  }

  /** The configuration file of a sidecar. */
  async #configure(resource: Resource): Promise<string> {
    await mkdir(this.#directory, { recursive: true });
    const urlFile = join(this.#directory, `${resource}.url`);
    await writeFile(urlFile, `${this.#databases[resource].url}\n`, { mode: 0o600 });
    const file = join(this.#directory, `${resource}.json`);
    await writeFile(file, JSON.stringify({ resource, urlFile }));
    return file;
  }

  sidecar(resource: Resource): Program {
    const sidecar = this.#sidecars.get(resource);
    if (sidecar === undefined) {
      throw new Error(`the sidecar of ${resource} was not started`);
    }
    return sidecar;
  }

  /** Resolves with the first program that ends, whoever ended it. */
  fallen(): Promise<'coordinator' | Resource> {
    return Promise.race([
      this.coordinator.ended.then(() => 'coordinator' as const),
      ...RESOURCES.map((resource) => this.sidecar(resource).ended.then(() => resource)),
    ]);
  }

  async stopPrograms(): Promise<void> {
    const programs = new Set([...this.#sidecars.values(), this.#coordinator]);
    await Promise.all([...programs].map((program) => program?.stop()));
  }

  /** Programs first, then the databases; nothing is left behind. */
  async stop(): Promise<void> {
    await this.stopPrograms();
    await Promise.all([this.#databases.accounts.stop(), this.#databases.orders.stop()]);
  }
}
