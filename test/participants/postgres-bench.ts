// What PostgreSQL's own cases work with: a manager on the server for each block of them, and branches of it.
import { afterAll, beforeEach } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { BranchSession, ResourceManager } from '../../src/participants/resource-manager.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { openPostgresHarness, type PostgresHarness } from './postgres-harness.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

export interface PostgresBench {
  harness(): PostgresHarness;
  manager(): ResourceManager;
  /** A branch with one change and then `statements`. */
  branchWith(...statements: readonly string[]): Promise<{ readonly xid: Xid; readonly branch: BranchSession }>;
}

/** Opens them for the tests of one `describe` block, with `tables`, and closes them behind the last one. */
export function usePostgres(server: () => EngineServer, tables: readonly string[] = []): PostgresBench {
  let opened: { readonly harness: PostgresHarness; readonly manager: ResourceManager } | undefined;
  const bench = () => {
    if (opened === undefined) {
      throw new Error('the harness is not open');
    }
    return opened;
  };
  // Not in beforeAll: where the engine cannot be had, its own beforeEach skips the test before this one needs a server.
  beforeEach(async () => {
    if (opened === undefined) {
      const harness = await openPostgresHarness(server());
      opened = { harness, manager: await harness.open() };
      for (const table of tables) {
        await harness.raw(table);
      }
    }
  });
  afterAll(async () => {
    await opened?.manager[Symbol.asyncDispose]();
  });
  return {
    harness: () => bench().harness,
    manager: () => bench().manager,
    async branchWith(...statements) {
      const xid = freshXid();
      const branch = await bench().manager.open(xid, steps.OPTIONS);
      await branch.execute(bench().harness.sql.put(freshKey(), 1n));
      for (const statement of statements) {
        await branch.execute(steps.sql(statement));
      }
      return { xid, branch };
    },
  };
}

/** The same server with another database or user (password = name). */
export function elsewhere(server: EngineServer, database: string, user?: string): { readonly url: string } {
  const login = user === undefined ? `${server.user}:${server.password}` : `${user}:${user}`;
  return { url: `postgresql://${login}@127.0.0.1:${server.port}/${database}` };
}
