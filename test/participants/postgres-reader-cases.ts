// Branches without a transaction number: what only read ends at once, locks last until the decision, and nothing is sent before it.

import { Client } from 'pg';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import type { Vote } from '../../src/xa/vocabulary.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { usePostgres } from './postgres-bench.ts';
import { freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, expectPrepared, sql } = steps;

const PLAIN = [
  'select 1',
  'select * from t where a = 1',
  'select count(*), max(a), lower($$x$$), now(), random() from t group by a',
  'select * from v, t',
  'select a::text || $$x$$ from guarded',
  'update t set a = 2 where a = 99',
  'delete from t where false',
  'select * from t where a = 99 for update',
  'select * from pg_stat_activity, information_schema.tables limit 1',
  'show search_path',
  'explain select * from t',
  'set local work_mem = 64',
  'savepoint a',
];

const LOCKS = [
  'select pg_advisory_xact_lock(77)',
  'select pg_try_advisory_xact_lock_shared(77)',
  'select mutex()',
  'select * from locking',
  'do $$ begin perform pg_advisory_xact_lock(77); end $$',
  'call lock_it()',
];

const NOTES = [
  `select pg_notify('news', 'early')`,
  `notify news, 'early'`,
  `;/**/notify news`,
  `do $$ begin notify news; end $$`,
  'select tell()',
  'select public."Tell"()',
  `select "Tell"()`,
  `with x as materialized (select tell()) select * from x`,
  'select * from telling',
  'select * from telling_too',
  'select t.tell_of from t',
  'update told set a = 1 where false',
  'insert into ruled select 1 where false',
  'call tell_it()',
  `select 5::positive`,
  `select query_to_xml('select tell()', true, true, '')`,
  `explain analyze select tell()`,
];

export function postgresReaderCases(name: string, server: () => EngineServer): void {
  describe(`${name} and branches that only read`, () => {
    const { harness, manager } = usePostgres(server, [
      'create table t (a int)',
      'insert into t values (1)',
      'create view v as select a, abs(a) as b, count(*) over () as n from t where a between 0 and 5',
      'create table guarded (a int)',
      'alter table guarded enable row level security',
      `create policy plain on guarded using (current_setting('a.b', true) is null)`,
      `create function mutex() returns void language sql as 'select pg_advisory_xact_lock(77)'`,
      `create procedure lock_it() language plpgsql as 'begin perform mutex(); end'`,
      'create view locking as select pg_advisory_xact_lock(77)::text as x',
      `create function lock_weakly() returns void language plpgsql as 'begin lock table t in row share mode; end'`,
      `create function tell() returns boolean language plpgsql as $$ begin notify news, 'early'; return true; end $$`,
      `create function "Tell"() returns boolean language sql as 'select tell()'`,
      `create procedure tell_it() language plpgsql as 'begin perform tell(); end'`,
      'create view telling as select a, tell() from t',
      `create view telling_too as select * from t where pg_notify('news', 'early') is not null`,
      'create table telling_by_policy (a int)',
      'alter table telling_by_policy enable row level security',
      'create policy tell on telling_by_policy using (tell())',
      'insert into telling_by_policy values (1)',
      `create function tell_of(t) returns boolean language sql as 'select tell()'`,
      'create table told (a int)',
      `create function tell_trigger() returns trigger language plpgsql as 'begin perform tell(); return null; end'`,
      'create trigger tell after update on told for each statement execute function tell_trigger()',
      'create table ruled (a int)',
      'create rule tell as on insert to ruled do also notify news',
      `create function tells_equal(int, int) returns boolean language sql as 'select tell()'`,
      'create domain positive as int check (value > 0 and tell())',
      'create type coin as (a int)',
      `create function coin_text(coin) returns text language plpgsql as 'begin perform tell(); return ''c''; end'`,
      `create function plain() returns int language sql as 'select 1'`,
      'create role reader login',
      'grant select on telling_by_policy to reader',
    ]);
    let listener: Client | undefined;
    const heard: string[] = [];
    beforeEach(async () => {
      if (listener === undefined) {
        listener = new Client({ connectionString: server().url });
        listener.on('notification', ({ payload = '' }) => void heard.push(payload));
        listener.on('error', () => undefined);
        await listener.connect();
        await listener.query('listen news');
      }
      heard.length = 0;
    });
    afterAll(() => listener?.end());
    /** Whatever was sent by now has come. */
    const news = async () => {
      await harness().raw(`notify news, 'end'`);
      while (!heard.includes('end')) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return heard.filter((payload) => payload !== 'end');
    };
    const ended = async (
      text: string,
      how: 'prepare' | 'last',
      options: Partial<typeof OPTIONS> = {},
    ): Promise<{ readonly xid: Xid; readonly vote: Vote }> => {
      const xid = freshXid();
      const { opening, isolation, idleTimeoutMs, readOnly } = OPTIONS;
      const branch = await manager().open(xid, { opening, isolation, idleTimeoutMs, readOnly, ...options });
      if (how === 'last') {
        return { xid, vote: (await branch.executeAndPrepare(sql(text))).vote };
      }
      await branch.execute(sql(text));
      return { xid, vote: await branch.prepare() };
    };
    const isFree = async () =>
      (await harness().raw('select pg_try_advisory_xact_lock(77)::text as free'))[0]?.['free'] === 'true';

    const numbers = async () => BigInt((await harness().raw('select pg_current_xact_id()::text as n'))[0]?.['n'] ?? 0);

    it.each(PLAIN)('%s ends with its vote, and costs the engine no number', async (text) => {
      const before = await numbers();
      expect((await ended(text, 'prepare')).vote.kind).toBe('read-only');
      if (!/^(update|delete)/.test(text)) {
        expect((await ended(text, 'last')).vote.kind).toBe('read-only');
      }
      expect(await numbers()).toBe(before + 1n);
    });

    it.each(LOCKS)('%s: the lock is held until the decision (field P13)', async (text) => {
      for (const how of ['prepare', 'last'] as const) {
        const { xid, vote } = await ended(text, how);
        const evidence = expectPrepared(vote);
        expect(await isFree()).toBe(false);
        expect(await manager().commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await isFree()).toBe(true);
      }
    });

    it.each([
      'lock table t in share mode',
      'lock t in access share mode',
      'select lock_weakly()',
      'lock table t in row share mode',
    ])('%s: the table is locked until the decision (field P13)', async (text) => {
      const { xid, vote } = await ended(text, 'prepare');
      const evidence = expectPrepared(vote);
      const held = await harness().raw(
        `select count(*)::text as n from pg_locks where relation = 't'::regclass and pid is null`,
      );
      expect(held[0]?.['n']).toBe('1');
      expect(await manager().rollback(xid, evidence)).toEqual({ kind: 'done' });
    });

    it.each(['share', 'update', 'key share', 'no key update'])(
      'rows locked FOR %s stay locked until the decision (field P13)',
      async (mode) => {
        const { xid, vote } = await ended(`select * from t where a = 1 for ${mode}`, 'prepare');
        const evidence = expectPrepared(vote);
        const skipped = await harness().raw('select a from t where a = 1 for update skip locked');
        expect(skipped).toEqual([]);
        expect(await manager().commit(xid, evidence)).toEqual({ kind: 'done' });
      },
    );

    it('a branch that is declared read-only and holds a lock votes no, and is told why (field P13)', async () => {
      const { vote } = await ended('select pg_advisory_xact_lock(77)', 'prepare', { readOnly: true });
      expect(vote).toMatchObject({
        kind: 'rollback',
        reason: { message: expect.stringContaining('without `readOnly`') },
      });
      expect((await ended('select plain()', 'prepare', { readOnly: true })).vote.kind).toBe('read-only');
      expect(await isFree()).toBe(true);
    });

    it.each(NOTES)('%s: nothing is sent before the decision (field R17)', async (text) => {
      for (const how of ['prepare', 'last'] as const) {
        const { xid, vote } = await ended(text, how);
        expect(await news()).toEqual([]);
        expect(vote).toMatchObject({ kind: 'rollback', reason: { message: expect.stringContaining('NOTIFY') } });
        expect(await manager().rollback(xid, NO_EVIDENCE)).toEqual({ kind: 'done' });
      }
    });

    it.each([
      [
        'operator',
        'create operator === (leftarg = int, rightarg = int, function = tells_equal)',
        'select 1 === 1',
        'drop operator ===(int, int)',
      ],
      [
        'cast',
        'create cast (coin as text) with function coin_text(coin)',
        'select row(1)::coin::text',
        'drop cast (coin as text)',
      ],
    ])('%s of a user: nothing is sent before the decision (field R17)', async (_, create, text, drop) => {
      await harness().raw(create);
      try {
        expect((await ended(text, 'prepare')).vote.kind).toBe('rollback');
        expect((await ended(text, 'last')).vote.kind).toBe('rollback');
        expect(await news()).toEqual([]);
      } finally {
        await harness().raw(drop);
      }
    });

    it('a policy that sends, for a role that it holds for: nothing is sent before the decision (field R17)', async () => {
      const branch = await manager().open(freshXid(), OPTIONS);
      await branch.execute(sql('set local role reader'));
      await branch.execute(sql('select * from telling_by_policy'));
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(await news()).toEqual([]);
    });

    it('a function that only reads ends with its vote, too, and leaves nothing prepared (field R17)', async () => {
      const rows = await harness().raw('select opening from concordat.branch order by 1');
      for (const how of ['prepare', 'last'] as const) {
        expect((await ended('select plain()', how)).vote.kind).toBe('read-only');
        expect((await ended('do $$ begin perform plain(); end $$', how)).vote.kind).toBe('read-only');
      }
      expect(await harness().raw('select gid from pg_prepared_xacts')).toEqual([]);
      expect(await harness().raw('select opening from concordat.branch order by 1')).toEqual(rows);
    });

    it('a transaction of one branch is its own decision: what it sends is delivered (field R17)', async () => {
      const branch = await manager().open(freshXid(), OPTIONS);
      await branch.execute(sql(`select pg_notify('news', 'right')`));
      expect(await endInOnePhase(branch)).toEqual({ kind: 'done' });
      expect(await news()).toEqual(['right']);
    });
  });
}
