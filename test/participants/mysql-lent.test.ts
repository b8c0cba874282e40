// An application's connection when its branch is refused, or rolled back twice at once: it is the application's again, and as it was.
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/lib/system-clock.ts';
import { MysqlApplicationBranch } from '../../src/participants/mysql/lent/branch.ts';
import { mysqlConnection } from '../../src/participants/mysql/protocol/driver.ts';
import { useEngine } from '../support/engines.ts';
import { openMysqlHarness } from './mysql-harness.ts';
import { freshXid, steps } from './resource-manager-contract.ts';

describe.each([true, false])('a lent connection (multipleStatements: %s)', (multipleStatements) => {
  const engine = useEngine('mariadb');
  let connection: Connection;
  let fences = 0;
  beforeEach(async () => {
    const { server } = await openMysqlHarness(engine.server);
    await (await (await openMysqlHarness(server)).open())[Symbol.asyncDispose]();
    connection = await createConnection({ uri: server.url, multipleStatements });
    onTestFinished(() => connection.destroy());
    fences = 0;
  });
  const lend = (): MysqlApplicationBranch => {
    const inner = mysqlConnection(connection);
    if (inner === undefined) {
      throw new Error('a connection of mysql2 has another one in it');
    }
    const fence = async (): Promise<void> => {
      fences += 1;
    };
    const nobody = (): Promise<never> => Promise.reject(new Error('nobody is to be asked'));
    return new MysqlApplicationBranch(
      {
        connection: inner,
        xid: freshXid(),
        options: { ...steps.OPTIONS, idleTimeoutMs: 5_000 },
        tools: { fence, probe: nobody, rollbackPrepared: nobody },
        clock: systemClock,
      },
      { kind: 'mariadb', version: '', database: engine.server.database },
    );
  };
  const seconds = async (): Promise<unknown> => {
    const [rows] = await connection.query<RowDataPacket[]>('select @@session.wait_timeout as s');
    return rows[0]?.['s'];
  };

  it('keeps its transaction and its wait_timeout when XA START is refused', async () => {
    const own = await seconds();
    await connection.query('start transaction');
    const branch = lend();
    await expect(branch.begin()).rejects.toThrow('has a transaction of the application open');
    await branch.rollback();
    await branch.unlocked;
    expect(await seconds()).toEqual(own);
    await connection.query('commit');
  });

  it('has a shorter wait_timeout in the branch, and its own behind it', async () => {
    const own = await seconds();
    const branch = lend();
    await branch.begin();
    expect(await seconds()).toBe(5);
    branch.endWork();
    await branch.rollback();
    await branch.released;
    expect(await seconds()).toBe(own);
  });

  it('outlives two rollbacks that come at once while the application is at work', async () => {
    const branch = lend();
    await branch.begin();
    await Promise.all([branch.rollback(), branch.rollback()]);
    await expect(connection.query('select 1')).rejects.toThrow('rolled back');
    branch.endWork();
    await branch.unlocked;
    expect(fences).toBe(0);
    await connection.query('start transaction');
    await connection.query('commit');
  });
});
