// Where the contest takes place: two databases with their default durability, a coordinator and two sidecars, all of our own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAdminClient } from '../src/cli/run/admin-client.ts';
import { type Concordat, connect } from '../src/client/index.ts';
import { Cluster } from '../src/dev/cluster.ts';
import { type EngineServer, startMariadb, startMysql, startPostgres } from '../src/dev/engines/index.ts';
import { sidecarsAttached } from '../src/dev/story.ts';

export const PAIRS = ['postgresql+mariadb', 'postgresql+postgresql', 'postgresql+mysql'] as const;
export type Pair = (typeof PAIRS)[number];

export interface Site extends AsyncDisposable {
  readonly directory: string;
  readonly servers: readonly [EngineServer, EngineServer];
  readonly cluster: Cluster;
  connect(): Promise<Concordat>;
  /** name -> pid of what takes part in a transfer; this process is `client`. */
  processes(): Map<string, number>;
  /** Forced writes of the coordinator's log so far. */
  forcedWrites(): Promise<number>;
  /** Decisions that are not carried out at every branch. */
  unfinished(): Promise<number>;
}

/** One process for both sidecars, or one for each. */
export const SIDECARS = ['one', 'each'] as const;
export type SidecarProcesses = (typeof SIDECARS)[number];

export interface SiteOptions {
  readonly sidecars: SidecarProcesses;
  readonly onProgress: (text: string) => void;
  /** After that long the databases refuse to wait for a lock; as they do by default if not given. */
  readonly lockWaitSeconds?: number;
}

export async function openSite(pair: Pair, options: SiteOptions): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'concordat-bench-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const accounts = stack.use(await startFirst(join(directory, 'accounts'), options));
  const orders = stack.use(await startSecond(pair, join(directory, 'orders'), options));
  const cluster = new Cluster({
    directory,
    listen: '127.0.0.1:0',
    databases: { accounts, orders, note: undefined },
    oneProcess: options.sidecars === 'one',
  });
  stack.defer(() => cluster.stopPrograms());
  await cluster.startCoordinator();
  await cluster.startSidecars();
  const admin = stack.use(openAdminClient({ address: cluster.address, timeoutMs: 30_000 }));
  const held = stack.move();
  return {
    directory,
    servers: [accounts, orders],
    cluster,
    async connect() {
      const concordat = await connect(cluster.address, { application: 'bench' });
      await sidecarsAttached(concordat);
      return concordat;
    },
    processes: () =>
      new Map([
        ['client', process.pid],
        ['coordinator', cluster.coordinator.pid],
        ...sidecarProcesses(cluster, options.sidecars),
        ['engine 1', accounts.pid ?? 0],
        ['engine 2', orders.pid ?? 0],
      ]),
    forcedWrites: async () => Number((await admin.call('GetLogStatus', {})).forcedWrites),
    unfinished: async () => Number((await admin.call('GetLogStatus', {})).unfinishedDecisions),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function sidecarProcesses(cluster: Cluster, processes: SidecarProcesses): readonly (readonly [string, number])[] {
  const [first, second] = [cluster.sidecar('accounts').pid, cluster.sidecar('orders').pid];
  return processes === 'one'
    ? [['sidecars', first]]
    : [
        ['sidecar 1', first],
        ['sidecar 2', second],
      ];
}

function startFirst(directory: string, options: SiteOptions): Promise<EngineServer> {
  return startPostgres({ version: 18, directory, settings: postgresSettings(options), onProgress: options.onProgress });
}

function startSecond(pair: Pair, directory: string, options: SiteOptions): Promise<EngineServer> {
  const { onProgress } = options;
  switch (pair) {
    case 'postgresql+postgresql':
      // `fresh`: two copies of one data directory would claim to be the same engine.
      return startPostgres({ version: 18, directory, settings: postgresSettings(options), fresh: true, onProgress });
    case 'postgresql+mariadb':
      return startMariadb({ directory, settings: mysqlSettings(options), onProgress });
    case 'postgresql+mysql':
      return startMysql({ directory, settings: mysqlSettings(options), onProgress });
  }
}

function postgresSettings({ lockWaitSeconds }: SiteOptions): Record<string, string> {
  return {
    ...{ max_connections: '400', max_prepared_transactions: '300' },
    ...(lockWaitSeconds !== undefined && { lock_timeout: `${lockWaitSeconds}s` }),
  };
}

function mysqlSettings({ lockWaitSeconds }: SiteOptions): Record<string, string> {
  return {
    'max-connections': '400',
    ...(lockWaitSeconds !== undefined && { 'innodb-lock-wait-timeout': String(lockWaitSeconds) }),
  };
}
