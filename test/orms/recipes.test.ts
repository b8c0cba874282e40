// The recipes of examples/orm do what they say, with the real libraries, on PostgreSQL and MariaDB; and their types fit.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { symlink, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, useSystem } from '../e2e/system.ts';
import { useLibraries } from './libraries.ts';

const FOLDER = resolve(import.meta.dirname, '../../examples/orm');
const MODULES = join(FOLDER, 'node_modules');
const TSC = resolve(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
const RECIPES = readdirSync(FOLDER).filter((name) => name.endsWith('.ts') && name !== 'order.ts');
const run = promisify(execFile);

// Each starts a program with a large library.
vi.setConfig({ testTimeout: 120_000 });
useLibraries();
const pair = useSystem('mariadb');

// The recipes import what an application would have installed; here that is this folder's.
beforeAll(async () => {
  await unlink(MODULES).catch(() => undefined);
  await symlink(join(import.meta.dirname, 'node_modules'), MODULES);
});
afterAll(() => unlink(MODULES));

test('there is a recipe for each library', () => {
  expect(RECIPES.sort()).toEqual([
    ...['drizzle.ts', 'knex.ts', 'kysely.ts', 'prisma.ts', 'sequelize.ts', 'typeorm.ts'],
  ]);
});

test.each(RECIPES)('%s orders for 25, and what it did with a change of mind is gone', async (name) => {
  const places = [pair.accounts.server.url, pair.orders.server.url, pair.system.cluster.address];
  const { stdout } = await run(process.execPath, [join(FOLDER, name), ...places], { timeout: 60_000 });
  expect(stdout).toContain('ordered; the customer has 975 left');
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 25, orders: 1, spent: 25 });
});

test('the pools fit the types of the libraries', async () => {
  const { stdout } = await run(process.execPath, [TSC, '--noEmit', '-p', FOLDER], { timeout: 110_000 }).catch(
    (error: { readonly stdout: string }) => error,
  );
  expect(stdout).toBe('');
});
