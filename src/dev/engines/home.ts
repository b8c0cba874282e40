// The directory of one server: made once from a template, found again later with its password.
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/** An initialised, cleanly stopped data directory, and the administrator's password in it. */
export interface Template {
  readonly dataDirectory: string;
  readonly password: string;
  /** A directory that was made for one use only and goes after the copy. */
  readonly disposable?: string;
}

export interface HomeOptions {
  readonly engine: EngineName;
  readonly line: string;
  readonly directory: string;
  readonly account: Account | undefined;
  /** Called only if the directory holds no server yet. */
  readonly template: () => Promise<Template>;
}

/**
 * Takes up the server of `directory`, or makes one by copying the template.
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
  const template = await options.template();
  const dataDirectory = await placeForData(directory, options.account);
  // No server.json: whatever lies there was half made.
  await rm(dataDirectory, { recursive: true, force: true });
  await run('cp', ['-a', '--reflink=auto', template.dataDirectory, dataDirectory], { account: options.account });
  if (template.disposable !== undefined) {
    await rm(template.disposable, { recursive: true, force: true });
  }
  const home: Home = { engine: options.engine, line: options.line, password: template.password, dataDirectory };
  await writeFile(`${file}.new`, JSON.stringify(home), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return home;
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

/**
 * The template called `name`, initialised by `make` on its first use. `make` fills `data` and `password` of its directory.
 * A `fresh` one is made for this call alone.
 */
export async function openTemplate(
  name: string,
  fresh: boolean,
  make: (directory: string) => Promise<void>,
): Promise<Template> {
  const entry = await cached(fresh ? `${name}-fresh-${systemRandom.base32(8)}` : name, make);
  const template = {
    dataDirectory: join(entry, 'data'),
    password: (await readFile(join(entry, 'password'), 'utf8')).trim(),
  };
  return fresh ? { ...template, disposable: entry } : template;
}
