// The cache of server binaries and initialised data: whole entries only, made once, whoever is killed meanwhile.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { cacheDirectory, cached } from '../../src/dev/engines/cache.ts';

beforeEach((context) => {
  vi.stubEnv('CONCORDAT_CACHE', join(inject('runDirectory'), `cache-${context.task.id}`));
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const visible = async (): Promise<readonly string[]> =>
  (await readdir(cacheDirectory())).filter((name) => !name.startsWith('.'));

test('an entry is made once and found again', async () => {
  const make = vi.fn((directory: string) => writeFile(join(directory, 'content'), 'made'));
  const entry = await cached('thing', make);
  expect(await cached('thing', make)).toBe(entry);
  expect(make).toHaveBeenCalledOnce();
  expect(await readFile(join(entry, 'content'), 'utf8')).toBe('made');
  expect(await visible()).toEqual(['thing']);
});

test('two makers at the same time make it once', async () => {
  const make = vi.fn(async (directory: string) => writeFile(join(directory, 'content'), 'made'));
  const entries = await Promise.all([cached('thing', make), cached('thing', make)]);
  expect(new Set(entries).size).toBe(1);
  expect(make).toHaveBeenCalledOnce();
});

test('a maker that fails leaves nothing, and the next one succeeds', async () => {
  const failing = cached('thing', async (directory) => {
    await writeFile(join(directory, 'content'), 'half');
    throw new Error('no network');
  });
  await expect(failing).rejects.toThrow('no network');
  expect(await visible()).toEqual([]);
  await cached('thing', (directory) => writeFile(join(directory, 'content'), 'whole'));
  expect(await visible()).toEqual(['thing']);
});

test('what a killed maker left half made is not used and goes away', async () => {
  const half = join(cacheDirectory(), 'thing.partial-1-aaaaaa');
  await mkdir(half, { recursive: true });
  await writeFile(join(half, 'content'), 'half');
  const entry = await cached('thing', (directory) => writeFile(join(directory, 'content'), 'whole'));
  expect(await readFile(join(entry, 'content'), 'utf8')).toBe('whole');
  expect(await visible()).toEqual(['thing']);
});

test('the cache is where CONCORDAT_CACHE says, else below XDG_CACHE_HOME, except for root', () => {
  expect(cacheDirectory({ CONCORDAT_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
  const fallback = process.getuid?.() === 0 ? '/var/cache/concordat' : '/b/concordat';
  expect(cacheDirectory({ XDG_CACHE_HOME: '/b' })).toBe(fallback);
});
