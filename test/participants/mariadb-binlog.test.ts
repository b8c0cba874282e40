// MariaDB with its binary log on: the contract suite, and the one-phase commit that a crash would turn back into a prepared branch.
import { beforeAll, describe, expect, it } from 'vitest';
import { useEngine } from '../support/engines.ts';
import { type MysqlHarness, openMysqlHarness } from './mysql-harness.ts';
import { freshKey, freshXid, resourceManagerContract, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, isListed } = steps;

const engine = useEngine('mariadb', {
  settings: { 'log-bin': 'bin', 'server-id': '7', 'binlog-format': 'ROW', 'sync-binlog': '1' },
});

resourceManagerContract('MariaDB with its binary log', () => openMysqlHarness(engine.server));

describe('one phase at MariaDB with its binary log', () => {
  let harness: MysqlHarness;
  beforeAll(async () => {
    harness = await openMysqlHarness(engine.server);
  });

  it('is made of two, in one round trip', async () => {
    await using manager = await harness.open();
    const count = async (name: string) =>
      Number((await harness.raw(`show global status like '${name}'`))[0]?.['Value']);
    const before = [await count('Com_xa_prepare'), await count('Com_xa_commit')];
    const branch = await manager.open(freshXid(), OPTIONS);
    await branch.execute(harness.sql.put(freshKey(), 1n));
    expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
    expect([await count('Com_xa_prepare'), await count('Com_xa_commit')]).toEqual(before.map((n) => n + 1));
  });

  it('what was acknowledged is there after kill -9, and is not prepared again', async () => {
    for (let round = 0; round < 3; round += 1) {
      const manager = await harness.open();
      const acknowledged: { readonly key: string; readonly xid: ReturnType<typeof freshXid> }[] = [];
      const writeOne = async () => {
        const [key, xid] = [freshKey(), freshXid()];
        const branch = await manager.open(xid, OPTIONS);
        await branch.execute(harness.sql.put(key, 1n));
        expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
        acknowledged.push({ key, xid });
      };
      let isUp = true;
      const writers = Array.from({ length: 4 }, async () => {
        while (isUp) {
          await writeOne().catch(() => {
            isUp = false;
          });
        }
      });
      await until('some are acknowledged', () => acknowledged.length > 200);
      await harness.kill();
      await Promise.all(writers);
      await harness.start();
      for (const { key, xid } of acknowledged.slice(-20)) {
        expect(await harness.committed(key)).toBe(1n);
        expect(await isListed(manager, xid)).toBe(false);
      }
      await manager[Symbol.asyncDispose]();
    }
  });
});
