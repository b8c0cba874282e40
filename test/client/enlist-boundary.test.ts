// An application's own PostgreSQL connection: roles that it takes, locks of a branch that only read, and notifications.
import type pg from 'pg';
import { expect, test } from 'vitest';
import { type UsedSystem, useSystem } from '../e2e/system.ts';
import { openClient, PAY, startApplication } from './enlist-application.ts';

const pair: UsedSystem = useSystem('mariadb');
const ORDER = 'insert into customer_order (id, customer_id, amount) values (?, 1, 10)';

async function administrator(...statements: readonly string[]): Promise<pg.Client> {
  const client = await openClient(pair.accounts.server.url);
  for (const statement of statements) {
    await client.query(statement);
  }
  return client;
}

test.each([
  'set local role visitor',
  `select set_config('role', 'visitor', true)`,
  `do $$ begin set local role visitor; end $$`,
  `do $$ begin set local session authorization visitor; end $$`,
])('%s: the branch belongs to the role that logged in, and is finished (field P3)', async (way) => {
  await administrator(
    `do $$ begin create role visitor; exception when duplicate_object then null; end $$`,
    'create table if not exists note (id text, by_role text default current_user)',
    'grant insert on note to visitor',
    'delete from note',
  );
  const { concordat, accounts } = await startApplication(pair);
  for (const alone of [false, true]) {
    await concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await accounts.query(way);
      await accounts.query('insert into note (id) values ($1)', [tx.gtrid]);
      if (!alone) {
        await tx.resource('orders').query(ORDER, [tx.gtrid]);
      }
    });
  }
  const { rows } = await accounts.query('select by_role, current_user::text as me from note');
  expect(rows).toEqual([
    { by_role: 'visitor', me: 'postgres' },
    { by_role: 'visitor', me: 'postgres' },
  ]);
});

test.each(['select pg_advisory_xact_lock(77)', 'do $$ begin perform pg_advisory_xact_lock(77); end $$'])(
  '%s: a branch that only read keeps its lock until the decision (field P13)',
  async (text) => {
    const other = await administrator();
    const isFree = async () => (await other.query('select pg_try_advisory_xact_lock(77) as free')).rows[0]?.free;
    const { concordat, accounts } = await startApplication(pair);
    const tx = concordat.begin();
    const own = await tx.enlist('accounts', accounts);
    await accounts.query(text);
    await tx.resource('orders').query(ORDER, [tx.gtrid]);
    await own.prepare();
    expect(await isFree()).toBe(false);
    expect((await tx.commit()).outcome).toBe('committed');
    expect(await isFree()).toBe(true);
  },
);

test.each([
  `select pg_notify('news', 'early')`,
  `notify news, 'early'`,
  `select 1; notify news, 'early'`,
  'select tell()',
  'select * from telling',
])('%s: nothing is sent before the decision (field R17)', async (text) => {
  const listener = await administrator(
    `create or replace function tell() returns boolean language plpgsql as $$ begin notify news, 'early'; return true; end $$`,
    'create or replace view telling as select tell() as told',
    'listen news',
  );
  const heard: unknown[] = [];
  listener.on('notification', ({ payload }) => heard.push(payload));
  const { concordat, accounts } = await startApplication(pair);
  const work = concordat.transaction(async (tx) => {
    await tx.enlist('accounts', accounts);
    await accounts.query(text);
    await tx.resource('orders').query(ORDER, [tx.gtrid]);
  });
  await expect(work).rejects.toThrow(/NOTIFY/);
  await listener.query('select 1');
  expect(heard).toEqual([]);
});

test('a function that only reads is no reason to hold anything, and plain reading costs no number', async () => {
  const other = await administrator(`create or replace function plain() returns int language sql as 'select 1'`);
  const { concordat, accounts } = await startApplication(pair);
  for (const text of ['select plain()', 'select count(*) from customer']) {
    await concordat.transaction(async (tx) => {
      const own = await tx.enlist('accounts', accounts);
      await accounts.query(text);
      await tx.resource('orders').query(ORDER, [`${tx.gtrid}`]);
      await own.prepare();
      expect((await other.query('select gid from pg_prepared_xacts')).rows).toEqual([]);
    });
  }
  await concordat.transaction(async (tx) => {
    await tx.enlist('accounts', accounts);
    await accounts.query(PAY);
  });
});
