// A table of evidence rows, and an account, that are not as they were meant: nothing false is concluded from what they do not show.
import { describe, expect, it } from 'vitest';
import { printPostgresSql } from '../../src/participants/postgres/tables/tables.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import { useEngine } from '../support/engines.ts';
import { elsewhere, usePostgres } from './postgres-bench.ts';
import { freshKey, freshXid, steps } from './resource-manager-contract.ts';

const { OPTIONS, engineError, givenPrepared } = steps;

describe('evidence rows at PostgreSQL', () => {
  const engine = useEngine('postgresql-18');
  const { harness } = usePostgres(
    () => engine.server,
    [
      `create role side login password 'side'`,
      'grant all on account to side',
      printPostgresSql('side'),
      'create schema evil',
      'create view evil.pg_prepared_xacts as select * from pg_catalog.pg_prepared_xacts where false',
      'grant usage on schema evil to side',
      'grant select on evil.pg_prepared_xacts to side',
      'create function skip() returns trigger language plpgsql as $$ begin return null; end $$',
    ],
  );
  const as = (user: 'side' | undefined): ResourceManager =>
    harness().openWith(user === undefined ? {} : elsewhere(engine.server, engine.server.database, user));

  it('that a policy hides are not taken for rows that are not there (field P1)', async () => {
    await using manager = as('side');
    await harness().raw('alter table concordat.branch enable row level security');
    await harness().raw('create policy write on concordat.branch for insert to side with check (true)');
    try {
      const { xid, evidence } = await givenPrepared(harness(), manager);
      await harness().finishByHand(xid, 'commit');
      expect(await manager.commit(xid, evidence)).toMatchObject({
        kind: 'not-yet',
        reason: { message: expect.stringContaining('disable row level security') },
      });
      expect((await engineError(manager.probe(xid, evidence))).reason.message).toContain('row-level security');
      expect(await manager.preflight()).toContainEqual(expect.objectContaining({ fatal: true, check: 'evidence' }));
      await harness().raw('alter table concordat.branch disable row level security');
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    } finally {
      await harness().raw('drop policy write on concordat.branch');
      await harness().raw('alter table concordat.branch disable row level security');
    }
  });

  it('and the list of prepared branches are those of the server, whatever the search path of the account (field P1)', async () => {
    await harness().raw('alter role side set search_path = evil, pg_catalog, public');
    try {
      await using manager = as('side');
      const { xid, evidence } = await givenPrepared(harness(), manager);
      expect((await manager.list()).map((listed) => listed.xid)).toContainEqual(xid);
      expect(await manager.probe(xid, evidence)).toBe('prepared');
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    } finally {
      await harness().raw('alter role side reset search_path');
    }
  });

  it.each([
    [
      'a trigger',
      'create trigger skip before insert on concordat.branch for each row execute function skip()',
      'drop trigger skip on concordat.branch',
    ],
    [
      'a rule',
      'create rule skip as on insert to concordat.branch do instead nothing',
      'drop rule skip on concordat.branch',
    ],
    ['no log', 'alter table concordat.branch set unlogged', 'alter table concordat.branch set logged'],
  ])('in a table with %s are not relied on (field P1)', async (_, change, back) => {
    await using manager = as(undefined);
    await manager.createTables();
    await harness().raw(change);
    try {
      expect(await manager.preflight()).toContainEqual(expect.objectContaining({ fatal: true, check: 'evidence' }));
    } finally {
      await harness().raw(back);
    }
    expect((await manager.preflight()).filter(({ check }) => check === 'evidence')).toEqual([]);
  });

  it('and their sweep fail no serializable branch (field P1)', async () => {
    await harness().raw('alter role side set default_transaction_isolation = serializable');
    try {
      await using manager = as('side');
      const branches = Array.from({ length: 60 }, async () => {
        const xid = freshXid();
        const branch = await manager.open(xid, { ...OPTIONS, isolation: 'serializable' });
        await branch.execute(harness().sql.put(freshKey(), 1n));
        const vote = await branch.prepare();
        const identity = xid.gtrid.split('.')[0] as Parameters<ResourceManager['markers']>[0];
        await manager.forget(await manager.markers(identity));
        return vote.kind === 'prepared' ? (await manager.commit(xid, vote.evidence)).kind : vote;
      });
      expect(new Set(await Promise.all(branches))).toEqual(new Set(['done']));
    } finally {
      await harness().raw('alter role side reset default_transaction_isolation');
    }
  });
});
