// The directory of one server: made once from a template, with a password of its own, and found again later.
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemRandom } from '../../lib/random.ts';
import { type Account, canReach } from './account.ts';
import { cacheDirectory, cached } from './cache.ts';
import type { EngineName } from './engine-server.ts';
import { run } from './run.ts';

/** What we must remember about a data directory to use it again. */
export interface Home {
  readonly engine: EngineName;
  /** The release line whose files these are: a server refuses, or upgrades for good, those of another. */
  readonly line: string;
  readonly password: string;
  readonly dataDirectory: string;
}

interface HomeOptions {
  readonly engine: EngineName;
  readonly line: string;
  readonly directory: string;
  readonly account: Account | undefined;
  /** Names the initialised data directory in the cache, from which new servers are copied. */
  readonly template: string;
  /** Makes `data`, an initialised data directory of a server that is down, in the directory it is given. */
  readonly initialise: (directory: string) => Promise<void>;
  /** Gives the administrator of a data directory that no server has run on yet this password, from the first login on. */
  readonly setPassword: (dataDirectory: string, password: string) => Promise<void>;
  /** Initialise for this server alone instead of copying. */
  readonly fresh: boolean;
}

/** Goes up when data directories are initialised differently, so that no cache hands out those of before. */
const TEMPLATE_FORMAT = 2;
const PASSWORD_CHARS = 24;

/**
 * Takes up the server of `directory`, or makes one.
 * @throws {Error} when the directory belongs to another engine or release line.
 */
export async function openHome(options: HomeOptions): Promise<Home> {
  await mkdir(options.directory, { recursive: true });
  const directory = await realpath(options.directory);
  const file = join(directory, 'server.json');
  const known = await readFile(file, 'utf8').catch(() => undefined);
  if (known !== undefined) {
    const home = JSON.parse(known) as Home;
    if (home.engine !== options.engine || home.line !== options.line) {
      throw new Error(
        `${directory} holds the data of ${home.engine} ${home.line}, not of ${options.engine} ${options.line}: choose another directory or remove it.`,
      );
    }
    return home;
  }
  const dataDirectory = await placeForData(directory, options.account);
  // No server.json: whatever lies there was half made.
  await rm(dataDirectory, { recursive: true, force: true });
  await (options.fresh ? initialiseInPlace : copyTemplate)(options, dataDirectory);
  // All copies have the password of their template, which the cache shows to others: each server gets its own before it listens.
  const password = systemRandom.base32(PASSWORD_CHARS);
  await options.setPassword(dataDirectory, password);
  const home: Home = { engine: options.engine, line: options.line, password, dataDirectory };
  await writeFile(`${file}.new`, JSON.stringify(home), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return home;
}

async function copyTemplate(options: HomeOptions, dataDirectory: string): Promise<void> {
  const template = await cached(`${options.template}-v${TEMPLATE_FORMAT}`, options.initialise);
  // By ourselves, who may read the cache, and then handed over.
  // Only the cp of Linux can share blocks between two copies, and knows the option.
  const reflink = process.platform === 'linux' ? ['--reflink=auto'] : [];
  await run('cp', ['-a', ...reflink, join(template, 'data'), dataDirectory]);
  await handOver(dataDirectory, options.account);
}

async function initialiseInPlace(options: HomeOptions, dataDirectory: string): Promise<void> {
  const directory = join(dirname(dataDirectory), 'initial');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  await chmod(directory, 0o755);
  await options.initialise(directory);
  await rename(join(directory, 'data'), dataDirectory);
  await handOver(dataDirectory, options.account);
  await rm(directory, { recursive: true });
}

/** Everything in `directory` belongs to the server's account from now on. */
export async function handOver(directory: string, account: Account | undefined): Promise<void> {
  if (account !== undefined) {
    await run('chown', ['-R', `${account.uid}:${account.gid}`, directory]);
  }
}

/**
 * Normally `<directory>/data`. Where the server's user cannot get there, as when root keeps its checkout in a home closed
 * to others, the data lies in the cache instead, under a name made from the directory's.
 */
async function placeForData(directory: string, account: Account | undefined): Promise<string> {
  if (account === undefined) {
    return join(directory, 'data');
  }
  await chown(directory, account.uid, account.gid);
  if (await canReach(account, directory, 'write')) {
    return join(directory, 'data');
  }
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  const elsewhere = join(cacheDirectory(), 'servers', name);
  await mkdir(elsewhere, { recursive: true });
  await chmod(join(cacheDirectory(), 'servers'), 0o755);
  await chown(elsewhere, account.uid, account.gid);
  return join(elsewhere, 'data');
}
