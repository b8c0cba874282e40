// The network between the participant and its database goes silent: what that costs, and how often.
import { beforeAll, describe, expect, it } from 'vitest';
import type { BranchSession, ResourceManager } from '../../src/participants/resource-manager.ts';
import { useEngine } from '../support/engines.ts';
import { type MysqlHarness, openMysqlHarness } from './mysql-harness.ts';
import { freshXid, steps } from './resource-manager-contract.ts';
import { openSilentLink } from './silent-link.ts';

const { OPTIONS, sql } = steps;
const CALL_TIMEOUT_MS = 1_000;
const WARM = 4;

describe.each(['mariadb', 'mysql'] as const)('a %s that went silent while nobody asked', (key) => {
  const engine = useEngine(key);
  let harness: MysqlHarness;
  beforeAll(async () => {
    harness = await openMysqlHarness(engine.server);
  });

  /** Sessions that are idle behind a link, and then dead: new connections are answered, these never again. */
  const given = async () => {
    const link = await openSilentLink(engine.server.port);
    const manager = harness.openWith({
      url: engine.server.url.replace(`:${engine.server.port}/`, `:${link.port}/`),
      callTimeoutMs: CALL_TIMEOUT_MS,
    });
    await manager.createTables();
    const branches = await Promise.all(Array.from({ length: WARM }, () => manager.open(freshXid(), OPTIONS)));
    await Promise.all(branches.map((branch) => branch.execute(sql('select 1'))));
    await Promise.all(branches.map((branch) => branch.rollback()));
    // Their reset is behind them.
    await new Promise((resolve) => setTimeout(resolve, 200));
    link.silence();
    return { link, manager };
  };

  const work = async (manager: ResourceManager): Promise<'works' | 'fails'> => {
    let branch: BranchSession | undefined;
    try {
      branch = await manager.open(freshXid(), OPTIONS);
      const answer = branch.execute(sql('select 1'));
      const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), CALL_TIMEOUT_MS));
      const first = await Promise.race([answer.then(() => 'works' as const), late]);
      answer.catch(() => undefined);
      await branch.rollback();
      return first === 'works' ? 'works' : 'fails';
    } catch {
      return 'fails';
    }
  };

  it('costs one failure, not one for each idle session (field P16)', async () => {
    const { link, manager } = await given();
    const outcomes = [];
    for (let i = 0; i < WARM; i += 1) {
      outcomes.push(await work(manager));
    }
    expect(outcomes).toEqual(['fails', 'works', 'works', 'works']);
    await manager[Symbol.asyncDispose]();
    await link[Symbol.asyncDispose]();
  });

  it('costs no branch at all once the control session has noticed (field P16)', async () => {
    const { link, manager } = await given();
    // It tries a second connection by itself.
    await manager.list();
    expect(await work(manager)).toBe('works');
    await manager[Symbol.asyncDispose]();
    await link[Symbol.asyncDispose]();
  });
});
