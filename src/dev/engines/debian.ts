// Unpacks Debian packages into a folder, without root and without touching the system: apt resolves and fetches them with
// a state directory of its own in which nothing is installed, so it brings every library, too, the C library included.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from './cache.ts';
import { run } from './run.ts';
import { EngineUnavailableError } from './unavailable.ts';

/** A program of an unpacked tree, started through the tree's own loader: its libraries may be newer than the machine's. */
interface DebianTree {
  readonly root: string;
  /** The words to put before the program's arguments. `program` is relative to the root, for example `usr/sbin/mysqld`. */
  command(program: string): readonly [file: string, ...args: string[]];
}

interface UnpackOptions {
  readonly packages: readonly string[];
  /** `own`: the release that this machine runs, with its updates. `sid`: Debian unstable. */
  readonly release: 'own' | 'sid';
  /** An empty directory for the tree. */
  readonly directory: string;
  /** What is wanted is in usr/bin; a server is not. */
  readonly withPrograms?: boolean;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

// What a database server does not need at run time. It is most of the volume.
const PROGRAMS = ['./usr/bin', './bin'];
const LEFT_OUT = ['./usr/share/doc', './usr/share/man', './usr/share/info', './usr/share/locale'];
const LEFT_OUT_PATTERNS = ['./usr/share/perl*', './usr/lib/*/perl*', './usr/lib/*/gconv', './etc', './var'];

/**
 * Fills `directory` with the packages and everything they depend on.
 * @throws {EngineUnavailableError} when this machine has no apt, or its mirror does not answer or lacks the package.
 */
export async function unpackDebian(options: UnpackOptions): Promise<void> {
  if (process.platform !== 'linux') {
    throw new EngineUnavailableError(
      `${options.packages.join(' ')} is a package of Linux: run \`docker compose up\` with the repository's compose.yaml to have it here.`,
    );
  }
  const state = join(options.directory, '.apt');
  await mkdir(join(state, 'lists', 'partial'), { recursive: true });
  await mkdir(join(state, 'archives', 'partial'), { recursive: true });
  const configuration = join(state, 'apt.conf');
  await writeFile(join(state, 'status'), '');
  await writeFile(configuration, aptConfiguration(state));
  await writeFile(join(state, 'sources.list'), await sources(options.release));
  const apt = (...args: string[]): Promise<string> => run('apt-get', ['-c', configuration, '-qq', ...args]);
  try {
    await apt('update');
    await apt('install', '--yes', '--no-install-recommends', '--download-only', ...options.packages);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    const names = options.packages.join(' ');
    throw new EngineUnavailableError(
      `${names} could not be fetched (${words}): check that \`apt-get update\` works on this machine, or install ${names} yourself.`,
      { cause },
    );
  }
  for (const archive of await readdir(join(state, 'archives'))) {
    if (archive.endsWith('.deb')) {
      await extract(join(state, 'archives', archive), options);
    }
  }
  await rm(state, { recursive: true });
}

async function extract(archive: string, { directory, withPrograms = false }: UnpackOptions): Promise<void> {
  const leftOut = [...(withPrograms ? [] : PROGRAMS), ...LEFT_OUT, ...LEFT_OUT_PATTERNS]
    .map((path) => `--exclude=${path}`)
    .join(' ');
  // A pipe, since tar archives of this size do not belong in our memory. The paths travel as arguments, not as shell text.
  const script = `dpkg-deb --fsys-tarfile "$1" | tar --extract --no-same-owner --directory "$2" ${leftOut.replaceAll('*', "'*'")}`;
  await run('sh', ['-c', script, 'sh', archive, directory]);
}

function aptConfiguration(state: string): string {
  // The machine's own configuration is read first, for its proxy; its hooks are for the system's state, not for ours.
  return `
Dir::State "${state}";
Dir::State::lists "${state}/lists";
Dir::State::status "${state}/status";
Dir::Cache "${state}";
Dir::Cache::archives "${state}/archives";
Dir::Etc::sourcelist "${state}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::Retries "2";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
`;
}

/** The lines of a sources.list with the mirror that the machine's apt is configured with. */
async function sources(release: 'own' | 'sid'): Promise<string> {
  const listing = await run('apt-get', [
    'indextargets',
    '--no-release-info',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]).catch(() => '');
  const configured = listing
    .split('\n')
    .map((line) => line.trim().split(' '))
    .filter(([uri, , component]) => component === 'main' && /debian(-security)?\/?$/.test(uri ?? ''));
  const mirror = configured.find(([uri]) => !/-security\/?$/.test(uri ?? ''))?.[0] ?? 'http://deb.debian.org/debian';
  const key = (await exists(KEYRING)) ? ` signed-by=${KEYRING}` : '';
  const line = (uri: string, suite: string): string => `deb [target=Packages${key}] ${uri} ${suite} main\n`;
  if (release === 'sid') {
    return line(mirror, 'sid');
  }
  const own = await codename();
  const updates = configured.filter(([, suite]) => suite !== own).map(([uri, suite]) => line(uri ?? '', suite ?? ''));
  return line(mirror, own) + [...new Set(updates)].join('');
}

async function codename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^VERSION_CODENAME="?([a-z]+)/m.exec(text)?.[1] ?? 'bookworm';
}

/** @throws {Error} when the tree has no loader, that is, when it is not one of ours. */
export async function openTree(root: string): Promise<DebianTree> {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const loaderName = process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2';
  const libraries = [join(root, 'lib', `${machine}-linux-gnu`), join(root, 'usr', 'lib', `${machine}-linux-gnu`)];
  for (const directory of libraries) {
    const loader = join(directory, loaderName);
    if (await exists(loader)) {
      const words = ['--library-path', libraries.join(':')];
      return { root, command: (program) => [loader, ...words, join(root, program)] };
    }
  }
  throw new Error(`${root} holds no ${loaderName}: remove it, and it is made again.`);
}
