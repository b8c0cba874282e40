// A session is its branch's alone: whatever the functions of one leave in it is gone before the next one.

import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import type { Vote } from '../../src/xa/vocabulary.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { usePostgres } from './postgres-bench.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, engineError, sql } = steps;

/** What a function does, what the next branch asks, and what it must be answered: a value, or an SQLSTATE. */
const REMAINS: readonly (readonly [remains: string, question: string, answer: string | null])[] = [
  [`perform set_config('app.user', 'alice', false)`, `select nullif(current_setting('app.user', true), '')`, null],
  [`perform set_config('search_path', 'nowhere', false)`, `select current_setting('search_path')`, '"$user", public'],
  [`set search_path = nowhere`, `select current_setting('search_path')`, '"$user", public'],
  [`set datestyle = 'German'`, `select current_setting('datestyle')`, 'ISO, MDY'],
  [`set lock_timeout = 1`, `select current_setting('lock_timeout')`, '10s'],
  [`set statement_timeout = 77`, `select current_setting('statement_timeout')`, '0'],
  [`set session characteristics as transaction read only`, `select current_setting('transaction_read_only')`, 'off'],
  [`set role stranger`, `select current_user::text`, 'postgres'],
  [`set session authorization stranger`, `select session_user::text`, 'postgres'],
  [`perform pg_advisory_lock(4711)`, `select count(*)::text from pg_locks where locktype = 'advisory'`, '0'],
  [`perform pg_advisory_lock_shared(4711, 2)`, `select count(*)::text from pg_locks where locktype = 'advisory'`, '0'],
  [`create temp table scratch as select 1 as a`, `select a::text from scratch`, '42P01'],
  [`create temp table if not exists pg_temp.account (key text)`, `select count(*) > 0 from account where false`, 'f'],
  [
    `create function pg_temp.f() returns int language sql as 'select 1'`,
    `select count(*)::text from pg_proc where pronamespace = pg_my_temp_schema()`,
    '0',
  ],
  [`listen gossip`, `select count(*)::text from pg_listening_channels()`, '0'],
  [`prepare theirs as select 1`, `execute theirs`, '26000'],
  [`execute 'declare held cursor with hold for select 1'`, `fetch from held`, '34000'],
  [`perform nextval('numbers')`, `select lastval()::text`, '55000'],
  [`perform nextval('numbers')`, `select currval('numbers')::text`, '55000'],
];

export function postgresRemainsCases(name: string, server: () => EngineServer): void {
  describe(`${name} and what is left in a session`, () => {
    const { harness } = usePostgres(server, [
      'create role stranger',
      'create sequence numbers',
      'grant all on account to stranger',
    ]);

    it.each(REMAINS)('%s: the next branch is answered to %j: %s (field P7)', async (remains, question, answer) => {
      await using single = harness().openWith({ poolMax: 1 });
      const endPrepared = async (xid: Xid, vote: Vote): Promise<void> => {
        if (vote.kind === 'prepared') {
          expect(await single.rollback(xid, vote.evidence)).toEqual({ kind: 'done' });
        }
      };
      for (const end of ['prepare', 'prepare of a writer', 'savepoint', 'rollback', 'one phase', 'failure'] as const) {
        const xid = freshXid();
        const branch = await single.open(xid, OPTIONS);
        const isWriter = end === 'prepare of a writer' || end === 'savepoint';
        await (isWriter ? branch.execute(harness().sql.put(freshKey(), 1n)) : undefined);
        await (end === 'savepoint' ? branch.execute(sql('savepoint a')) : undefined);
        await branch.execute(sql(`do $$ begin ${remains}; end $$`));
        switch (end) {
          case 'savepoint':
            await branch.execute(sql('rollback to a'));
            await endPrepared(xid, await branch.prepare());
            break;
          case 'prepare of a writer':
            await endPrepared(xid, await branch.prepare());
            break;
          case 'prepare':
            await branch.prepare();
            break;
          case 'one phase':
            await endInOnePhase(branch);
            break;
          case 'failure':
            await engineError(branch.execute(sql('select 1 / 0')));
            await branch.rollback();
            break;
          default:
            await branch.rollback();
        }
        const next = await single.open(freshXid(), OPTIONS);
        const asked = next.execute(sql(question));
        if (answer !== null && /^[0-9][0-9A-Z]{4}$/.test(answer)) {
          expect([end, (await engineError(asked)).reason.sqlstate]).toEqual([end, answer]);
        } else {
          const cell = (await asked).rows[0]?.[0];
          const value =
            cell === undefined || cell.kind === 'null'
              ? null
              : cell.kind === 'bool'
                ? cell.value
                  ? 't'
                  : 'f'
                : cell.kind === 'text'
                  ? cell.value
                  : cell.kind;
          expect([end, value]).toEqual([end, answer]);
        }
        await next.rollback();
      }
    });

    it('a writer that is prepared leaves nothing either, and its session serves the next branch (field P7)', async () => {
      await using single = harness().openWith({ poolMax: 1 });
      const pids = new Set<unknown>();
      for (let n = 0; n < 4; n += 1) {
        const xid = freshXid();
        const branch = await single.open(xid, OPTIONS);
        const { rows } = await branch.execute(
          sql(
            `select pg_backend_pid()::text, nullif(current_setting('app.user', true), ''), (select count(*)::text from pg_locks where locktype = 'advisory')`,
          ),
        );
        pids.add(rows[0]?.[0]?.kind === 'text' ? rows[0][0].value : undefined);
        expect(rows[0]?.slice(1)).toEqual([{ kind: 'null' }, { kind: 'text', value: '0' }]);
        await branch.execute(sql(`select set_config('app.user', 'alice', false), pg_advisory_lock(9)`));
        const put = harness().sql.put(freshKey(), 1n);
        if (n % 2 === 1) {
          await branch.execute(put);
        }
        const vote = n % 2 === 1 ? await branch.prepare() : (await branch.executeAndPrepare(put)).vote;
        expect(vote.kind).toBe('prepared');
        expect(await single.commit(xid, vote.kind === 'prepared' ? vote.evidence : NO_EVIDENCE)).toEqual({
          kind: 'done',
        });
        expect(await harness().raw(`select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
      }
      expect(pids.size).toBe(1);
    });

    it('statements that the adapter keeps are not in the way, and stay (field P7)', async () => {
      await using single = harness().openWith({ poolMax: 1 });
      const read = { sql: 'select $1::int + 1', parameters: [{ kind: 'int', value: 1n } as const] };
      for (let n = 0; n < 3; n += 1) {
        const branch = await single.open(freshXid(), OPTIONS);
        await branch.execute(read);
        await branch.prepare();
      }
      const branch = await single.open(freshXid(), OPTIONS);
      const { rows } = await branch.execute(
        sql(`select count(*)::text from pg_prepared_statements where statement = 'select $1::int + 1'`),
      );
      expect(rows).toEqual([[{ kind: 'text', value: '1' }]]);
      await branch.rollback();
    });
  });
}
