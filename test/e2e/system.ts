// A whole Concordat of real processes for one test file: two databases, a coordinator, two sidecars, clients; and judges outside.
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Cluster } from '../../src/dev/cluster.ts';
import type { Program } from '../../src/dev/program.ts';
import { type Books, balanced, Shop } from '../../src/dev/shop.ts';
import { type EngineKey, serverDirectory, type UsedEngine, useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { isStopped } from '../support/processes.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');

/** Programs, clients and engines of one test file. */
export interface System {
  readonly cluster: Cluster;
  readonly shop: Shop;
  /** `?` or `$n` in the statements for the orders. */
  readonly twoPostgres: boolean;
}

export interface UsedSystem {
  readonly system: System;
  readonly accounts: UsedEngine;
  readonly orders: UsedEngine;
}

/**
 * Starts everything before the file's tests and stops it afterwards; the shop is opened anew for each test.
 * @param options.oneProcess both sidecars in one.
 */
export function useSystem(
  orders: EngineKey,
  {
    oneProcess = false,
    accounts = 'postgresql-18',
  }: { readonly oneProcess?: boolean; readonly accounts?: EngineKey } = {},
): UsedSystem {
  const first = useEngine(accounts);
  // `fresh`: a copy of the same data directory would be the same engine to the coordinator.
  const second = useEngine(orders, { fresh: true });
  let system: System | undefined;

  beforeAll(async () => {
    const directory = join(await serverDirectory(orders), 'system');
    const databases = { accounts: first.server, orders: second.server, note: undefined };
    const cluster = new Cluster({ directory, listen: '127.0.0.1:0', databases, oneProcess });
    const shop = new Shop(first.server, second.server);
    system = { cluster, shop, twoPostgres: second.server.engine === 'postgresql' };
    await shop.open();
    await cluster.startCoordinator();
    await cluster.startSidecars();
  });

  beforeEach(async () => {
    await system?.shop.open();
  });

  afterAll(async () => {
    await system?.cluster.stopPrograms();
  });

  return {
    accounts: first,
    orders: second,
    get system() {
      if (system === undefined) {
        throw new Error('the system runs in tests and hooks only');
      }
      return system;
    },
  };
}

/** Resolves when the program has reached a failpoint that freezes it. */
export function frozen(program: Program): Promise<boolean> {
  return eventually('the program stops at its failpoint', () => isStopped(program.pid));
}

/** Both engines list nothing, the coordinator lists nothing: everything has ended. @returns the books then. */
export async function settled({ cluster, shop }: System): Promise<Books> {
  await eventually('no branch is left prepared', async () => {
    const { accounts, orders } = await shop.prepared();
    return accounts.length + orders.length === 0;
  });
  await eventually('the coordinator lists no transaction', async () => (await listed(cluster)).length === 0);
  const books = await shop.books();
  if (!balanced(books)) {
    throw new Error(`the books do not balance: ${JSON.stringify(books)}`);
  }
  return books;
}

/** What `concordat tx list` shows. */
export async function listed(cluster: Cluster): Promise<readonly unknown[]> {
  const { code, stdout, stderr } = await concordat([
    'tx',
    'list',
    '--output',
    'json',
    '--coordinator',
    cluster.address,
  ]);
  if (code !== 0) {
    throw new Error(`tx list ended with ${code}: ${stderr}`);
  }
  return (JSON.parse(stdout) as { readonly transactions: readonly unknown[] }).transactions;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real command to its end. */
export async function concordat(args: readonly string[]): Promise<Ended> {
  const run = promisify(execFile);
  try {
    const { stdout, stderr } = await run(process.execPath, [MAIN, ...args]);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number | null; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}
