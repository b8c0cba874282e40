// MariaDB: the machine's own server, or the one of the machine's Debian release, unpacked into the cache.
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached, exists } from './cache.ts';
import { openTree, unpackDebian } from './debian.ts';
import type { EngineOptions, EngineServer } from './engine-server.ts';
import {
  administratorSql,
  firstOptions,
  type Installation,
  ownTemporaryDirectory,
  startFamilyServer,
} from './mysql-family.ts';
import { withProgress } from './progress.ts';
import { run } from './run.ts';

const PROGRAMS = ['/usr/sbin/mariadbd', '/usr/local/sbin/mariadbd', '/usr/bin/mariadbd', '/usr/local/bin/mariadbd'];

const SMALL: Readonly<Record<string, string>> = {
  'innodb-buffer-pool-size': '32M',
  'innodb-log-file-size': '16M',
  'table-open-cache': '400',
};

const DEFAULTS: Readonly<Record<string, string>> = {
  ...SMALL,
  // Every commit and prepare is on disk before it is acknowledged.
  'innodb-flush-log-at-trx-commit': '1',
  'max-connections': '200',
  'skip-name-resolve': '',
};

/**
 * Starts a MariaDB server on 127.0.0.1; every commit is durable. User `root` is the administrator.
 * @throws {EngineUnavailableError} when the machine has none and Debian's cannot be fetched.
 */
export async function startMariadb(options: EngineOptions): Promise<EngineServer> {
  const installation = (await ownInstallation()) ?? (await unpackedInstallation(options));
  return startFamilyServer({
    ...options,
    engine: 'mariadb',
    installation,
    defaults: DEFAULTS,
    initialise: (directory) => initialise(installation, directory),
  });
}

async function ownInstallation(): Promise<Installation | undefined> {
  for (const program of PROGRAMS) {
    const base = dirname(dirname(program));
    const share = join(base, 'share', 'mysql');
    // Without the scripts of the system tables a data directory cannot be made, so such a server is of no use here.
    if ((await exists(program)) && (await systemTableScripts(share)) !== undefined) {
      return describe([program], base, share);
    }
  }
  return undefined;
}

async function unpackedInstallation(options: EngineOptions): Promise<Installation> {
  const root = await cached('mariadb', (directory) =>
    withProgress('fetching MariaDB from the Debian mirror (about 25 MB)', options.onProgress, () =>
      unpackDebian({ packages: ['mariadb-server-core'], release: 'own', directory }),
    ),
  );
  const tree = await openTree(root);
  return describe(tree.command('usr/sbin/mariadbd'), join(root, 'usr'), join(root, 'usr', 'share', 'mysql'));
}

async function describe(command: Installation['command'], base: string, share: string): Promise<Installation> {
  const [file, ...args] = command;
  const version = /Ver ([\d.]+)/.exec(await run(file, [...args, '--no-defaults', '--version']))?.[1] ?? 'unknown';
  const paths = [`--basedir=${base}`, `--lc-messages-dir=${share}`, `--character-sets-dir=${join(share, 'charsets')}`];
  return { command, paths, version };
}

/** The scripts' names begin with `mysql_` in 10.x and with `mariadb_` since 11. */
async function systemTableScripts(share: string): Promise<readonly string[] | undefined> {
  for (const prefix of ['mariadb', 'mysql']) {
    const names = ['system_tables', 'performance_tables', 'system_tables_data', 'sys_schema'];
    const files = names.map((name) => join(share, `${prefix}_${name}.sql`));
    if ((await Promise.all(files.map(exists))).every(Boolean)) {
      return files;
    }
  }
  return undefined;
}

/** Does what `mariadb-install-db` does, which is a script of the client package with more needs of its own. */
async function initialise(installation: Installation, directory: string): Promise<void> {
  const share = installation.paths.find((path) => path.startsWith('--lc-messages-dir='))?.split('=')[1] ?? '';
  const scripts = await systemTableScripts(share);
  const texts = await Promise.all((scripts ?? []).map((file) => readFile(file, 'utf8')));
  const sql = [
    'create database if not exists mysql;',
    'use mysql;',
    'set @auth_root_socket=null;',
    ...texts,
    // The bootstrap made accounts without a password. From here on the grant tables count.
    'delete from mysql.global_priv;',
    'flush privileges;',
    administratorSql(),
  ].join('\n');
  const data = join(directory, 'data');
  await mkdir(data, { mode: 0o700 });
  const [file, ...args] = installation.command;
  const sizes = Object.entries(SMALL).map(([name, value]) => `--${name}=${value}`);
  const temporary = await ownTemporaryDirectory(directory);
  const options = [
    '--bootstrap',
    `--datadir=${data}`,
    `--tmpdir=${temporary}`,
    '--log-warnings=0',
    '--max-allowed-packet=8M',
    ...sizes,
  ];
  await run(file, [...args, ...firstOptions(), ...installation.paths, ...options], { input: sql });
}
