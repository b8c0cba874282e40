// What the story and the playground stand on: two databases with the tables of the shop, a coordinator, two sidecars.
import { Cluster, type Databases, startDatabases } from './cluster.ts';
import { Shop } from './shop.ts';
import type { Timeline } from './timeline.ts';

export interface Scene extends AsyncDisposable {
  readonly databases: Databases;
  readonly cluster: Cluster;
  readonly shop: Shop;
}

/** Everything runs when this resolves, and nothing when it rejects. */
export async function openScene(options: {
  readonly directory: string;
  readonly listen: string;
  readonly timeline: Timeline;
}): Promise<Scene> {
  const { directory, listen, timeline } = options;
  const databases = await startDatabases(directory, (text) => timeline.step(text));
  const { accounts, orders, note } = databases;
  const cluster = new Cluster({ directory, listen, databases });
  try {
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
    await cluster.startCoordinator();
    await cluster.startSidecars();
    timeline.step(`one coordinator on ${cluster.address} and two sidecars, each a process of its own`);
    return { databases, cluster, shop, [Symbol.asyncDispose]: () => cluster.stop() };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function title(engine: string): string {
  return { postgresql: 'PostgreSQL', mariadb: 'MariaDB', mysql: 'MySQL' }[engine] ?? engine;
}

function short(version: string): string {
  return version.split('-')[0] ?? version;
}
