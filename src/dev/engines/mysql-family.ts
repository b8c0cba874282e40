// What MySQL and MariaDB servers have in common: where the program is, how it is run, how one logs in.
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { systemRandom } from '../../lib/random.ts';
import { type Account, isRoot, mysqlAccount } from './account.ts';
import type { EngineName, EngineOptions, EngineServer } from './engine-server.ts';
import { handOver, openHome } from './home.ts';
import { openServer } from './server-process.ts';

/** Where one server program and the files that it reads are. */
export interface Installation {
  /** The words that start the program, before its options. */
  readonly command: readonly [file: string, ...args: string[]];
  /** `--basedir` and the like: options that say where the installation's files are. */
  readonly paths: readonly string[];
  /** Of the server, for example `10.11.19`. */
  readonly version: string;
}

interface FamilyOptions extends EngineOptions {
  readonly engine: Exclude<EngineName, 'postgresql'>;
  readonly installation: Installation;
  /** Server options by name; the caller's settings win over them. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly initialise: (directory: string) => Promise<void>;
}

const ADMINISTRATOR = 'root';
const DATABASE = 'concordat';

/** In the data directory, until the first start. */
const FIRST_START = 'first-start.sql';
const LOGIN_TIMEOUT_MS = 2_000;

/** Nothing is read from the machine's own option files. As root the server is told whose account to take before it serves. */
export function firstOptions(account?: Account): readonly string[] {
  const user = account?.name ?? (isRoot() ? 'root' : undefined);
  return ['--no-defaults', ...(user === undefined ? [] : [`--user=${user}`])];
}

/** Starts a server of the family; see `startMariadb` and `startMysql`. */
export async function startFamilyServer(options: FamilyOptions): Promise<EngineServer> {
  const { engine, installation } = options;
  const account = await mysqlAccount();
  const home = await openHome({
    engine,
    line: installation.version.split('.').slice(0, 2).join('.'),
    directory: options.directory,
    account,
    template: `data-${engine}-${installation.version}`,
    initialise: options.initialise,
    setPassword: writeFirstStart,
    fresh: options.fresh ?? false,
  });
  await handOver(home.dataDirectory, account); // It may be of a playground that ran as root.
  const files = join(dirname(home.dataDirectory), 'files');
  await mkdir(files, { recursive: true, mode: 0o700 });
  await handOver(files, account);
  const temporary = await ownTemporaryDirectory(dirname(home.dataDirectory));
  await handOver(temporary, account);
  // What SQL reads and writes is in a folder of its own.
  const own = { 'secure-file-priv': files, tmpdir: temporary, ...options.defaults };
  const settings = Object.entries({ ...own, ...options.settings }).map(([name, value]) =>
    value === '' ? `--${name}` : `--${name}=${value}`,
  );
  // Relative names lie in the data directory: a socket's path may have 107 bytes only, and this one is never too long.
  const places = [`--datadir=${home.dataDirectory}`, '--socket=server.sock', '--pid-file=server.pid'];
  const firstStart = join(home.dataDirectory, FIRST_START);
  const server = await openServer(
    {
      engine,
      dataDirectory: home.dataDirectory,
      logFile: join(options.directory, 'server.log'),
      account: undefined,
      user: ADMINISTRATOR,
      password: home.password,
      database: DATABASE,
      stopSignal: 'SIGTERM',
      command: (port) => [
        ...installation.command,
        ...firstOptions(account),
        ...installation.paths,
        ...places,
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        ...(existsSync(firstStart) ? [`--init-file=${firstStart}`] : []),
        ...settings,
      ],
      login: (port) => login(port, home.password),
      releaseAfterCrash: () => Promise.resolve(),
    },
    options.port,
  );
  // A login worked, with the password that it sets. A start that was killed before finds it again.
  await rm(firstStart, { force: true });
  return server;
}

/** The server executes it before it listens. Of this server alone: no binary log takes it to another. */
async function writeFirstStart(dataDirectory: string, password: string): Promise<void> {
  const sql = `set sql_log_bin = 0;\nalter user '${ADMINISTRATOR}'@'127.0.0.1' identified by '${password}';\n`;
  await writeFile(join(dataDirectory, FIRST_START), sql, { mode: 0o600 });
}

/** Not one that servers share: each removes what others have there, temporary tables in use among it, when it starts. */
export async function ownTemporaryDirectory(beside: string): Promise<string> {
  const directory = join(beside, 'tmp');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return directory;
}

async function login(port: number, password: string): Promise<{ version: string; dataDirectory: string }> {
  const connection = await createConnection({
    host: '127.0.0.1',
    port,
    user: ADMINISTRATOR,
    password,
    database: DATABASE,
    connectTimeout: LOGIN_TIMEOUT_MS,
  });
  connection.on('error', () => {
    // The server went away under the connection; the pending call reports it.
  });
  try {
    const [rows] = await connection.query<RowDataPacket[]>('select version() as version, @@datadir as directory');
    const row = rows[0] as { version: string; directory: string } | undefined;
    // The server writes its directory with a slash at the end.
    return { version: row?.version ?? '', dataDirectory: (row?.directory ?? '').replace(/\/$/, '') };
  } finally {
    connection.destroy();
  }
}

/** The administrator may log in by TCP from this machine only, and nobody else at all. Its password is known to nobody: each server sets its own. */
export function administratorSql(): string {
  return `
create user '${ADMINISTRATOR}'@'127.0.0.1' identified by '${systemRandom.base32(24)}';
grant all privileges on *.* to '${ADMINISTRATOR}'@'127.0.0.1' with grant option;
create database ${DATABASE};
`;
}
