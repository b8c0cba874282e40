// Servers in another time zone and another character set: what the application hears and stores is UTC and utf8mb4 all the same.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResourceManager, SqlValue } from '../../src/participants/resource-manager.ts';
import { useEngine } from '../support/engines.ts';
import { type MysqlHarness, openMysqlHarness } from './mysql-harness.ts';
import { freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, sql } = steps;

const SETTINGS = {
  'default-time-zone': '+05:00',
  'character-set-server': 'latin1',
  'init-connect': `SET NAMES latin1, time_zone = '-03:00', autocommit = 1`,
};
const TEXT = 'ünïcödé \u{1f600} 日本';

describe.each(['mariadb', 'mysql'] as const)('a %s abroad', (key) => {
  // Gone from MySQL 9.
  const deaf = key === 'mariadb' ? { 'skip-character-set-client-handshake': '' } : {};
  const engine = useEngine(key, { settings: { ...SETTINGS, ...deaf } });
  let harness: MysqlHarness;
  let manager: ResourceManager;
  beforeAll(async () => {
    harness = await openMysqlHarness(engine.server);
    await harness.raw(
      `create user abroad identified by 'x'; grant all on concordat.* to abroad;
       create table ev (n int primary key auto_increment, what varchar(100) character set utf8mb4,
         at timestamp(3) null, filled timestamp(3) default current_timestamp(3)) engine=InnoDB`,
    );
    if (key === 'mysql') {
      await harness.raw('grant xa_recover_admin on *.* to abroad');
    }
    // Without the rights of an administrator init_connect is run.
    manager = harness.openWith({ url: engine.server.url.replace(/\/\/[^@]*@/, '//abroad:x@'), poolMax: 1 });
    await manager.createTables();
  });
  afterAll(async () => {
    await manager?.[Symbol.asyncDispose]();
  });

  const ask = async (text: string, ...parameters: SqlValue[]) => {
    const branch = await manager.open(freshXid(), OPTIONS);
    const { rows } = await branch.execute({ sql: text, parameters });
    expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
    return rows;
  };

  it('timestamps are UTC, the ones that are given as the ones that the server fills (field P8)', async () => {
    // The second branch is the first behind a reset.
    for (let round = 0; round < 2; round += 1) {
      const now = new Date();
      const given: SqlValue = { kind: 'timestamp', value: now.toISOString().replace('T', ' ').replace('Z', '') };
      await ask('insert into ev (at) values (?)', given);
      const [row] = await ask(
        `select abs(timestampdiff(second, at, filled)) < 30, abs(timestampdiff(second, at, now())) < 30, at,
           abs(unix_timestamp(at) - ?) < 1, @@time_zone from ev order by n desc limit 1`,
        { kind: 'double', value: now.getTime() / 1_000 },
      );
      expect(row).toEqual([
        { kind: 'int', value: 1n },
        { kind: 'int', value: 1n },
        given,
        { kind: 'int', value: 1n },
        { kind: 'text', value: '+00:00' },
      ]);
    }
  });

  it('texts are stored and read as they are (field P9)', async () => {
    for (let round = 0; round < 2; round += 1) {
      await ask('insert into ev (what) values (?)', { kind: 'text', value: TEXT });
      await ask(`insert into ev (what) values ('${TEXT}')`);
      const rows = await ask('select what, hex(what) from ev where what = ? order by n desc limit 2', {
        kind: 'text',
        value: TEXT,
      });
      const hex = Buffer.from(TEXT).toString('hex').toUpperCase();
      expect(rows).toEqual(
        [0, 1].map(() => [
          { kind: 'text', value: TEXT },
          { kind: 'text', value: hex },
        ]),
      );
    }
  });

  it('what the session is set to is what the server says of it (field P8 P9)', async () => {
    const [row] = await ask(
      'select @@autocommit, @@time_zone, @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection',
    );
    expect(row?.map((cell) => ('value' in cell ? String(cell.value) : ''))).toEqual([
      ...['0', '+00:00', 'utf8mb4', 'utf8mb4', 'utf8mb4', 'utf8mb4_unicode_ci'],
    ]);
  });

  it.each(['set names latin1', `set @a = 1, character_set_results = latin1`, 'set autocommit = 1'])(
    'a branch that says %j is refused before it is sent (field P9)',
    async (text) => {
      const branch = await manager.open(freshXid(), OPTIONS);
      await expect(branch.execute(sql(text))).rejects.toMatchObject({ reason: { code: 'STATEMENT_REFUSED' } });
      await branch.rollback();
    },
  );
});
