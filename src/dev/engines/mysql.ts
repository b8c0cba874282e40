// MySQL 9: not in Debian 12, so the server of Debian unstable is unpacked into the cache and run with its own libraries.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
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

const SMALL: Readonly<Record<string, string>> = {
  'innodb-buffer-pool-size': '32M',
  'innodb-redo-log-capacity': '8M',
  'table-open-cache': '400',
};

const DEFAULTS: Readonly<Record<string, string>> = {
  ...SMALL,
  // Every commit and prepare is on disk before it is acknowledged, in the engine and in the binary log.
  'innodb-flush-log-at-trx-commit': '1',
  'sync-binlog': '1',
  'max-connections': '200',
  mysqlx: 'OFF',
  // Saves 180 MB and a third of a second; who needs its tables switches it on.
  'performance-schema': 'OFF',
  'skip-name-resolve': '',
};

/**
 * Starts a MySQL 9 server on 127.0.0.1, binary log on as by default; every commit is durable. User `root` is the administrator.
 * @throws {EngineUnavailableError} when the packages of Debian unstable cannot be fetched.
 */
export async function startMysql(options: EngineOptions): Promise<EngineServer> {
  const installation = await unpackedInstallation(options);
  return startFamilyServer({
    ...options,
    engine: 'mysql',
    installation,
    defaults: DEFAULTS,
    initialise: (directory) => {
      options.onProgress?.('initialising MySQL');
      return initialise(installation, directory);
    },
  });
}

async function unpackedInstallation(options: EngineOptions): Promise<Installation> {
  const root = await cached('mysql', (directory) =>
    withProgress('fetching MySQL from the Debian mirror (about 70 MB)', options.onProgress, () =>
      unpackDebian({ packages: ['mysql-server-core'], release: 'sid', directory }),
    ),
  );
  const tree = await openTree(root);
  const command = tree.command('usr/sbin/mysqld');
  const [file, ...args] = command;
  const version = /Ver ([\d.]+)/.exec(await run(file, [...args, '--no-defaults', '--version']))?.[1] ?? 'unknown';
  const usr = join(root, 'usr');
  const share = join(usr, 'share', 'mysql');
  const paths = [
    `--basedir=${usr}`,
    `--lc-messages-dir=${share}`,
    `--character-sets-dir=${join(share, 'charsets')}`,
    `--plugin-dir=${join(usr, 'lib', 'mysql', 'plugin')}`,
  ];
  return { command, paths, version };
}

async function initialise(installation: Installation, directory: string): Promise<void> {
  const data = join(directory, 'data');
  await mkdir(data, { mode: 0o700 });
  const script = join(directory, 'initial.sql');
  await writeFile(script, `drop user 'root'@'localhost';\n${administratorSql()}`, { mode: 0o600 });
  const [file, ...args] = installation.command;
  const sizes = Object.entries(SMALL).map(([name, value]) => `--${name}=${value}`);
  const temporary = await ownTemporaryDirectory(directory);
  const options = [
    '--initialize-insecure',
    `--datadir=${data}`,
    `--tmpdir=${temporary}`,
    `--init-file=${script}`,
    '--secure-file-priv=NULL',
  ];
  await run(file, [...args, ...firstOptions(), ...installation.paths, ...options, ...sizes]);
  await rm(script);
  // The server's identity: a copy makes itself a new one when this file is missing.
  await rm(join(data, 'auto.cnf'), { force: true });
}
