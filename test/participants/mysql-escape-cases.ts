// Nothing ends a branch of MySQL or MariaDB but us: whatever a statement is made of, and whatever a routine does.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { type BranchSession, EngineError, type ResourceManager } from '../../src/participants/resource-manager.ts';
import { type MysqlHarness, openMysqlHarness, rowLiteral } from './mysql-harness.ts';
import { freshKey, freshRow, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, engineError, expectPrepared, isListed, sql } = steps;

/** What stands before a verb and means nothing to the server, or should not. */
const BEFORE = [
  ...[
    '',
    ' ',
    '\t\v\f\r\n',
    ';',
    ' ; ;',
    '\0',
    '/**/',
    '/* a */',
    '/*\r\n*/',
    '/*/ */',
    '/*!*/',
    '/*!00000*/',
    '/*!99999 a */',
  ],
  ...[
    '/*M!*/',
    '/*! ; */',
    '-- a\n',
    '--\t\n',
    '--\x01\n',
    '-- a\r\n',
    '-- a\r',
    '--a\n',
    '#\n',
    '# a\n',
    '#a\r\n',
    '#a\r',
    '#\0\n',
  ],
  ...[
    '/*+ a */',
    '\u00a0',
    '\ufeff',
    '(',
    'x:',
    '`x`:',
    '/*!50000 ',
    '/*M!100000 ',
    '\\',
    "''",
    'select 1;',
    "select ';';",
    'do 0;\n',
  ],
];

/** What would end, prepare, give away or outlive the branch. */
const VERBS = [
  ...[
    'commit',
    'COMMIT WORK',
    'rollback',
    'rollback and chain',
    'begin',
    'start transaction',
    'set autocommit=1',
    'lock tables account write',
  ],
  ...[
    "xa end X'61'",
    "xa prepare X'61'",
    "xa commit X'61' one phase",
    "execute immediate 'commit'",
    "prepare a from 'commit'",
  ],
  ...[
    'begin not atomic commit; end',
    'create table got_out (n int)',
    'truncate table account',
    'alter table account comment ""',
  ],
  ...[
    'drop table if exists nowhere',
    'grant select on *.* to nobody',
    'flush tables',
    'flush status',
    'analyze table account',
    'unlock tables',
  ],
  ...[
    'set transaction read only',
    'set completion_type=2',
    'call commits()',
    'call begins()',
    'call makes()',
    'rename table account to a2',
  ],
  ...[
    'set password = ""',
    'set default role none',
    'create user got_out',
    'optimize table account',
    'reset query cache',
    'kill connection_id()',
  ],
];

const BEHIND = ['', ';', ' -- a', ' /* a', '\0', '; select 1', ' */'];

/** Statements that a routine can hold and that no first word shows. `X` stands for the name of the branch. */
const IN_PROCEDURE: readonly (readonly [what: string, body: string, committed: boolean])[] = [
  ['ends and commits it', 'xa end X; xa commit X one phase', true],
  ['ends, commits and opens it again', 'xa end X; xa commit X one phase; xa start X', true],
  ['commits it and fails', `xa end X; xa commit X one phase; signal sqlstate '45000'`, true],
  ['commits it and begins another transaction', 'xa end X; xa commit X one phase; start transaction', true],
  ['ends and rolls it back', 'xa end X; xa rollback X', false],
  ['rolls it back and opens it again', 'xa end X; xa rollback X; xa start X', false],
  ['ends it', 'xa end X', false],
  ['prepares it', 'xa end X; xa prepare X', false],
];

export function mysqlEscapeCases(name: string, server: () => EngineServer): void {
  describe(`ways out of a branch of ${name}`, () => {
    let harness: MysqlHarness;
    let manager: ResourceManager;
    beforeAll(async () => {
      harness = await openMysqlHarness(server());
      manager = await harness.open();
      if (harness.engine === 'mysql') {
        await harness.raw('set global log_bin_trust_function_creators = on');
      }
      for (const [routine, body] of [
        ['commits', 'commit'],
        ['begins', 'start transaction'],
        ['makes', 'create table got_out (n int)'],
      ]) {
        await harness.raw(`drop procedure if exists ${routine}; create procedure ${routine}() begin ${body}; end`);
      }
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });

    /** A branch that wrote `key`. */
    const given = async (key: string) => {
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness.sql.put(key, 1n));
      return { xid, branch };
    };
    const outcomeOf = async (branch: BranchSession) =>
      await branch.prepare().catch((error: unknown) => {
        if (error instanceof EngineError) {
          return error;
        }
        throw error;
      });

    it('none of the generated statements commits what a branch wrote, or outlives it (field P2)', {
      timeout: 240_000,
    }, async () => {
      const escaped: string[] = [];
      // A third of the pairs of a beginning and a verb, each with one of the endings in turn.
      const texts = BEFORE.flatMap((before, i) =>
        VERBS.filter((_, j) => before === '' || (i + j) % 3 === 0).map(
          (verb, j) => before + verb + BEHIND[(i + j) % BEHIND.length],
        ),
      );
      const worker = async (mine: readonly string[]) => {
        for (const text of mine) {
          const key = freshKey();
          const { xid, branch } = await given(key);
          const refused = await branch.execute(sql(text)).then(
            () => undefined,
            (error: EngineError) => error,
          );
          if ((await harness.committed(key)) !== undefined || refused?.damage !== undefined) {
            escaped.push(`committed by ${JSON.stringify(text)}`);
          }
          await branch.rollback();
          if ((await harness.committed(key)) !== undefined) {
            escaped.push(`committed behind ${JSON.stringify(text)}`);
          }
          if (await isListed(manager, xid)) {
            escaped.push(`prepared by ${JSON.stringify(text)}`);
          }
        }
      };
      await Promise.all([0, 1, 2, 3].map((n) => worker(texts.filter((_, i) => i % 4 === n))));
      expect(escaped).toEqual([]);
      expect(await harness.raw(`show tables like 'got_out'`)).toEqual([]);
      expect((await manager.list()).length).toBe(0);
    });

    it('as the first and as the last statement of a branch they do nothing either (field P2)', async () => {
      for (const verb of VERBS) {
        const key = freshKey();
        const first = await manager.open(freshXid(), OPTIONS);
        await first.execute(sql(verb)).catch(() => undefined);
        await first.rollback();
        const { branch } = await given(key);
        await branch.executeAndPrepare(sql(verb)).catch(() => undefined);
        await branch.rollback();
        expect([verb, await harness.committed(key)]).toEqual([verb, undefined]);
      }
      expect(await harness.raw(`show tables like 'got_out'`)).toEqual([]);
    });

    it.each(IN_PROCEDURE)(
      'a procedure that %s is noticed at once, and told as what it did (field P2)',
      async (_what, body, committed) => {
        const key = freshKey();
        const row = freshRow();
        const branch = await manager.open(row, { ...OPTIONS, opening: row.opening });
        await branch.execute(harness.sql.put(key, 1n));
        const procedure = `escape_${freshKey()}`.replaceAll('-', '_');
        await harness.raw(`create procedure ${procedure}() begin ${body.replaceAll('X', rowLiteral(row))}; end`);
        const error = await engineError(branch.execute(sql(`call ${procedure}()`)));
        if (committed) {
          expect(error.damage).toMatch(/committed/);
        } else {
          expect(error.damage).toBeUndefined();
        }
        const vote = await outcomeOf(branch);
        expect(vote).toMatchObject(committed ? { damage: error.damage } : { kind: 'rollback' });
        await branch.rollback();
        expect(await harness.committed(key)).toBe(committed ? 1n : undefined);
        expect(await isListed(manager, row)).toBe(false);
      },
    );

    it('procedures that do nothing of the kind are called as often as the branch likes (field P2)', async () => {
      await harness.raw(
        'create procedure adds(in k varchar(40), in v bigint) begin update account set value = value + v where id = k; end',
      );
      const key = freshKey();
      const { xid, branch } = await given(key);
      await branch.execute(sql('savepoint mine'));
      await branch.execute(sql(`call adds('${key}', 10)`));
      await branch.execute(sql('rollback to savepoint mine'));
      await branch.execute(sql(`call adds('${key}', 100)`));
      await branch.execute(sql(`call adds('${key}', 1000)`));
      const { vote } = await branch.executeAndPrepare(harness.sql.add(key, 10_000n));
      expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
      expect(await harness.committed(key)).toBe(11_101n);
      const reader = await manager.open(freshXid(), { ...OPTIONS, readOnly: true });
      await reader.execute(sql(`call adds('nobody', 1)`)).catch(() => undefined);
      expect((await reader.prepare()).kind).not.toBe('prepared');
    });
  });
}
