// Whatever a statement is made of, it does not end its branch; and what ends one all the same is seen in the same round trip.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openSession, type SessionSettings } from '../../src/participants/postgres/session/connect.ts';
import { classifyStatement } from '../../src/participants/postgres/sql/statement.ts';
import { clientConfigOf, parsePostgresUrl } from '../../src/participants/postgres/url.ts';
import type { EngineError } from '../../src/participants/resource-manager.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import { usePostgres } from './postgres-bench.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';
import { openRewritingProxy } from './rewriting-proxy.ts';

const { OPTIONS, engineError, expectPrepared, sql } = steps;

/** What the server skips at the beginning of a text, and what only looks like it. */
const PIECES = [
  ...[
    ' ',
    '\t',
    '\n',
    '\r',
    '\f',
    '\v',
    '\r\n',
    ';',
    '; ;',
    '--\n',
    '--x\r',
    '--;commit\r\n',
    '-- */\n',
    "--'\r",
    '--"\n',
    '--$$\r',
  ],
  ...[
    '/**/',
    '/* /* */ */',
    '/*/**/*/',
    '/*--*/',
    '/*\n*/',
    "/*'*/",
    '/*"*/',
    '/*;*/',
    '/***/',
    '/*/*/*/ */ */ */',
    '--/*\n',
    '/*--\n*/',
  ],
  ...['\u00a0', '\ufeff', '\u2028', '\u0085', '\u0001', '\u001c', '(', '"a"', "''", '\\', '1', '$$', '{'],
];
const ENDS = [
  ...[
    'commit',
    'Commit Work',
    'commit and chain',
    'end',
    'END TRANSACTION',
    'abort',
    'rollback',
    'rollback and chain',
    'begin',
  ],
  ...[
    'start transaction',
    'rollback work and chain',
    "prepare transaction 'x'",
    'commit;',
    'commit;;',
    'commit--',
    'commit/**/and/**/chain',
  ],
  ...["commit prepared 'x'", "rollback prepared 'x'", 'rollback/**/transaction'],
];
const CONTROL = /^(COMMIT|ROLLBACK|BEGIN|START TRANSACTION|PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED)$/;

/** Each fails at the server, for no function or block can end the transaction of its caller; `f` and `p` do what they are given. */
const WITHIN = [
  `do $$ begin commit; end $$`,
  `do $$ begin rollback; end $$`,
  `do $$ begin execute 'commit'; end $$`,
  `do $$ begin execute ';commit'; end $$`,
  `do $$ begin execute 'prepare transaction ''x'''; end $$`,
  `call p('commit')`,
  `call p('rollback and chain')`,
  `call p('start transaction')`,
  `select f('commit')`,
  `select f('prepare transaction ''x''')`,
  `select f('rollback to savepoint s')`,
  `prepare x as commit`,
  `explain analyze commit`,
  `copy account to stdout`,
  `/**/copy account from stdin`,
  `;copy (select 1) to stdout`,
  `select f('copy account to stdout')`,
  `select 1; commit`,
  `insert into account values ('z', 1); commit; begin`,
];

export function postgresStatementCases(name: string, server: () => EngineServer): void {
  describe(`${name} and the ends of a branch`, () => {
    const bench = usePostgres(server, [
      `create or replace procedure p(sql text) language plpgsql as $$ begin execute sql; commit; end $$`,
      `create or replace function f(sql text) returns void language plpgsql as $$ begin execute sql; end $$`,
    ]);

    it('whatever text the server takes for transaction control is refused before it is sent (field P2)', async () => {
      const session = await openSession(settingsOf(server()));
      try {
        const texts = fc.tuple(fc.array(fc.constantFrom(...PIECES), { maxLength: 5 }), fc.constantFrom(...ENDS));
        const samples = fc.sample(texts, { numRuns: 1_500, seed: 7 });
        let ended = 0;
        for (const [pieces, end] of [...ENDS.map((text) => [[], text] as const), ...samples]) {
          const text = pieces.join('') + end;
          const outcome = await session.run({ kind: 'steps', steps: [{ text: 'begin' }, { text }] });
          const tag = outcome.kind === 'answered' ? outcome.results[1]?.tag : 'lost';
          await session.run({ kind: 'simple', text: 'rollback' });
          await session.run({ kind: 'simple', text: "rollback prepared 'x'" });
          if (tag !== undefined && CONTROL.test(tag)) {
            ended += 1;
            expect([text, classifyStatement(sql(text)).kind]).toEqual([text, 'refused']);
          }
        }
        expect(ended).toBeGreaterThan(300);
      } finally {
        await session.close();
      }
    }, 120_000);

    it.each(WITHIN)('%j ends nothing: the branch rolls back whole (field P2)', async (text) => {
      const { harness, manager } = bench;
      const key = freshKey();
      const xid = freshXid();
      const branch = await manager().open(xid, OPTIONS);
      await branch.execute(harness().sql.put(key, 1n));
      await branch.execute(sql('savepoint s'));
      const error = await engineError(branch.execute(sql(text)));
      expect(error.damage).toBeUndefined();
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(await harness().committed(key)).toBeUndefined();
      expect(await harness().raw('select gid from pg_prepared_xacts')).toEqual([]);
    });

    it.each([
      `select ';commit'`,
      `select E'\\';commit --'`,
      `select U&'\\003bcommit'`,
      `select $a$;commit$a$ as "commit;"`,
      `/* commit */ select 1 -- commit`,
      `do $$ begin perform 'commit'; end $$`,
      `prepare y as select 'commit'`,
      `execute y`,
      `;;select 1;`,
      `;`,
      ` -- nothing`,
    ])('%j is a statement like any other (field P2)', async (text) => {
      const { harness, manager, branchWith } = bench;
      const before = text === 'execute y' ? [`prepare y as select 'commit'`] : [];
      const { xid, branch } = await branchWith(...before, text);
      expect(await manager().commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
      expect(await harness().raw('select gid from pg_prepared_xacts')).toEqual([]);
    });

    it('a branch goes back to its savepoints and on from there, in every spelling (field P2)', async () => {
      const { harness, manager } = bench;
      const [kept, gone] = [freshKey(), freshKey()];
      const xid = freshXid();
      const branch = await manager().open(xid, OPTIONS);
      for (const back of [
        'rollback to a',
        'Rollback To Savepoint a',
        'rollback/**/work to--\na',
        ';rollback transaction to savepoint "a"',
      ]) {
        await branch.execute(sql('savepoint a'));
        await branch.execute(harness().sql.put(gone, 1n));
        await branch.execute(sql(back));
        await branch.execute(sql('release savepoint a'));
      }
      await branch.execute(harness().sql.put(kept, 1n));
      expect(await manager().commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
      expect(await harness().committed(kept)).toBe(1n);
      expect(await harness().committed(gone)).toBeUndefined();
    });

    describe.each([
      ['commit', true],
      ['commit and chain', true],
      [`prepare transaction 'x'`, true],
      ['rollback', false],
      ['rollback and chain', false],
    ])('%s that slips through', (end, isDamage) => {
      const innocent = `select 'something longer than all of them'`;

      it.each([false, true])('is told as what it was, at once (last: %s) (field P2)', async (isLast) => {
        const { harness, manager } = bench;
        await using proxy = await openRewritingProxy(server().port);
        await using through = await harness().open({ port: proxy.port });
        proxy.rewrite(innocent, end.padEnd(innocent.length));
        const key = freshKey();
        const xid = freshXid();
        const branch = await through.open(xid, OPTIONS);
        await branch.execute(harness().sql.put(key, 1n));
        const statement = sql(innocent);
        const error: EngineError = await engineError(
          isLast ? branch.executeAndPrepare(statement) : branch.execute(statement),
        );
        expect(error.reason).toMatchObject({
          code: 'STATEMENT_REFUSED',
          message: expect.stringContaining('ended the branch'),
        });
        expect(error.damage !== undefined).toBe(isDamage);
        await branch.rollback();
        expect((await branch.prepare()).kind).toBe('rollback');
        // Whoever asks later, another life too, finds the row of a commit, and none of a rollback.
        const asked = await manager().rollback(xid, NO_EVIDENCE);
        expect(asked.kind).toBe(isDamage ? 'done-otherwise' : 'done');
        if (end === `prepare transaction 'x'`) {
          await harness().raw(`rollback prepared 'x'`);
        } else {
          expect(await harness().committed(key)).toBe(isDamage ? 1n : undefined);
        }
      });
    });
  });
}

function settingsOf(server: EngineServer): SessionSettings {
  return {
    client: clientConfigOf(parsePostgresUrl(server.url)),
    ...{ applicationName: 'concordat test', role: undefined, lockTimeoutMs: 1_000, idleTimeoutMs: 10_000 },
    connectTimeoutMs: 5_000,
    clock: systemClock,
  };
}
