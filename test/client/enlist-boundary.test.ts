// An application's own PostgreSQL connection: roles that it takes, locks of a branch that only read, and notifications.
import type pg from 'pg';
import { expect, test } from 'vitest';
import { type UsedSystem, useSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
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

test.each(['lock table customer in access share mode', 'select 1; lock table customer in access share mode'])(
  '%s: a table that a branch locks by name stays locked until the decision (field P13)',
  async (text) => {
    const other = await administrator();
    const isFree = () =>
      other.query('begin; lock table customer in access exclusive mode nowait; rollback').then(
        () => true,
        () => other.query('rollback').then(() => false),
      );
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

test.each(['set', 'set local'])(
  '%s client_min_messages = error: a wait for the standby that was cut off is noticed all the same (field P17)',
  async (set) => {
    const other = await administrator();
    const standby = async (names: string): Promise<void> => {
      await other.query(`alter system set synchronous_standby_names = '${names}'`);
      await other.query('select pg_reload_conf()');
      await eventually('the setting is read', async () => {
        const { rows } = await other.query('show synchronous_standby_names');
        return rows[0]?.synchronous_standby_names === names;
      });
    };
    const cut = async (): Promise<boolean> => {
      const waiting = `from pg_stat_activity where wait_event = 'SyncRep'`;
      return ((await other.query(`select pg_cancel_backend(pid) ${waiting}`)).rowCount ?? 0) > 0;
    };
    const { concordat, accounts } = await startApplication(pair);
    const single = concordat.begin();
    await single.enlist('accounts', accounts);
    await accounts.query(`${set} client_min_messages = error`);
    await accounts.query('set local synchronous_commit = off');
    await accounts.query(PAY);
    await standby('nobody');
    try {
      let isTold = false;
      const committed = single.commit().finally(() => {
        isTold = true;
      });
      committed.catch(() => undefined);
      await eventually('its wait is cut off', cut);
      await eventually('the proof waits', cut);
      expect(isTold).toBe(false);
      await standby('');
      expect((await committed).outcome).toBe('committed');
    } finally {
      await standby('');
    }
    const whole = concordat.begin();
    const own = await whole.enlist('accounts', accounts);
    await accounts.query(`${set} client_min_messages = error`);
    await accounts.query(PAY);
    await whole.resource('orders').query(ORDER, [whole.gtrid]);
    await own.prepare();
    await standby('nobody');
    try {
      let isTold = false;
      const committed = whole.commit().finally(() => {
        isTold = true;
      });
      committed.catch(() => undefined);
      await eventually('its wait is cut off', cut);
      await eventually('the next one waits', cut);
      expect(isTold).toBe(false);
      await standby('');
      expect((await committed).outcome).toBe('committed');
    } finally {
      await standby('');
    }
  },
  60_000,
);

test.each([`select set_config('application_name', 'mine', true)`, 'select disguise()'])(
  '%s: a branch that could not be found any more is rolled back, with the reason (field R11)',
  async (text) => {
    const other = await administrator(
      `create or replace function disguise() returns int language plpgsql as $$ begin set application_name = 'mine'; return 1; end $$`,
    );
    const before = (await other.query('select sum(deposit)::text as sum from customer')).rows;
    const { concordat, accounts } = await startApplication(pair);
    const work = concordat.transaction(async (tx) => {
      await tx.enlist('accounts', accounts);
      await accounts.query(PAY);
      await accounts.query(text);
      await tx.resource('orders').query(ORDER, [tx.gtrid]);
    });
    await expect(work).rejects.toThrow(/application_name/);
    expect((await other.query('select sum(deposit)::text as sum from customer')).rows).toEqual(before);
  },
);

test('a failed transaction is explained by what failed in it (field R11)', async () => {
  const { concordat, accounts } = await startApplication(pair);
  const work = concordat.transaction(async (tx) => {
    await tx.enlist('accounts', accounts);
    await accounts.query(PAY);
    await accounts.query('select nothing_of_that_name').catch(() => undefined);
    await tx.resource('orders').query(ORDER, [tx.gtrid]);
  });
  await expect(work).rejects.toThrow(/nothing_of_that_name/);
});

test('a session that the server ends within a statement is not waited for (field P16)', async () => {
  const { concordat, accounts } = await startApplication(pair);
  accounts.on('error', () => undefined);
  const startedAt = performance.now();
  const work = concordat.transaction(async (tx) => {
    await tx.enlist('accounts', accounts);
    await accounts.query(PAY);
    await tx.resource('orders').query(ORDER, [tx.gtrid]);
    await accounts.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
  });
  await expect(work).rejects.toThrow(/rolled back/);
  expect(performance.now() - startedAt).toBeLessThan(8_000);
});
