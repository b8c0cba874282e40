// Roles: an application works as whichever role it likes, and the branch belongs to the participant's all the same.
import { beforeEach, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { printPostgresSql } from '../../src/participants/postgres/tables/tables.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { elsewhere, usePostgres } from './postgres-bench.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, expectPrepared, sql } = steps;

/** How an application becomes another role within its transaction. */
const WAYS = [
  'set local role visitor',
  `select set_config('role', 'visitor', true)`,
  `select set_config('role', 'visitor', false)`,
  `do $$ begin set local role visitor; end $$`,
  `do $$ begin set role visitor; end $$`,
  `select become('visitor')`,
  `with a as (select become('visitor')) select * from a`,
];
const SUPERUSER_WAYS = [
  ...WAYS,
  `do $$ begin set local session authorization visitor; end $$`,
  `do $$ begin set session authorization visitor; end $$`,
  `select set_config('session_authorization', 'visitor', true)`,
];

export function postgresRoleCases(name: string, server: () => EngineServer): void {
  describe(`${name} and roles`, () => {
    const { harness } = usePostgres(server, [
      'create role visitor nologin',
      `create role side login password 'side'`,
      'grant visitor to side',
      printPostgresSql('side'),
      'create table note (key text, owner text default current_user)',
      'alter table note enable row level security',
      `create policy own on note to visitor using (owner = current_user) with check (owner = current_user)`,
      'grant select, insert on note to visitor',
      'create table seen (key text, as_role text, path text)',
      'grant insert on seen to visitor',
      'create schema theirs',
      'grant usage on schema theirs to visitor, side',
      `create function become(name text) returns text language sql as $$ select set_config('role', name, true) $$`,
      `create function look() returns trigger language plpgsql as $$ begin
        insert into public.seen values (new.key, current_user, current_setting('search_path')); return null; end $$`,
      `create constraint trigger look after insert on note deferrable initially deferred for each row execute function look()`,
    ]);
    const as = (user: 'side' | 'postgres'): ResourceManager =>
      harness().openWith({ poolMax: 1, ...(user === 'side' ? elsewhere(server(), server().database, 'side') : {}) });
    const writeNote = (key: string) => ({
      sql: 'insert into public.note (key) values ($1)',
      parameters: [{ kind: 'text', value: key } as const],
    });
    const owners = async (key: string) => harness().raw('select owner from note where key = $1', [key]);
    let key = '';
    beforeEach(() => {
      key = freshKey();
    });

    describe.each([
      ['side', WAYS],
      ['postgres', SUPERUSER_WAYS],
    ] as const)('of a participant that logs in as %s', (user, ways) => {
      it.each(ways)(
        '%s: the work is of that role, and the branch is finished by ours (field P3, security X28)',
        async (way) => {
          await using manager = as(user);
          for (const how of ['prepare', 'last', 'one phase'] as const) {
            const xid = freshXid();
            const branch = await manager.open(xid, OPTIONS);
            await branch.execute(sql(way));
            if (how === 'one phase') {
              await branch.execute(writeNote(key));
              expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
              continue;
            }
            let vote = how === 'last' ? (await branch.executeAndPrepare(writeNote(key))).vote : undefined;
            if (vote === undefined) {
              await branch.execute(writeNote(key));
              vote = await branch.prepare();
            }
            const evidence = expectPrepared(vote);
            expect(await harness().raw('select owner from pg_prepared_xacts')).toEqual([{ owner: user }]);
            expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
          }
          expect(await owners(key)).toEqual([{ owner: 'visitor' }, { owner: 'visitor' }, { owner: 'visitor' }]);
          const next = await manager.open(freshXid(), OPTIONS);
          const { rows } = await next.execute(sql('select current_user::text, session_user::text'));
          expect(rows[0]?.map((cell) => cell.kind === 'text' && cell.value)).toEqual([user, user]);
          await next.rollback();
        },
      );
    });

    it.each(WAYS)('%s: a branch that only read leaves nothing prepared (field P3)', async (way) => {
      await using manager = as('side');
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(sql(way));
      const vote = await branch.prepare();
      expect(await harness().raw('select gid from pg_prepared_xacts')).toEqual([]);
      expect(vote).toEqual({ kind: 'read-only' });
    });

    it('row-level security holds within the branch (field P3)', async () => {
      await using manager = as('side');
      await harness().raw(`insert into note values ($1, 'somebody else')`, [key]);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(sql('set local role visitor'));
      await branch.execute(writeNote(key));
      const read = {
        sql: 'select owner from note where key = $1',
        parameters: [{ kind: 'text', value: key } as const],
      };
      expect((await branch.execute(read)).rows).toEqual([[{ kind: 'text', value: 'visitor' }]]);
      expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
    });

    it('deferred triggers run as the role of the application, and with its settings (field P3)', async () => {
      await using manager = as('side');
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(sql('set local role visitor'));
      await branch.execute(sql('set local search_path = theirs'));
      await branch.execute(writeNote(key));
      expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
      expect(await harness().raw('select as_role, path from seen where key = $1', [key])).toEqual([
        { as_role: 'visitor', path: 'theirs' },
      ]);
    });

    it.each([
      `select set_config('statement_timeout', '10', true)`,
      'set local statement_timeout = 10',
      'set local search_path = theirs',
      `set search_path = ''`,
      'set local row_security = off',
      'set default_transaction_read_only = on',
      'set local session_replication_role = replica',
      'set local synchronous_commit = off',
      'set local standard_conforming_strings = off',
      'set local enable_indexscan = off',
    ])('%s does not break the prepare (field P3)', async (setting) => {
      await using manager = as('postgres');
      for (const end of ['prepare', 'one phase'] as const) {
        const xid = freshXid();
        const branch = await manager.open(xid, OPTIONS);
        await branch.execute(writeNote(key));
        await branch.execute(sql(setting));
        if (end === 'one phase') {
          expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
        } else {
          expect(await manager.commit(xid, expectPrepared(await branch.prepare()))).toEqual({ kind: 'done' });
        }
      }
    });

    it('a branch that made itself read-only votes no, with the reason (field P3)', async () => {
      await using manager = as('postgres');
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(writeNote(key));
      await branch.execute(sql(`select set_config('transaction_read_only', 'on', true)`));
      expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { sqlstate: '25006' } });
      expect(await owners(key)).toEqual([]);
    });
  });
}
