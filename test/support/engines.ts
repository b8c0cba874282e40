// Database servers for test files: `const pg = useEngine('postgresql-18')`, then `pg.server` inside tests and hooks.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, inject } from 'vitest';
import {
  type EngineOptions,
  type EngineServer,
  EngineUnavailableError,
  startMariadb,
  startMysql,
  startPostgres,
} from '../../src/dev/engines/index.ts';

export type EngineKey = 'postgresql-18' | 'postgresql-15' | 'mariadb' | 'mysql';

export const ENGINE_KEYS: readonly EngineKey[] = ['postgresql-18', 'postgresql-15', 'mariadb', 'mysql'];

/** A machine may lack these: even where CI=true their tests are skipped instead of failing. */
const OPTIONAL: readonly EngineKey[] = ['postgresql-15'];

/** Long enough to fetch and initialise a server on a machine that has none, while another worker does the same. */
const FIRST_START_MS = 300_000;

export interface UsedEngine {
  /** The running server. @throws {Error} outside of tests and their hooks. */
  readonly server: EngineServer;
}

/**
 * Gives the surrounding `describe`, or the whole file, a server of its own on empty data. The server and its data go away
 * after the last test.
 *
 * Where the engine cannot be had the tests are skipped and the run names it at its end; with CI=true they fail.
 * With CONCORDAT_TEST_ENGINES=off they are skipped without being missed.
 */
export function useEngine(key: EngineKey, options: Pick<EngineOptions, 'settings' | 'fresh'> = {}): UsedEngine {
  let server: EngineServer | undefined;
  let directory: string | undefined;
  let missing: string | undefined;

  beforeAll(async () => {
    if (process.env['CONCORDAT_TEST_ENGINES'] === 'off') {
      missing = 'engines are off in this run';
      return;
    }
    // Another file of this run found it missing: looking again would take as long, and might now end otherwise.
    missing = await readFile(missingFile(key), 'utf8').catch(() => undefined);
    if (missing !== undefined) {
      return;
    }
    directory = await serverDirectory(key);
    try {
      server = await startEngine(key, { ...options, directory });
    } catch (error) {
      missing = await missingOrThrow(key, error);
    }
  }, FIRST_START_MS);

  beforeEach((context) => {
    if (missing !== undefined) {
      context.skip(missing);
    }
  });

  afterAll(async () => {
    if (server !== undefined) {
      await discard(server);
    }
    if (directory !== undefined) {
      await rm(directory, { recursive: true, force: true });
    }
  });

  return {
    get server() {
      if (server === undefined) {
        throw new Error(`${key} is not running: use it in tests and hooks only`);
      }
      return server;
    },
  };
}

/** A directory for one server, removed at the end of the run at the latest. */
export function serverDirectory(key: EngineKey): Promise<string> {
  return mkdtemp(join(inject('runDirectory'), `${key}-`));
}

/** Starts an engine by the name that tests call it. */
export function startEngine(key: EngineKey, options: EngineOptions): Promise<EngineServer> {
  switch (key) {
    case 'postgresql-18':
      return startPostgres({ ...options, version: 18 });
    case 'postgresql-15':
      return startPostgres({ ...options, version: 15 });
    case 'mariadb':
      return startMariadb(options);
    case 'mysql':
      return startMysql(options);
  }
}

/** Ends a server whose data nobody needs any more: killing is quicker than a clean shutdown. */
export async function discard(server: EngineServer): Promise<void> {
  if (server.pid !== undefined) {
    await server.kill('SIGKILL');
  }
  await server.stop();
}

async function missingOrThrow(key: EngineKey, error: unknown): Promise<string> {
  if (!(error instanceof EngineUnavailableError)) {
    throw error;
  }
  if (process.env['CI'] === 'true' && !OPTIONAL.includes(key)) {
    throw error;
  }
  await writeFile(missingFile(key), error.message);
  return error.message;
}

function missingFile(key: EngineKey): string {
  return join(inject('runDirectory'), 'missing', key);
}
