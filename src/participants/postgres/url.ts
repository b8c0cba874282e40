// Where a PostgreSQL database is and who asks: a URL, read by us alone, so that a parameter that would be ignored is refused instead.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { ClientConfig } from 'pg';
import { CoordinatorError } from '../../xa/errors.ts';

interface PostgresAddress {
  /** A name, an address, or the directory of a unix socket; undefined: localhost, or what `PGHOST` says. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string;
  /** Undefined: no TLS, or what `PGSSLMODE` says. */
  readonly tls: 'off' | 'encrypt' | 'verify' | undefined;
  /** Files in PEM: authorities to trust instead of the machine's; and what proves who asks. */
  readonly tlsCaFile: string | undefined;
  readonly tlsCertFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
  /** Settings of the session, as `-c name=value`. */
  readonly options: string | undefined;
}

const TLS_MODES: Readonly<Record<string, PostgresAddress['tls']>> = {
  disable: 'off',
  'no-verify': 'encrypt',
  require: 'verify',
  'verify-ca': 'verify',
  'verify-full': 'verify',
};
const PARAMETERS: readonly string[] = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host', 'options'];
/** Parameters of other programs that people bring along, and what to do about them. */
const OTHERS: Readonly<Record<string, string>> = {
  application_name: 'leave it out: the participant names its sessions itself, to find and end them',
  connect_timeout: 'leave it out: the participant has a limit of its own',
  target_session_attrs: 'name the primary in the address',
  schema: 'use options=-c%20search_path%3Dname, or alter role … set search_path',
  currentSchema: 'use options=-c%20search_path%3Dname, or alter role … set search_path',
  search_path: 'use options=-c%20search_path%3Dname, or alter role … set search_path',
  ssl: 'use sslmode=verify-full, or sslmode=no-verify for encryption alone',
  uselibpqcompat: 'use sslmode=verify-full, or sslmode=no-verify for encryption alone',
  sslmod: 'did you mean sslmode?',
  sslca: 'did you mean sslrootcert?',
  'ssl-mode': 'that is of MySQL; did you mean sslmode?',
  'ssl-ca': 'that is of MySQL; did you mean sslrootcert?',
  pgbouncer: 'leave it out: a pooler in session mode needs no setting here',
};
const MODE_HINTS: Readonly<Record<string, string>> = {
  required: 'did you mean require?',
  prefer: 'it would go on without encryption if somebody in between asks for that; use require or disable',
  allow: 'it would go on without encryption if somebody in between asks for that; use require or disable',
  verify_full: 'did you mean verify-full?',
  'verify-identity': 'did you mean verify-full?',
  verify_identity: 'did you mean verify-full?',
  disabled: 'did you mean disable?',
};

/**
 * Reads `postgresql://user:password@host:port/database`. Parameters: `sslmode` (disable; no-verify: encrypted, whoever answers; require,
 * verify-ca and verify-full: encrypted, and the server's certificate must be valid for its name), `sslrootcert`, `sslcert`, `sslkey`
 * (files), `host` (the directory of a unix socket), `options` (settings of the session).
 * @throws {CoordinatorError} CONFIG_INVALID; the message does not repeat the URL, which carries the password.
 */
export function parsePostgresUrl(text: string): PostgresAddress {
  if (/^[a-z]+:\/\/[^/?#]*,/i.test(text.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1'))) {
    throw invalid('names several hosts; name one, the primary');
  }
  if (!URL.canParse(text)) {
    throw invalid('is not a URL like postgresql://user@host:5432/database');
  }
  const url = new URL(text);
  if (url.protocol !== 'postgresql:' && url.protocol !== 'postgres:') {
    throw invalid('must start with postgresql:// or postgres://');
  }
  const database = decoded(url.pathname.slice(1), 'the name of the database');
  if (database === '') {
    throw invalid('must name the database after the host');
  }
  if (url.hash !== '') {
    throw invalid('has a # that is not part of a name or password: write it as %23');
  }
  const parameter = parametersOf(url);
  const mode = parameter('sslmode');
  if (mode !== undefined && !Object.hasOwn(TLS_MODES, mode)) {
    const hint = MODE_HINTS[mode.toLowerCase()] ?? `known are ${Object.keys(TLS_MODES).join(', ')}`;
    throw invalid(`has the unknown sslmode ${JSON.stringify(mode)}: ${hint}`);
  }
  const tls = mode === undefined ? undefined : TLS_MODES[mode];
  const address = {
    host: parameter('host') ?? (decoded(url.hostname, 'the host').replace(/^\[(.*)\]$/, '$1') || undefined),
    port: url.port === '' ? undefined : Number(url.port),
    user: decoded(url.username, 'the user') || undefined,
    password: decoded(url.password, 'the password') || undefined,
    database,
    tls,
    tlsCaFile: parameter('sslrootcert'),
    tlsCertFile: parameter('sslcert'),
    tlsKeyFile: parameter('sslkey'),
    options: parameter('options'),
  };
  const files = [address.tlsCaFile, address.tlsCertFile, address.tlsKeyFile].filter((file) => file !== undefined);
  if (files.length > 0 && (tls === undefined || tls === 'off')) {
    throw invalid('names files of TLS without an sslmode that uses them: add sslmode=verify-full');
  }
  if ((address.tlsCertFile === undefined) !== (address.tlsKeyFile === undefined)) {
    throw invalid('needs both sslcert and sslkey, or neither');
  }
  return address;
}

/** What the driver takes. @throws {CoordinatorError} CONFIG_INVALID: a file cannot be read. */
export function clientConfigOf(address: PostgresAddress): ClientConfig {
  const { host, port, user, password, database, options } = address;
  const ssl = tlsOf(address);
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    database,
    ...(options === undefined ? {} : { options }),
    ...(ssl === undefined ? {} : { ssl }),
  };
}

function tlsOf(address: PostgresAddress): ClientConfig['ssl'] {
  switch (address.tls) {
    case undefined:
      return undefined;
    case 'off':
      return false;
    default:
      return {
        rejectUnauthorized: address.tls === 'verify',
        ...identityCheck(address.host),
        ...(address.tlsCaFile === undefined ? {} : { ca: read('sslrootcert', address.tlsCaFile) }),
        ...(address.tlsCertFile === undefined ? {} : { cert: read('sslcert', address.tlsCertFile) }),
        ...(address.tlsKeyFile === undefined ? {} : { key: read('sslkey', address.tlsKeyFile) }),
      };
  }
}

/** The driver tells Node.js no name where the host is an address, and Node.js would then look for `localhost` in the certificate. */
function identityCheck(host = ''): { readonly checkServerIdentity?: typeof checkServerIdentity } {
  return isIP(host) === 0 ? {} : { checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate) };
}

function read(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CoordinatorError('CONFIG_INVALID', `the file of ${parameter} cannot be read: ${path}`, { cause });
  }
}

/** @throws {CoordinatorError} CONFIG_INVALID: a parameter that nobody here reads, or one that is given twice or empty. */
function parametersOf(url: URL): (name: string) => string | undefined {
  for (const name of new Set(url.searchParams.keys())) {
    if (!PARAMETERS.includes(name)) {
      const advice = Object.hasOwn(OTHERS, name) ? OTHERS[name] : `known are ${PARAMETERS.join(', ')}`;
      throw invalid(`has the unknown parameter ${JSON.stringify(name)}: ${advice}`);
    }
    const values = url.searchParams.getAll(name);
    if (values.length > 1 || values[0] === '') {
      throw invalid(`has the parameter ${name} ${values.length > 1 ? 'twice' : 'without a value'}`);
    }
  }
  return (name) => url.searchParams.get(name) ?? undefined;
}

function decoded(part: string, what: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(`has a % in ${what} without two digits behind it that make a character: write a plain % as %25`);
  }
}

function invalid(problem: string): CoordinatorError {
  return new CoordinatorError('CONFIG_INVALID', `the URL of the database ${problem}`);
}
