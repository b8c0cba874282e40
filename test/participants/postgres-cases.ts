// PostgreSQL's own cases (conformance L, faults F69 to F79): what its answers mean and what the adapter makes of them.
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { sessionTag } from '../../src/participants/postgres/gid.ts';
import { judgePrepare } from '../../src/participants/postgres/judge.ts';
import { openSession } from '../../src/participants/postgres/session.ts';
import type { ResourceManager, Statement } from '../../src/participants/resource-manager.ts';
import { openPostgresHarness, type PostgresHarness } from './postgres-harness.ts';
import { freshKey, freshXid, openLossyProxy, steps, until } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, engineError, expectPrepared, expectUnlocked, givenPrepared, givenRow, isListed } =
  steps;
const sql = (text: string): Statement => ({ sql: text, parameters: [] });

export function postgresCases(name: string, server: () => EngineServer): void {
  describe(`${name} as itself`, () => {
    let opened: PostgresHarness | undefined;
    let manager: ResourceManager;
    const harness = (): PostgresHarness => {
      if (opened === undefined) {
        throw new Error('the harness is not open');
      }
      return opened;
    };
    beforeEach(async () => {
      if (opened === undefined) {
        opened = await openPostgresHarness(server());
        manager = await opened.open();
        await opened.raw('create table parent (id int primary key)');
        await opened.raw('create table child (id int references parent deferrable initially deferred)');
      }
    });
    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
    });

    /** A branch with one change and then `statement`. */
    const branchWith = async (...statements: readonly string[]) => {
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness().sql.put(freshKey(), 1n));
      for (const statement of statements) {
        await branch.execute(sql(statement));
      }
      return { xid, branch };
    };

    it('in a failed block PREPARE TRANSACTION succeeds with the tag ROLLBACK, and that is a rollback vote (faults F69 B53, conformance L1)', async () => {
      const session = await openSession({
        client: { connectionString: server().url },
        applicationName: 'concordat test',
        role: undefined,
        lockTimeoutMs: 1_000,
        idleTimeoutMs: 10_000,
        connectTimeoutMs: 5_000,
        clock: systemClock,
      });
      const failed = await session.run({ kind: 'steps', steps: [{ text: 'begin' }, { text: 'select 1 / 0' }] });
      expect(failed).toMatchObject({ kind: 'answered', status: 'E' });
      const outcome = await session.run({ kind: 'simple', text: `prepare transaction 'concordat:l1'` });
      expect(outcome).toMatchObject({
        kind: 'answered',
        error: undefined,
        status: 'I',
        results: [{ tag: 'ROLLBACK' }],
      });
      expect(judgePrepare(outcome, '1').kind).toBe('rollback');
      const outside = await session.run({ kind: 'simple', text: `prepare transaction 'concordat:l1'` });
      expect(judgePrepare(outside, '1').kind).toBe('rollback');
      await session.close();
    });

    it('a deferred constraint that fails at PREPARE is a rollback vote, also when it came with the last statement (conformance L3)', async () => {
      const { xid, branch } = await branchWith('insert into child values (404)');
      expect(await branch.prepare()).toMatchObject({
        kind: 'rollback',
        reason: { sqlstate: '23503', retryable: false },
      });
      expect(await isListed(manager, xid)).toBe(false);
      const last = await manager.open(freshXid(), OPTIONS);
      const { result, vote } = await last.executeAndPrepare(sql('insert into child values (404)'));
      expect(result.rowCount).toBe(1);
      expect(vote).toMatchObject({ kind: 'rollback', reason: { sqlstate: '23503' } });
    });

    it('a deferred constraint that fails in one phase proves a rollback', async () => {
      const { branch } = await branchWith('insert into child values (404)');
      const result = await endInOnePhase(branch);
      expect(result).toEqual({ kind: 'done-otherwise', proof: expect.stringContaining('23503') });
    });

    it.each([
      ['a temporary table', 'create temporary table scratch (a int)'],
      ['LISTEN', 'listen somewhere'],
      ['an exported snapshot', 'select pg_export_snapshot()'],
    ])('%s cannot be prepared: a rollback vote with the reason (conformance L4)', async (_, statement) => {
      const { xid, branch } = await branchWith(statement);
      expect(await branch.prepare()).toMatchObject({ kind: 'rollback', reason: { sqlstate: '0A000' } });
      expect(await isListed(manager, xid)).toBe(false);
    });

    it('a branch that wrote nothing gets no transaction number and no slot (conformance L8)', async () => {
      const next = async () => (await harness().raw('select pg_snapshot_xmax(pg_current_snapshot()) as x'))[0]?.['x'];
      const before = await next();
      const branch = await manager.open(freshXid(), { ...OPTIONS, isolation: 'serializable' });
      await branch.execute(harness().sql.add('nobody', 1n));
      await branch.execute(harness().sql.get('nobody'));
      expect(await branch.prepare()).toEqual({ kind: 'read-only' });
      expect(await next()).toBe(before);
    });

    it('a SELECT that writes through a function is prepared, not taken for a reader', async () => {
      await harness().raw(`create or replace function sneak(k text) returns int language sql as
        $$ insert into account values (k, 1); select 1 $$`);
      for (const verb of ['execute', 'executeAndPrepare'] as const) {
        const [key, xid] = [freshKey(), freshXid()];
        const branch = await manager.open(xid, OPTIONS);
        const statement = { sql: 'select sneak($1)', parameters: [{ kind: 'text', value: key } as const] };
        const vote =
          verb === 'execute'
            ? await branch.execute(statement).then(() => branch.prepare())
            : (await branch.executeAndPrepare(statement)).vote;
        expect(await manager.commit(xid, expectPrepared(vote))).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(1n);
      }
    });

    it('a serialization failure at PREPARE is a rollback vote that may be retried (faults F70)', async () => {
      const [one, two] = [await givenRow(harness(), manager), await givenRow(harness(), manager)];
      const serializable = { ...OPTIONS, isolation: 'serializable' } as const;
      const branches = [await manager.open(freshXid(), serializable), await manager.open(freshXid(), serializable)];
      for (const branch of branches) {
        await branch.execute(harness().sql.get(one));
        await branch.execute(harness().sql.get(two));
      }
      await branches[0]?.execute(harness().sql.add(one, 1n));
      await branches[1]?.execute(harness().sql.add(two, 1n));
      const votes = [await branches[0]?.prepare(), await branches[1]?.prepare()];
      expect(votes.map((vote) => vote?.kind).sort()).toEqual(['prepared', 'rollback']);
      expect(votes.find((vote) => vote?.kind === 'rollback')).toMatchObject({
        reason: { sqlstate: '40001', retryable: true },
      });
      for (const branch of await manager.list()) {
        await (branch.xid === undefined ? undefined : manager.rollback(branch.xid, branch.evidence));
      }
    });

    it('a branch of another database is not done, and the reason names the mend (faults F77, conformance L11)', async () => {
      const { xid, evidence } = await givenPrepared(harness(), manager);
      await harness().raw('create database other');
      await using other = harness().openWith(elsewhere(server(), 'other'));
      expect(await isListed(other, xid)).toBe(false);
      const result = await other.commit(xid, evidence);
      expect(result).toMatchObject({
        kind: 'not-yet',
        reason: { sqlstate: '0A000', message: expect.stringContaining('database in which') },
      });
      expect((await other.identify()).identity).not.toBe((await manager.identify()).identity);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('a branch of another role is not done, and the reason names the mend; SET ROLE owns what it prepares (faults F77, conformance L12)', async () => {
      await harness().raw(`create role worker nologin`);
      await harness().raw(`create role clerk login password 'clerk' in role worker`);
      await harness().raw(`create role stranger login password 'stranger'`);
      await harness().raw('grant all on account to worker');
      const as = (user: string, role?: string) =>
        harness().openWith({
          ...elsewhere(server(), server().database, user),
          ...(role === undefined ? {} : { role }),
        });
      await using clerk = as('clerk', 'worker');
      await using stranger = as('stranger');
      const xid = freshXid();
      const branch = await clerk.open(xid, OPTIONS);
      await branch.execute(harness().sql.put(freshKey(), 1n));
      const evidence = expectPrepared(await branch.prepare());
      expect(await harness().raw('select owner from pg_prepared_xacts where gid like $1', [`%${xid.gtrid}%`])).toEqual([
        { owner: 'worker' },
      ]);
      for (const verb of ['commit', 'rollback'] as const) {
        const result = await stranger[verb](xid, evidence);
        expect(result).toMatchObject({
          kind: 'not-yet',
          reason: { sqlstate: '42501', message: expect.stringContaining('role that prepared') },
        });
      }
      expect(await clerk.commit(xid, evidence)).toEqual({ kind: 'done' });
      const open = await clerk.open(freshXid(), OPTIONS);
      await open.execute(harness().sql.get('nobody'));
      await using again = as('clerk', 'worker');
      const left = freshXid();
      const leftover = await clerk.open(left, OPTIONS);
      await leftover.execute(harness().sql.put(freshKey(), 1n));
      await again.fence(left);
      expect((await leftover.prepare()).kind).toBe('rollback');
      await open.rollback();
    });

    it('evidence is the 64-bit transaction number, and pg_xact_status proves every end by it (conformance L13 L14)', async () => {
      const { xid, evidence } = await givenPrepared(harness(), manager);
      const status = async () =>
        (await harness().raw('select pg_xact_status($1::xid8) as s', [evidence.replace('xid8:', '')]))[0]?.['s'];
      expect(evidence).toMatch(/^xid8:[1-9][0-9]*$/);
      expect(await status()).toBe('in progress');
      const listed = (await manager.list()).find((branch) => branch.xid?.gtrid === xid.gtrid);
      expect(listed?.evidence).toBe(evidence);
      await harness().finishByHand(xid, 'rollback');
      expect(await status()).toBe('aborted');
      expect(await manager.commit(xid, evidence)).toEqual({
        kind: 'done-otherwise',
        proof: expect.stringContaining(evidence),
      });
    });

    it('evidence of the future, from another server, proves nothing', async () => {
      expect((await manager.commit(freshXid(), 'xid8:999999999999')).kind).toBe('unproven');
      expect(await manager.rollback(freshXid(), 'xid8:999999999999')).toEqual({ kind: 'done' });
    });

    it('a branch whose transaction is still at work is neither committed nor rolled back yet', async () => {
      const { branch } = await branchWith();
      const { rows } = await branch.execute(sql('select pg_current_xact_id()::text'));
      const number = rows[0]?.[0];
      const evidence = `xid8:${number?.kind === 'text' ? number.value : ''}`;
      // Another Xid: the adapter cannot find the session by its name, as with a session that somebody renamed.
      expect(await manager.commit(freshXid(), evidence)).toMatchObject({ kind: 'not-yet' });
      expect(await manager.rollback(freshXid(), evidence)).toMatchObject({ kind: 'not-yet' });
      expect(await manager.probe(freshXid(), evidence)).toBe('active');
      await branch.rollback();
    });

    it('a session that does not end when it is fenced keeps the answer open', async () => {
      const { xid, branch } = await branchWith();
      const { rows } = await branch.execute(sql('select pg_backend_pid()'));
      const pid = rows[0]?.[0]?.kind === 'int' ? Number(rows[0][0].value) : 0;
      process.kill(pid, 'SIGSTOP');
      try {
        expect(await manager.rollback(xid, '')).toMatchObject({
          kind: 'unknown',
          reason: { message: expect.stringContaining(`${pid}`) },
        });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      expect(await manager.rollback(xid, '')).toEqual({ kind: 'done' });
      expect((await branch.prepare()).kind).toBe('rollback');
    });

    it('commits that a crash cuts off are all done when they are repeated (faults F73)', async () => {
      const prepared = await Promise.all(Array.from({ length: 8 }, () => givenPrepared(harness(), manager)));
      const cut = Promise.all(prepared.map(({ xid, evidence }) => manager.commit(xid, evidence)));
      await harness().kill();
      for (const result of await cut) {
        expect(['done', 'unknown']).toContain(result.kind);
      }
      await harness().start();
      for (const { xid, evidence, key } of prepared) {
        expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
        expect(await harness().committed(key)).toBe(90n);
      }
    });

    it('a plain SET, an advisory lock or a temporary table goes with its session; a clean session is used again', async () => {
      await using single = await harness().open({ poolMax: 1 });
      const pidAfter = async (...statements: readonly string[]) => {
        const branch = await single.open(freshXid(), OPTIONS);
        const { rows } = await branch.execute(sql('select pg_backend_pid()'));
        for (const statement of statements) {
          await branch.execute(sql(statement));
        }
        await branch.prepare();
        return rows[0]?.[0];
      };
      const rolledBack = await single.open(freshXid(), OPTIONS);
      const { rows: before } = await rolledBack.execute(sql('select pg_backend_pid()'));
      await rolledBack.rollback();
      const first = await pidAfter(`set local work_mem = '2MB'`, 'savepoint a', 'release a');
      expect(first).toEqual(before[0]?.[0]);
      expect(await pidAfter(`set work_mem = '3MB'`)).toEqual(first);
      const second = await pidAfter('select pg_advisory_lock(1)');
      expect(second).not.toEqual(first);
      const third = await pidAfter('select 1 as a into temporary scratch');
      expect(third).not.toEqual(second);
      const fourth = await pidAfter(`select set_config('work_mem', '4MB', false)`);
      expect(fourth).not.toEqual(third);
      const fifth = await pidAfter('select pg_advisory_lock(1)');
      expect(fifth).not.toEqual(fourth);
    });

    it('a procedure cannot commit inside a branch', async () => {
      await harness().raw('create or replace procedure finish() language plpgsql as $$ begin commit; end $$');
      const { xid, branch } = await branchWith();
      expect((await engineError(branch.execute(sql('call finish()')))).reason.sqlstate).toBe('2D000');
      expect((await branch.prepare()).kind).toBe('rollback');
      expect(await isListed(manager, xid)).toBe(false);
    });

    it('a session carries its branch in its name while it works, and not any more when it is prepared', async () => {
      const { xid, branch } = await branchWith();
      const named = async () =>
        Number(
          (
            await harness().raw('select count(*) as n from pg_stat_activity where application_name = $1', [
              sessionTag(xid),
            ])
          )[0]?.['n'],
        );
      expect(await named()).toBe(1);
      const evidence = expectPrepared(await branch.prepare());
      expect(await named()).toBe(0);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('a prepare that its dead client left waiting in a backend never happens after the fence', async () => {
      const key = await givenRow(harness(), manager);
      const holder = await manager.open(freshXid(), OPTIONS);
      await holder.execute(harness().sql.add(key, 1n));
      const proxy = await openLossyProxy(server().port);
      await using cut = await harness().open({ port: proxy.port });
      const xid = freshXid();
      const zombie = await cut.open(xid, OPTIONS);
      const lost = engineError(zombie.executeAndPrepare(harness().sql.add(key, 10n)));
      await until(
        'the zombie waits for the row',
        async () =>
          (
            await harness().raw(
              `select 1 from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`,
              [sessionTag(xid)],
            )
          ).length === 1,
      );
      await proxy[Symbol.asyncDispose]();
      expect((await lost).sessionLost).toBe(true);
      expect(await manager.rollback(xid, '')).toEqual({ kind: 'done' });
      await holder.rollback();
      await expectUnlocked(harness(), manager, key);
      expect(await isListed(manager, xid)).toBe(false);
      expect(await harness().committed(key)).toBe(100n);
    });

    it('a rollback that overtakes execute-and-prepare leaves nothing prepared and no session', async () => {
      const key = await givenRow(harness(), manager);
      const holder = await manager.open(freshXid(), OPTIONS);
      await holder.execute(harness().sql.add(key, 1n));
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      const overtaken = engineError(branch.executeAndPrepare(harness().sql.add(key, 10n)));
      await until(
        'it waits for the row',
        async () =>
          (
            await harness().raw(
              `select 1 from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`,
              [sessionTag(xid)],
            )
          ).length === 1,
      );
      await branch.rollback();
      await overtaken;
      expect(
        await harness().raw('select pid from pg_stat_activity where application_name = $1', [sessionTag(xid)]),
      ).toEqual([]);
      await holder.rollback();
      expect(await isListed(manager, xid)).toBe(false);
    });

    it('a fence ends a backend that has not even read the batch of a branch that was left', async () => {
      await using single = await harness().open({ poolMax: 1 });
      const key = await givenRow(harness(), single);
      const first = await single.open(freshXid(), OPTIONS);
      const { rows } = await first.execute(sql('select pg_backend_pid()'));
      await first.rollback();
      const pid = rows[0]?.[0]?.kind === 'int' ? Number(rows[0][0].value) : 0;
      const xid = freshXid();
      const branch = await single.open(xid, OPTIONS);
      process.kill(pid, 'SIGSTOP');
      try {
        const overtaken = engineError(branch.executeAndPrepare(harness().sql.add(key, 1n)));
        const rolledBack = branch.rollback();
        await until(
          'the process is being ended',
          async () =>
            (
              await harness().raw(
                `select 1 from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%terminate_backend(a.pid%'`,
              )
            ).length >= 1,
        );
        process.kill(pid, 'SIGCONT');
        await Promise.all([overtaken, rolledBack]);
      } finally {
        await server().kill('SIGCONT');
      }
      expect(await isListed(single, xid)).toBe(false);
      expect(await harness().committed(key)).toBe(100n);
    });

    it('an engine that does not answer delays a phase-two call no longer than its limit', async () => {
      await using hasty = harness().openWith({ callTimeoutMs: 1_000 });
      await hasty.list();
      const { xid, evidence } = await givenPrepared(harness(), hasty);
      await server().kill('SIGSTOP');
      const started = performance.now();
      try {
        expect((await hasty.commit(xid, evidence)).kind).toBe('unknown');
        expect(performance.now() - started).toBeLessThan(8_000);
      } finally {
        await server().kill('SIGCONT');
      }
      await until('commit is done', async () => (await hasty.commit(xid, evidence)).kind === 'done');
    });

    it('waiting for a lock ends with 55P03, retryable, at the limit of the adapter', async () => {
      await using hasty = harness().openWith({ lockTimeoutMs: 100 });
      const { xid, evidence, key } = await givenPrepared(harness(), hasty);
      const branch = await hasty.open(freshXid(), OPTIONS);
      const { reason } = await engineError(branch.execute(harness().sql.add(key, 1n)));
      expect(reason).toMatchObject({ code: 'STATEMENT_FAILED', sqlstate: '55P03', retryable: true });
      await branch.rollback();
      expect(await hasty.rollback(xid, evidence)).toEqual({ kind: 'done' });
    });

    it('sessions that wait behind a waiter of a prepared branch are counted, those of other locks are not', async () => {
      const { xid, evidence, key } = await givenPrepared(harness(), manager);
      const other = await givenRow(harness(), manager);
      const waiters = await Promise.all([1, 2, 3].map(() => manager.open(freshXid(), OPTIONS)));
      const holder = await manager.open(freshXid(), OPTIONS);
      await holder.execute(harness().sql.add(other, 1n));
      const waiting = [
        waiters[0]?.execute(harness().sql.add(key, 1n)),
        waiters[1]?.execute(harness().sql.add(key, 1n)),
        waiters[2]?.execute(harness().sql.add(other, 1n)),
      ];
      await until('two wait', async () => (await manager.blockedSessions(xid)) === 2);
      expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
      // Which of the two is first in the queue is the engine's affair: each makes room as soon as it is served.
      await Promise.all([
        holder.rollback(),
        ...waiting.map(async (served, i) => {
          await served;
          await waiters[i]?.rollback();
        }),
      ]);
    });

    it('values of an unusual role default are read all the same, and unknown types come as text', async () => {
      await harness().raw(`create role odd superuser login password 'odd'`);
      await harness().raw(`alter role odd set bytea_output = 'escape'`);
      await harness().raw(`alter role odd set datestyle = 'German'`);
      await harness().raw(`create type mood as enum ('happy', 'sad')`);
      await using odd = harness().openWith(elsewhere(server(), server().database, 'odd'));
      const branch = await odd.open(freshXid(), OPTIONS);
      const { rows, columns } = await branch.execute(
        sql(`select '\\x00ff41'::bytea, '2026-11-20'::date, 'sad'::mood, '{1,2}'::int[], null::mood`),
      );
      expect(rows[0]).toEqual([
        { kind: 'bytes', value: Uint8Array.of(0, 255, 65) },
        { kind: 'timestamp', value: '2026-11-20' },
        { kind: 'text', value: 'sad' },
        { kind: 'text', value: '{1,2}' },
        { kind: 'null' },
      ]);
      expect(columns.map((column) => column.type).slice(0, 2)).toEqual(['bytea', 'date']);
      expect(columns[2]?.type).toMatch(/^oid:\d+$/);
      await branch.execute(sql(`set local bytea_output = 'escape'`));
      const escaped = await branch.execute(sql(`select '\\x00ff415c'::bytea`));
      expect(escaped.rows[0]?.[0]).toEqual({ kind: 'bytes', value: Uint8Array.of(0, 255, 65, 92) });
      await branch.rollback();
    });
  });
}

/** The same server with another database or user (password = name). */
function elsewhere(server: EngineServer, database: string, user?: string): { readonly url: string } {
  const login = user === undefined ? `${server.user}:${server.password}` : `${user}:${user}`;
  return { url: `postgresql://${login}@127.0.0.1:${server.port}/${database}` };
}
