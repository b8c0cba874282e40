// What makes a checkout runnable on an old Node: the Node that it fetches is the one that the repository names, byte for byte.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, test } from 'vitest';

const SETUP = join(import.meta.dirname, '..', '..', 'scripts', 'setup.mjs');
const NAME = `node-${process.platform}-${process.arch}`;
const run = promisify(execFile);

/** The version that the script fetches. */
async function fetchedVersion(): Promise<string> {
  return /NODE_FETCHED = '([\d.]+)'/.exec(await readFile(SETUP, 'utf8'))?.[1] ?? '';
}

/** A package that calls itself the Node which we fetch: a script of one line that knows the right version. */
async function otherPackage(directory: string, version: string): Promise<Buffer> {
  const bin = join(directory, 'package', 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(directory, 'package', 'package.json'), JSON.stringify({ name: NAME, version }));
  await writeFile(join(bin, 'node'), `#!/bin/sh\necho v${version}\n`);
  await chmod(join(bin, 'node'), 0o755);
  await run('tar', ['-czf', join(directory, 'package.tgz'), '-C', directory, 'package']);
  return readFile(join(directory, 'package.tgz'));
}

/** An npm registry with this one package, whose hash it states truly. */
async function openRegistry(content: Buffer, version: string): Promise<AsyncDisposable & { readonly url: string }> {
  const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`;
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.tgz') === true) {
      response.end(content);
      return;
    }
    const dist = { integrity, tarball: `${url}/package.tgz` };
    const versions = { [version]: { name: NAME, version, dist } };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: NAME, 'dist-tags': { latest: version }, versions }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What `prepare` does on a Node that is too old, with a cache of its own. */
async function prepareOnOldNode(directory: string, registry: string): Promise<string> {
  const text = `
    Object.defineProperty(process, 'version', { value: 'v20.1.0' });
    const { prepare } = await import(${JSON.stringify(SETUP)});
    process.stdout.write(await prepare().catch((error) => error.constructor.name + ': ' + error.message));`;
  const env = {
    ...process.env,
    CONCORDAT_CACHE: join(directory, 'cache'),
    npm_config_cache: join(directory, 'npm'),
    npm_config_registry: registry,
    npm_config_fetch_retries: '0',
  };
  return (await run(process.execPath, ['--input-type=module', '-e', text], { env })).stdout;
}

describe.skipIf(process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))('the fetched Node', () => {
  test('is refused in one sentence when its hash is another, and not kept (security X30)', async () => {
    const directory = await mkdtemp(join(inject('runDirectory'), 'setup-'));
    const version = await fetchedVersion();
    await using registry = await openRegistry(await otherPackage(directory, version), version);
    expect(await prepareOnOldNode(directory, registry.url)).toMatch(
      new RegExp(
        `^SetupError: ${NAME}@${version} from your npm registry is not the program that [^\n]*nodejs\\.org\\.$`,
      ),
    );
    expect(await readdir(join(directory, 'cache'))).toEqual([]);
  });

  test('in the cache counts only with the hash that the repository names (security X30)', async () => {
    const directory = await mkdtemp(join(inject('runDirectory'), 'setup-'));
    const version = await fetchedVersion();
    const content = await otherPackage(directory, version);
    const place = join(directory, 'cache', `node-${version}`, 'node_modules');
    await mkdir(join(place, NAME), { recursive: true });
    await run('tar', ['-xzf', join(directory, 'package.tgz'), '-C', join(place, NAME), '--strip-components=1']);
    await using registry = await openRegistry(content, version);
    expect(await prepareOnOldNode(directory, registry.url)).toMatch(/^SetupError: .* is not the program that /);
  });
});
