// The whole system under test: real databases, a coordinator, sidecars, applications, and a link between each two of them.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type EngineServer, startMariadb, startMysql, startPostgres } from '../../src/dev/engines/index.ts';
import { freePort } from '../../src/dev/engines/port.ts';
import { seedOf } from '../disk/dice.ts';
import type { ApplicationSettings } from './application.ts';
import { Child, type Saying } from './child.ts';
import { Database } from './database.ts';
import { type Death, Part } from './part.ts';
import type { Life, PartKind, PartName } from './plan.ts';
import { type Link, openLink } from './proxy.ts';
import { openBooks, type SideName } from './sides.ts';
import { groupsOf, type Way } from './transfer.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const APPLICATION = resolve(import.meta.dirname, 'application.ts');

/** What each application does, so that no way of working is left out by the dice. */
const APPLICATIONS: readonly (readonly Way[])[] = [
  ['sidecar', 'joined'],
  ['last', 'one-shot'],
  ['own'],
  ['mixed', 'own', 'last', 'one-shot'],
];
/** Shorter than what a transaction may take: some restarts do not wait for all that is open. */
const DRAIN = ['--drain-grace-ms', '1000'];
const WORKERS = 3;
const TIMEOUT_MS = 2_500;
/** One application is impatient, so that some outcomes stay unknown to it. */
const OUTCOME_TIMEOUTS_MS = [8_000, 400] as const;

export interface WorldOptions {
  readonly directory: string;
  readonly seed: number;
  readonly sides: readonly SideName[];
  /** Marks every process of this run in its environment. */
  readonly mark: string;
  readonly drawLife: (kind: PartKind, name: string, life: number) => Life;
  readonly onDeath: (death: Death) => void;
  /** Called in each life of a program when it can work. */
  readonly onReady: (kind: PartKind, child: Child) => void;
  /** Some application was told of a commit. */
  readonly onCommitted: () => void;
  readonly onDatabaseKilled: (inRecovery: boolean) => void;
  readonly onProgress: (text: string) => void;
}

export interface World {
  readonly coordinator: Part;
  readonly sidecars: readonly Part[];
  readonly applications: readonly Part[];
  readonly databases: readonly Database[];
  /** By `dialler>listener`. */
  readonly links: ReadonlyMap<string, Link>;
  /** Of the coordinator, past every link. */
  readonly address: string;
  readonly dataDirectory: string;
  readonly reports: readonly string[];
}

export function everyPart(world: World): readonly (Part | Database)[] {
  return [world.coordinator, ...world.sidecars, ...world.applications, ...world.databases];
}

export const MARK = 'CONCORDAT_CHAOS';

/** Databases run and have their books; no program is started yet. */
export async function buildWorld(options: WorldOptions): Promise<World> {
  const { directory, sides } = options;
  await mkdir(directory, { recursive: true });
  const servers = await startServers(options);
  await Promise.all(
    servers.map((server) =>
      openBooks(
        server,
        groupsOf(sides).map((group) => group.join('+')),
      ),
    ),
  );
  const links = new Map<string, Link>();
  /** A link, and where to dial it. */
  const through = async (name: string, target: number): Promise<number> => {
    const link = await openLink(target);
    links.set(name, link);
    return link.port;
  };
  const port = await freePort();
  const sidecars: Part[] = [];
  for (const spokenFor of sidecarsOf(servers)) {
    sidecars.push(await buildSidecar(options, { spokenFor, port, through }));
  }
  const urls: Record<string, string> = {};
  for (const server of servers) {
    urls[server.engine] = withPort(server.url, await through(`applications>${server.engine}`, server.port));
  }
  const applications: Part[] = [];
  for (const [index, ways] of APPLICATIONS.entries()) {
    const name = `application-${index + 1}`;
    const coordinator = `127.0.0.1:${await through(`${name}>coordinator`, port)}`;
    applications.push(buildApplication(options, { name, index, ways, coordinator, urls }));
  }
  const databases = servers.map(
    (server) =>
      new Database(server, (life) => options.drawLife('database', server.engine, life), options.onDatabaseKilled),
  );
  const dataDirectory = join(directory, 'log');
  const coordinator = buildCoordinator(options, port, dataDirectory);
  const reports = applications.map(({ name }) => reportOf(directory, name));
  return {
    coordinator,
    sidecars,
    applications,
    databases,
    links,
    address: `127.0.0.1:${port}`,
    dataDirectory,
    reports,
  };
}

async function startServers(options: WorldOptions): Promise<readonly EngineServer[]> {
  const servers = await Promise.allSettled(options.sides.map((side) => startServer(side, options)));
  const failed = servers.find((server) => server.status === 'rejected');
  const running = servers.flatMap((server) => (server.status === 'fulfilled' ? [server.value] : []));
  if (failed !== undefined) {
    await Promise.all(running.map((server) => server.stop()));
    throw failed.reason;
  }
  return running;
}

function startServer(side: SideName, { directory, onProgress }: WorldOptions): Promise<EngineServer> {
  const options = { directory: join(directory, side), onProgress };
  switch (side) {
    case 'postgresql':
      return startPostgres({ ...options, version: 18 });
    case 'mariadb':
      return startMariadb(options);
    case 'mysql':
      return startMysql(options);
  }
}

/**
 * For each process, the databases that it speaks for. Two share the work of PostgreSQL: one by itself, one in the process of the first
 * other database, so that there are branches that die with their neighbour in it and branches that do not.
 */
function sidecarsOf(servers: readonly EngineServer[]): readonly (readonly EngineServer[])[] {
  const postgres = servers.filter(({ engine }) => engine === 'postgresql');
  const others = servers.filter(({ engine }) => engine !== 'postgresql');
  return [
    ...postgres.map((server) => [server]),
    ...others.map((server, index) => (index === 0 ? [server, ...postgres] : [server])),
  ];
}

function buildCoordinator(options: WorldOptions, port: number, dataDirectory: string): Part {
  const address = ['--listen', `127.0.0.1:${port}`, '--admin-listen', '127.0.0.1:0', ...DRAIN];
  return part(options, {
    kind: 'coordinator',
    name: 'coordinator',
    ready: [{ evt: 'serving' }],
    script: MAIN,
    args: () => ['coordinator', '--data-dir', dataDirectory, ...address],
  });
}

interface SidecarPlace {
  readonly spokenFor: readonly EngineServer[];
  readonly port: number;
  readonly through: (name: string, target: number) => Promise<number>;
}

/** Has a link to each of its databases; one to the coordinator and one from the applications, which all of its participants share. */
async function buildSidecar(options: WorldOptions, { spokenFor, port, through }: SidecarPlace): Promise<Part> {
  const engines = spokenFor.map(({ engine }) => engine);
  const name = `sidecar-${engines.join('+')}`;
  const listen = await freePort();
  const files: string[] = [];
  for (const server of spokenFor) {
    const url = withPort(server.url, await through(`${name}>${server.engine}`, server.port));
    files.push(await configure(join(options.directory, `${name}.${server.engine}`), server.engine, url));
  }
  const coordinator = `127.0.0.1:${await through(`${name}>coordinator`, port)}`;
  const advertise = `127.0.0.1:${await through(`applications>${name}`, listen)}`;
  const addresses = [
    '--coordinator',
    coordinator,
    '--listen',
    `127.0.0.1:${listen}`,
    '--advertise',
    advertise,
    ...DRAIN,
  ];
  return part(options, {
    kind: 'sidecar',
    name,
    ready: engines.map((resource) => ({ evt: 'attached', resource })),
    script: MAIN,
    args: () => ['participant', ...files.flatMap((file) => ['--config', file]), ...addresses],
  });
}

/** @returns the configuration file of a sidecar; the URL is in a file beside it. */
async function configure(path: string, resource: string, url: string): Promise<string> {
  const urlFile = `${path}.url`;
  await writeFile(urlFile, `${url}\n`, { mode: 0o600 });
  const file = `${path}.json`;
  await writeFile(file, JSON.stringify({ resource, urlFile }));
  return file;
}

interface ApplicationPlace {
  readonly name: string;
  readonly index: number;
  readonly ways: readonly Way[];
  readonly coordinator: string;
  readonly urls: Readonly<Record<string, string>>;
}

function buildApplication(options: WorldOptions, place: ApplicationPlace): Part {
  const { name, index, ways, coordinator, urls } = place;
  const settings = (life: number): ApplicationSettings => ({
    name: `a${index + 1}.${life}`,
    seed: seedOf(seedOf(options.seed, 1_000 + index), life),
    coordinator,
    sides: options.sides,
    urls,
    ways,
    workers: WORKERS,
    timeoutMs: TIMEOUT_MS,
    outcomeTimeoutMs: OUTCOME_TIMEOUTS_MS[index === 1 ? 1 : 0],
    report: reportOf(options.directory, name),
  });
  return part(options, {
    kind: 'application',
    name,
    ready: [{ evt: 'ready' }],
    script: APPLICATION,
    args: (life) => [JSON.stringify(settings(life))],
  });
}

interface PartProgram extends PartName {
  readonly ready: readonly Saying[];
  readonly script: string;
  readonly args: (life: number) => readonly string[];
}

function part(options: WorldOptions, { kind, name, ready, script, args }: PartProgram): Part {
  const onEvent = (evt: string): void => {
    if (evt === 'committed') {
      options.onCommitted();
    }
  };
  return new Part({
    kind,
    name,
    ready,
    start: (life, failpoints) => {
      const env = { CONCORDAT_FAILPOINTS: failpoints, [MARK]: options.mark };
      return Promise.resolve(
        Child.start({ script, args: args(life), env, words: join(options.directory, `${name}.log`), onEvent }),
      );
    },
    drawLife: (life) => options.drawLife(kind, name, life),
    onDeath: options.onDeath,
    onReady: (child) => options.onReady(kind, child),
  });
}

function reportOf(directory: string, name: string): string {
  return join(directory, `${name}.told`);
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}
