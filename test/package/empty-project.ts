// Projects as somebody has them who has only heard of Concordat: an empty folder, npm, and the packages made from this checkout.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import { cached } from '../../src/dev/engines/cache.ts';
import { installNpmPackage, type NpmPackage } from '../../src/dev/engines/npm-package.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

const execute = promisify(execFile);

/** The oldest line of Node that the client is for. */
const NODE_22 = '22.23.3';
const NODE_22_INTEGRITY: Readonly<Record<string, string>> = {
  'linux-x64': 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  'linux-arm64': 'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
};

/** The path of a Node 22, fetched on first use. */
export async function node22(): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const wanted: NpmPackage = {
    name: `node-${platform}`,
    version: NODE_22,
    integrity: NODE_22_INTEGRITY[platform] ?? `there is none known for ${platform}`,
  };
  const entry = await cached(`node-${NODE_22}`, async (directory) => void (await installNpmPackage(wanted, directory)));
  return join(entry, 'node_modules', wanted.name, 'bin', 'node');
}

/** What `npm pack` makes of `folder` of the checkout, as a file. */
export async function pack(folder: string): Promise<string> {
  const target = await mkdtemp(join(inject('runDirectory'), 'packed-'));
  await npm(['pack', '--silent', '--pack-destination', target], join(ROOT, folder));
  const [name = ''] = await readdir(target);
  return join(target, name);
}

export async function emptyProject(manifest: object = {}): Promise<string> {
  const directory = await mkdtemp(join(inject('runDirectory'), 'project-'));
  await writeFile(join(directory, 'package.json'), JSON.stringify({ name: 'shop', private: true, ...manifest }));
  return directory;
}

export async function npm(args: readonly string[], cwd: string): Promise<string> {
  // The project of the test run is nothing to this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  return await run('npm', [...args, '--no-audit', '--no-fund'], cwd, { env, timeout: 200_000 });
}

/** What `file` prints when it has ended with exit code 0. */
export async function run(file: string, args: readonly string[], cwd: string, options: object = {}): Promise<string> {
  try {
    return (await execute(file, args, { cwd, timeout: 60_000, ...options })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${file} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

export async function write(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(directory, name), text)));
}

/** Of all files below. */
export async function bytesOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true });
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));
