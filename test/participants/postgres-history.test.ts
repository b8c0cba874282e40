// A PostgreSQL whose history was cut, and one whose synchronous standby does not answer: what is there proves an end, and nothing else does.

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { BranchSession, ResourceManager } from '../../src/participants/resource-manager.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import type { Evidence } from '../../src/xa/vocabulary.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openPostgresHarness, type PostgresHarness } from './postgres-harness.ts';
import { freshKey, freshXid, rowOfBranch, steps } from './resource-manager-contract.ts';

const { OPTIONS, endInOnePhase, engineError, givenPrepared, givenRow } = steps;

describe('a PostgreSQL that answers from a copy of its data', () => {
  const engine = useEngine('postgresql-18');

  it('proves no end of a branch that the copy has not, although its transaction numbers are given out again (field P1 R7)', async () => {
    const { server } = engine;
    const harness = await openPostgresHarness(server);
    const [row] = await harness.raw('show data_directory');
    const data = String(row?.['data_directory']);
    let decided: { readonly xid: Xid; readonly evidence: Evidence; readonly key: string };
    let single: { readonly xid: Xid; readonly evidence: Evidence };
    const kept: { readonly xid: Xid; readonly evidence: Evidence; readonly key: string }[] = [];
    {
      await using before = await harness.open();
      kept.push(await givenPrepared(harness, before));
      const done = await givenPrepared(harness, before);
      await before.commit(done.xid, done.evidence);
      kept.push(done);
    }
    await server.stop();
    await promisify(execFile)('cp', ['-a', data, `${data}-copy`]);
    await server.start();
    {
      await using manager = await harness.open();
      decided = await givenPrepared(harness, manager);
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness.sql.put(freshKey(), 1n));
      const asked = await branch.askOnePhase();
      single = { xid, evidence: asked.kind === 'has-written' ? asked.evidence : NO_EVIDENCE };
      expect(await branch.commitOnePhase()).toEqual({ kind: 'done' });
    }
    const [last] = await harness.raw('select pg_snapshot_xmax(pg_current_snapshot())::text as next');
    await server.stop();
    await rm(data, { recursive: true });
    await promisify(execFile)('mv', [`${data}-copy`, data]);
    await server.start();
    await using manager = await harness.open();
    // Other work takes the numbers, and is committed.
    await eventually('the numbers are given out again', async () => {
      const [now] = await harness.raw(
        'insert into account values (gen_random_uuid()::text, 1) returning pg_current_xact_id()::text as n',
      );
      return BigInt(now?.['n'] ?? 0) > BigInt(last?.['next'] ?? 0);
    });
    expect(await manager.commit(decided.xid, decided.evidence)).toMatchObject({
      kind: 'done-otherwise',
      proof: expect.stringContaining(`${rowOfBranch(decided).opening}`),
    });
    expect(await manager.probe(decided.xid, decided.evidence)).toBe('rolled-back');
    expect(await manager.probe(single.xid, single.evidence)).toBe('rolled-back');
    expect(await harness.committed(decided.key)).toBeUndefined();
    // What the copy has is proven by the copy.
    const [prepared, committed] = kept;
    expect(await manager.commit(prepared?.xid ?? freshXid(), prepared?.evidence ?? NO_EVIDENCE)).toEqual({
      kind: 'done',
    });
    expect(await manager.commit(committed?.xid ?? freshXid(), committed?.evidence ?? NO_EVIDENCE)).toEqual({
      kind: 'done',
    });
  }, 120_000);

  it('without our table proves nothing, and says so (field P1)', async () => {
    const harness = await openPostgresHarness(engine.server);
    await using manager = await harness.open();
    const { xid, evidence } = await givenPrepared(harness, manager);
    await harness.finishByHand(xid, 'commit');
    await harness.raw('alter table concordat.branch rename to elsewhere');
    try {
      expect(await manager.commit(xid, evidence)).toMatchObject({
        kind: 'not-yet',
        reason: { message: expect.stringContaining('is this the database in which it was prepared?') },
      });
    } finally {
      await harness.raw('alter table concordat.elsewhere rename to branch');
    }
    expect(await manager.commit(xid, evidence)).toEqual({ kind: 'done' });
  });
});

describe('a PostgreSQL whose synchronous standby does not answer', () => {
  const engine = useEngine('postgresql-18');

  interface Bench extends AsyncDisposable {
    readonly harness: PostgresHarness;
    readonly manager: ResourceManager;
    readonly key: string;
    readonly standby: (isThere: boolean) => Promise<void>;
    /** Processes that wait for the standby. */
    readonly waiting: () => Promise<readonly number[]>;
  }

  async function open(): Promise<Bench> {
    const harness = await openPostgresHarness(engine.server);
    const manager = harness.openWith({ callTimeoutMs: 1_500 });
    await manager.createTables();
    const key = await givenRow(harness, manager);
    const standby = async (isThere: boolean): Promise<void> => {
      await harness.raw(`alter system set synchronous_standby_names = '${isThere ? '' : 'nobody'}'`);
      await harness.raw('select pg_reload_conf()');
      await eventually('the setting is read', async () => {
        const [now] = await harness.raw('show synchronous_standby_names');
        return (now?.['synchronous_standby_names'] === '') === isThere;
      });
    };
    const waiting = async (): Promise<readonly number[]> =>
      (await harness.raw("select pid::text from pg_stat_activity where wait_event = 'SyncRep'")).map(({ pid }) =>
        Number(pid),
      );
    return {
      ...{ harness, manager, key, standby, waiting },
      [Symbol.asyncDispose]: async () => {
        await standby(true);
        await manager[Symbol.asyncDispose]();
      },
    };
  }

  it('a commit in one phase is not told as committed before the standby has it, whoever asks (field P17)', async () => {
    await using bench = await open();
    const { harness, manager, key, standby, waiting } = bench;
    await using other = harness.openWith({ callTimeoutMs: 1_500 });
    const xid = freshXid();
    const branch = await manager.open(xid, OPTIONS);
    await branch.execute(harness.sql.add(key, 1n));
    const asked = await branch.askOnePhase();
    const evidence = asked.kind === 'has-written' ? asked.evidence : NO_EVIDENCE;
    await standby(false);
    expect(await branch.commitOnePhase()).toMatchObject({
      kind: 'unknown',
      reason: { message: expect.stringContaining('synchronous standby') },
    });
    expect(await waiting()).toHaveLength(1);
    expect((await engineError(other.probe(xid, evidence))).reason.message).toContain('synchronous standby');
    expect(await harness.committed(key)).toBe(100n);
    await standby(true);
    await eventually('it is committed', async () => (await other.probe(xid, evidence)) === 'committed');
    expect(await harness.committed(key)).toBe(101n);
  }, 60_000);

  it.each(['ended', 'cancelled'] as const)(
    'a commit whose wait for the standby is %s by hand is not told as committed before the standby has it (field P17)',
    async (how) => {
      await using bench = await open();
      const { harness, manager, key, standby, waiting } = bench;
      const xid = freshXid();
      const branch = await manager.open(xid, OPTIONS);
      await branch.execute(harness.sql.add(key, 1n));
      const asked = await branch.askOnePhase();
      const evidence = asked.kind === 'has-written' ? asked.evidence : NO_EVIDENCE;
      await standby(false);
      const commit = branch.commitOnePhase();
      await eventually('it waits', async () => (await waiting()).length === 1);
      const [pid] = await waiting();
      await harness.raw(`select pg_${how === 'ended' ? 'terminate' : 'cancel'}_backend(${pid})`);
      await eventually('its row can be seen', async () => (await harness.committed(key)) === 101n);
      expect((await commit).kind).toBe('unknown');
      for (let n = 0; n < 2; n += 1) {
        // The question waits for the standby itself, and is not repeated while it does.
        await engineError(manager.probe(xid, evidence));
      }
      expect((await waiting()).length).toBeLessThanOrEqual(1);
      await standby(true);
      await eventually('it is committed', () =>
        manager.probe(xid, evidence).then(
          (proof) => proof === 'committed',
          () => false,
        ),
      );
      expect(await endInOnePhase(branch)).toMatchObject({ kind: 'unknown' });
    },
    60_000,
  );

  it('a prepare whose wait for the standby is cancelled is no yes, and a decided branch is not done (field P17)', async () => {
    await using bench = await open();
    const { harness, manager, key, standby, waiting } = bench;
    const decided = await givenPrepared(harness, manager);
    const branch = await manager.open(freshXid(), OPTIONS);
    await branch.execute(harness.sql.add(key, 1n));
    await standby(false);
    const vote = branch.prepare();
    await eventually('it waits', async () => (await waiting()).length === 1);
    await harness.raw(`select pg_cancel_backend(${(await waiting())[0]})`);
    expect(await vote).toMatchObject({ kind: 'rollback', reason: { message: expect.stringContaining('standby') } });
    expect((await manager.commit(decided.xid, decided.evidence)).kind).toBe('unknown');
    expect(['not-yet', 'unknown']).toContain((await manager.commit(decided.xid, decided.evidence)).kind);
    await standby(true);
    await eventually('it is done', async () => (await manager.commit(decided.xid, decided.evidence)).kind === 'done');
    expect(await harness.committed(decided.key)).toBe(90n);
  }, 60_000);

  it('an application or an account that hears no warnings does not hide that the wait was cut off (field P17)', async () => {
    await using bench = await open();
    const { harness, manager, key, standby, waiting } = bench;
    const silence = { sql: "select set_config('client_min_messages', 'error', false)", parameters: [] };
    /** Cancels every wait for the standby until the answer is there. */
    const cutOff = async <T>(answer: Promise<T>): Promise<T> => {
      let isThere = false;
      void answer.then(() => {
        isThere = true;
      });
      await eventually('it is answered', async () => {
        for (const pid of await waiting()) {
          await harness.raw(`select pg_cancel_backend(${pid})`);
        }
        return isThere;
      });
      return await answer;
    };
    const decided = await givenPrepared(harness, manager);
    const given = async (): Promise<BranchSession> => {
      const branch = await manager.open(freshXid(), OPTIONS);
      await branch.execute(silence);
      await branch.execute(harness.sql.put(freshKey(), 1n));
      return branch;
    };
    const [single, one, two] = [await given(), await given(), await given()];
    const [{ role } = {}] = await harness.raw('select current_user as role');
    await harness.raw(`alter role ${role} set client_min_messages = error`);
    await using quiet = harness.openWith({ callTimeoutMs: 5_000 });
    await quiet.list();
    await standby(false);
    try {
      expect((await single.askOnePhase()).kind).toBe('has-written');
      expect((await cutOff(single.commitOnePhase())).kind).toBe('unknown');
      const refusal = { kind: 'rollback', reason: { message: expect.stringContaining('standby') } };
      expect(await cutOff(one.prepare())).toMatchObject(refusal);
      expect((await cutOff(two.executeAndPrepare(harness.sql.add(key, 1n)))).vote).toMatchObject(refusal);
      expect((await cutOff(quiet.commit(decided.xid, decided.evidence))).kind).toBe('unknown');
    } finally {
      await standby(true);
      await harness.raw(`alter role ${role} reset client_min_messages`);
    }
  }, 60_000);
});
