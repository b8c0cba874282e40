// What an application can change about its session without a statement that says so, and what it writes elsewhere without a number here.
import { describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { rowEvidence } from '../../src/xa/evidence.ts';
import { usePostgres } from './postgres-bench.ts';
import { freshKey, freshRow, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, engineError, sql } = steps;

const DISGUISES = [
  `select set_config('application_name', 'mine', true)`,
  `select set_config('application_name', 'mine', false)`,
  `select disguise()`,
  `do $$ begin reset application_name; end $$`,
  `update worn set a = 2`,
];

const ENCODINGS = [
  `select set_config('client_encoding', 'LATIN1', true)`,
  `select set_config('client_encoding', 'LATIN1', false)`,
  `do $$ begin set local client_encoding = 'SQL_ASCII'; end $$`,
];

const FOREIGN = [
  `insert into near values ('a')`,
  `update near set id = 'b'`,
  'delete from near',
  'select * from near for update',
  `insert into split values ('a')`,
  `insert into viewed values ('a')`,
  `with x as (insert into near values ('a') returning id) select * from x`,
];

export function postgresDisguiseCases(name: string, server: () => EngineServer): void {
  describe(`${name} and what a branch is known by`, () => {
    const bench = usePostgres(server, [
      `create function disguise() returns int language plpgsql as $$ begin set application_name = 'mine'; return 1; end $$`,
      `create function disguising() returns trigger language plpgsql as $$ begin perform disguise(); return null; end $$`,
      'create table worn (a int)',
      'create trigger disguising after update on worn for each statement execute function disguising()',
      'create table worn_late (a int)',
      `create constraint trigger late after insert on worn_late deferrable initially deferred for each row execute function disguising()`,
    ]);

    it.each(
      DISGUISES.flatMap((text) => (['one phase', 'prepare', 'last'] as const).map((end) => [text, end] as const)),
    )('%s: whoever looks finds no proof that the branch will not undo (%s) (field R11)', async (text, end) => {
      const { harness, manager } = bench;
      await using other = await harness().open();
      const key = freshKey();
      const row = freshRow();
      const branch = await manager().open(row, { ...OPTIONS, opening: row.opening });
      await branch.execute(harness().sql.put(key, 1n));
      if (end === 'last') {
        const { vote } = await branch
          .executeAndPrepare(sql(text))
          .catch(() => ({ vote: { kind: 'rollback' } as const }));
        expect(vote.kind).toBe('rollback');
      } else {
        const { reason } = await engineError(branch.execute(sql(text)));
        expect(reason).toMatchObject({
          code: 'STATEMENT_REFUSED',
          message: expect.stringContaining('application_name'),
        });
        expect(await other.probe(row, rowEvidence(row.opening))).toBe('rolled-back');
        const result = end === 'prepare' ? await branch.prepare() : await endInOnePhase(branch);
        expect(result.kind).toBe(end === 'prepare' ? 'rollback' : 'done-otherwise');
      }
      await branch.rollback();
      expect(await harness().committed(key)).toBeUndefined();
      const left = `select gid from pg_prepared_xacts where gid like '%${row.opening}'`;
      expect(await harness().raw(left)).toEqual([]);
    });

    it('a deferred trigger is seen, too, in the round trip of the prepare and of the commit (field R11)', async () => {
      const { harness, manager } = bench;
      for (const end of ['prepare', 'one phase'] as const) {
        const branch = await manager().open(freshXid(), OPTIONS);
        await branch.execute(sql('insert into worn_late values (1)'));
        const result = end === 'prepare' ? await branch.prepare() : await endInOnePhase(branch);
        expect(result.kind).toBe(end === 'prepare' ? 'rollback' : 'done-otherwise');
        expect(JSON.stringify(result)).toContain('application_name');
      }
      expect(await harness().raw('select * from worn_late')).toEqual([]);
    });

    it.each(ENCODINGS)('%s: no text is read in another encoding than it was sent in (field P9)', async (text) => {
      const { harness, manager } = bench;
      const key = `ä${freshKey()}`;
      const branch = await manager().open(freshXid(), OPTIONS);
      const { reason } = await engineError(branch.execute(sql(text)));
      expect(reason.message).toContain('client_encoding');
      await engineError(branch.execute(harness().sql.put(key, 1n)));
      expect((await branch.prepare()).kind).toBe('rollback');
      // The session is the next branch's as it should be.
      const next = await manager().open(freshXid(), OPTIONS);
      await next.execute(harness().sql.put(key, 1n));
      expect(await endInOnePhase(next)).toEqual({ kind: 'done' });
      expect(await harness().committed(key)).toBe(1n);
    });

    it('a time that is given and a time that the server takes are both UTC, wherever it stands (field P8)', async () => {
      const { harness } = bench;
      await harness().raw(`alter database ${server().database} set timezone = 'Asia/Karachi'`);
      try {
        await using abroad = await harness().open();
        const branch = await abroad.open(freshXid(), OPTIONS);
        const value = `${new Date().toISOString().replace('T', ' ').replace('Z', '')}+00`;
        const { rows } = await branch.execute({
          sql: `select abs(extract(epoch from $1::timestamp - now()::timestamp)) < 60, now()::text like '%+00'`,
          parameters: [{ kind: 'timestamp', value }],
        });
        expect(rows).toEqual([[true, true].map((is) => ({ kind: 'bool', value: is }))]);
        await branch.rollback();
      } finally {
        await harness().raw(`alter database ${server().database} reset timezone`);
      }
    });
  });

  describe(`${name} and tables of another server`, () => {
    const bench = usePostgres(server, [
      'create extension postgres_fdw',
      'create table far (id text)',
      `do $$ begin execute format('create server me foreign data wrapper postgres_fdw options (host ''127.0.0.1'', port %L, dbname %L)',
        current_setting('port'), current_database()); end $$`,
      'create foreign table near (id text) server me options (table_name $$far$$)'.replaceAll('$$', "'"),
      'create table split (id text) partition by list (id)',
      `create foreign table split_a partition of split for values in ('a') server me options (table_name 'far')`,
      'create view viewed as select * from near',
    ]);

    it.each(FOREIGN.flatMap((text) => [false, true].map((isLast) => [text, isLast] as const)))(
      '%s: nothing is committed there before the decision (last: %s) (field R17)',
      async (text, isLast) => {
        const { harness, manager } = bench;
        const { user, password } = server();
        await harness().raw('drop user mapping if exists for current_user server me');
        await harness().raw(
          `create user mapping for current_user server me options (user '${user}', password '${password}')`,
        );
        await harness().raw('delete from far');
        await harness().raw(`insert into far values ('z')`);
        const branch = await manager().open(freshXid(), OPTIONS);
        let vote: { readonly kind: string };
        if (isLast) {
          ({ vote } = await branch.executeAndPrepare(sql(text)));
        } else {
          await branch.execute(sql(text));
          vote = await branch.prepare();
        }
        // PostgreSQL prepares nothing that has to do with such a table.
        expect(vote).toMatchObject({ kind: 'rollback', reason: { message: expect.stringContaining('foreign') } });
        expect(await harness().raw('select id from far')).toEqual([{ id: 'z' }]);
      },
    );

    it('what is only read there is no obstacle', async () => {
      const { manager } = bench;
      const branch = await manager().open(freshXid(), OPTIONS);
      await branch.execute(sql('select * from near'));
      expect(await branch.prepare()).toEqual({ kind: 'read-only' });
    });
  });
}
