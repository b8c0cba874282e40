// Where the database is and who asks: a URL or its parts, turned into what mysql2 takes, and nothing else of mysql2's options.
import { readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import type { ConnectionOptions, SslOptions } from 'mysql2';
import { CoordinatorError } from '../../../xa/errors.ts';

export interface MysqlAddress {
  readonly host: string;
  readonly port: number;
  /** A unix socket; host and port are not used then. */
  readonly socketPath?: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: 'off' | 'encrypt' | 'verify';
  /** File with the certificates of the authorities to trust; absent: the machine's. */
  readonly tlsCaFile?: string;
}

const PARAMETERS: readonly string[] = ['ssl-mode', 'ssl-ca', 'socket'];

const TLS_MODES: Readonly<Record<string, MysqlAddress['tls']>> = {
  DISABLED: 'off',
  REQUIRED: 'encrypt',
  VERIFY_IDENTITY: 'verify',
};

/**
 * Reads `mysql://user:password@host:port/database`, or the same with `mariadb:`. Parameters: `ssl-mode` (DISABLED, the
 * default; REQUIRED, which encrypts and verifies nothing; VERIFY_IDENTITY), `ssl-ca` (a file, for VERIFY_IDENTITY), `socket` (a path).
 * @throws {CoordinatorError} CONFIG_INVALID; the message does not repeat the URL, which carries the password.
 */
export function parseMysqlUrl(text: string): MysqlAddress {
  if (!URL.canParse(text)) {
    throw invalid('is not a URL like mysql://user@host:3306/database');
  }
  const url = new URL(text);
  if (url.protocol !== 'mysql:' && url.protocol !== 'mariadb:') {
    throw invalid('must start with mysql:// or mariadb://');
  }
  const database = decoded(url.pathname.slice(1), 'database');
  if (database === '') {
    throw invalid('must name the database after the host');
  }
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw invalid(`has the unknown parameter ${name}; known are ${PARAMETERS.join(', ')}`);
    }
  }
  const twice = PARAMETERS.find((name) => url.searchParams.getAll(name).length > 1);
  if (twice !== undefined) {
    throw invalid(`has the parameter ${twice} twice`);
  }
  if (url.hash !== '') {
    throw invalid('has a # behind the database; write %23 for one that belongs to a name or a password');
  }
  const mode = url.searchParams.get('ssl-mode') ?? 'DISABLED';
  const tls = TLS_MODES[mode.toUpperCase()];
  if (tls === undefined) {
    throw invalid(`has an unknown ssl-mode; known are ${Object.keys(TLS_MODES).join(', ')}`);
  }
  const [tlsCaFile, socketPath] = [url.searchParams.get('ssl-ca'), url.searchParams.get('socket')];
  if (tlsCaFile !== null && tls !== 'verify') {
    throw invalid('has ssl-ca, which is of use with ssl-mode=VERIFY_IDENTITY only: nothing is verified otherwise');
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost',
    port: url.port === '' ? 3306 : Number(url.port),
    user: decoded(url.username, 'user') || 'root',
    password: decoded(url.password, 'password'),
    database,
    tls,
    ...(tlsCaFile === null ? {} : { tlsCaFile }),
    ...(socketPath === null ? {} : { socketPath }),
  };
}

/** @throws {CoordinatorError} CONFIG_INVALID: the file of certificates cannot be read. */
export function connectionOptions(
  address: MysqlAddress,
  settings: { readonly instance: string; readonly connectTimeoutMs: number },
): ConnectionOptions {
  const { user, password, database } = address;
  const place =
    address.socketPath === undefined ? { host: address.host, port: address.port } : { socketPath: address.socketPath };
  const ssl = tlsOptions(address);
  return {
    ...place,
    ...(address.tls === 'verify' && address.socketPath === undefined && isIP(address.host) !== 0
      ? { stream: () => openSocket(address) }
      : {}),
    user,
    password,
    database,
    connectTimeout: settings.connectTimeoutMs,
    connectAttributes: { program_name: `concordat ${settings.instance}` },
    ...(ssl === undefined ? {} : { ssl }),
  };
}

/**
 * mysql2 names no server for an IP address, and Node verifies the certificate for `localhost` then. It asks the socket before that, for
 * the name that was looked up; none was, so the address stands in for it.
 */
function openSocket({ host, port }: MysqlAddress): Socket {
  const socket = connect({ host, port, keepAlive: true });
  return Object.assign(socket, { _host: host });
}

function tlsOptions(address: MysqlAddress): SslOptions | undefined {
  switch (address.tls) {
    case 'off':
      return undefined;
    case 'encrypt':
      return { rejectUnauthorized: false };
    case 'verify':
      return { rejectUnauthorized: true, verifyIdentity: true, ...readCa(address.tlsCaFile) };
  }
}

function readCa(path: string | undefined): { readonly ca?: string } {
  if (path === undefined) {
    return {};
  }
  try {
    return { ca: readFileSync(path, 'utf8') };
  } catch (cause) {
    throw new CoordinatorError('CONFIG_INVALID', `the file of ssl-ca cannot be read: ${path}`, { cause });
  }
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    const problem = `has a % in its ${what} that is no part of an escape: write %25 for it`;
    throw new CoordinatorError('CONFIG_INVALID', `the URL of the database ${problem}`, { cause });
  }
}

function invalid(problem: string): CoordinatorError {
  return new CoordinatorError('CONFIG_INVALID', `the URL of the database ${problem}`);
}
