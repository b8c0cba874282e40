// `concordat dev`, which `npm start` runs: a whole Concordat on this machine from nothing, a story that proves it works, and
// then a playground that stays up.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect } from '../client/index.ts';
import { systemClock } from '../lib/system-clock.ts';
import { productVersion } from '../wire/version.ts';
import { EXIT } from '../xa/errors.ts';
import { Cluster, type Databases, startDatabases } from './cluster.ts';
import { Shop } from './shop.ts';
import { sidecarsAttached, tellStory } from './story.ts';
import { Timeline } from './timeline.ts';

interface DevOptions {
  /** Tell the story and stop. */
  readonly once: boolean;
  /** Where databases and log live; a temporary folder when absent, removed at the end. */
  readonly directory?: string;
  /** `host:port` of the coordinator. */
  readonly listen: string;
  readonly colour: boolean;
  readonly write: (text: string) => void;
  /** Ends it early, in order: Ctrl-C. */
  readonly signal: AbortSignal;
}

/** @returns the exit code: 0 only if every check of the story held. */
export async function runDev(options: DevOptions): Promise<number> {
  const { write, colour } = options;
  const timeline = new Timeline({ write, colour, now: () => systemClock.now() });
  const directory = await workDirectory(options.directory);
  let databases: Databases | undefined;
  let cluster: Cluster | undefined;
  const aborted = new Promise<'aborted'>((done) => {
    options.signal.addEventListener('abort', () => done('aborted'), { once: true });
  });
  try {
    timeline.line(`Concordat ${productVersion()}: a transaction over two databases, all of it or none of it`);
    timeline.chapter('Setting the scene');
    databases = await startDatabases(directory.path, (text) => timeline.step(text));
    const { accounts, orders, note } = databases;
    timeline.step(
      `${title(accounts.engine)} ${short(accounts.version)} on port ${accounts.port} keeps the customers (resource accounts)`,
    );
    timeline.step(
      `${title(orders.engine)} ${short(orders.version)} on port ${orders.port} keeps their orders (resource orders)`,
    );
    if (note !== undefined) {
      timeline.step(`a second PostgreSQL stands in for MariaDB: ${note}`);
    }
    const shop = new Shop(accounts, orders);
    await shop.open();
    cluster = new Cluster({ directory: directory.path, listen: options.listen, databases });
    await cluster.startCoordinator();
    await cluster.startSidecars();
    timeline.step(`one coordinator on ${cluster.address} and two sidecars, each a process of its own`);
    if ((await Promise.race([aborted, story(cluster, shop, timeline, orders.engine === 'postgresql')])) === 'aborted') {
      return EXIT.unexpected;
    }
    timeline.line();
    timeline.line(
      timeline.failures === 0
        ? `All ${timeline.checks} checks held.`
        : `${timeline.failures} of ${timeline.checks} checks did not hold.`,
    );
    if (!options.once && timeline.failures === 0) {
      playground(timeline, cluster, databases);
      await keepUp(timeline, cluster, aborted);
    }
    return timeline.failures === 0 ? EXIT.ok : EXIT.unexpected;
  } finally {
    if (!options.once) {
      timeline.line('Stopping.');
    }
    await (cluster?.stop() ?? Promise.all([databases?.accounts.stop(), databases?.orders.stop()]));
    await directory.remove();
  }
}

async function story(cluster: Cluster, shop: Shop, timeline: Timeline, twoPostgres: boolean): Promise<'told'> {
  await using concordat = await connect(cluster.address, { application: 'concordat dev' });
  await sidecarsAttached(concordat);
  await tellStory({
    cluster,
    concordat,
    shop,
    timeline,
    ordersPlaceholders: twoPostgres ? ['$1', '$2', '$3'] : ['?', '?', '?'],
  });
  return 'told';
}

function playground(timeline: Timeline, cluster: Cluster, { accounts, orders }: Databases): void {
  // In a checkout, whose machine may have an older Node, npm finds the right one.
  const command = 'npm run -s concordat --';
  const at =
    cluster.address === 'localhost:7420' || cluster.address === '127.0.0.1:7420'
      ? ''
      : ` --coordinator ${cluster.address}`;
  timeline.line();
  timeline.line('It stays up until Ctrl-C:');
  timeline.line(`  coordinator  ${cluster.address}`);
  timeline.line(`  accounts     ${accounts.url}`);
  timeline.line(`  orders       ${orders.url}`);
  timeline.line();
  timeline.line('Try, in another terminal:');
  timeline.line(`  ${command} status${at}`);
  timeline.line(`  ${command} resource list${at}`);
  timeline.line(`  ${command} tx list${at}`);
  timeline.line(`  ${command} doctor${at}`);
  timeline.line(`  kill -9 ${cluster.coordinator.pid}     the coordinator: it is started again, and recovers`);
}

/** What is killed is started again, until Ctrl-C. */
async function keepUp(timeline: Timeline, cluster: Cluster, aborted: Promise<'aborted'>): Promise<void> {
  for (;;) {
    const fallen = await Promise.race([aborted, cluster.fallen()]);
    if (fallen === 'aborted') {
      return;
    }
    if (fallen === 'coordinator') {
      timeline.line('The coordinator has ended and is started again.');
      await cluster.startCoordinator();
    } else {
      timeline.line(`The sidecar of ${fallen} has ended and is started again.`);
      await cluster.startSidecar(fallen, { wait: false });
    }
  }
}

interface WorkDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

async function workDirectory(chosen: string | undefined): Promise<WorkDirectory> {
  if (chosen !== undefined) {
    const path = resolve(chosen);
    await mkdir(path, { recursive: true });
    return { path, remove: async () => undefined };
  }
  const path = await mkdtemp(join(tmpdir(), 'concordat-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

function title(engine: string): string {
  return { postgresql: 'PostgreSQL', mariadb: 'MariaDB', mysql: 'MySQL' }[engine] ?? engine;
}

function short(version: string): string {
  return version.split('-')[0] ?? version;
}
