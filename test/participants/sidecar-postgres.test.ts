// The sidecar on a real PostgreSQL: what memory only plays, with a server that is killed and locks that others wait for.
import { beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/xa/errors.ts';
import { useEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { type AttachCoordinator, startAttachCoordinator } from './attach-coordinator.ts';
import { rawQuery } from './postgres-harness.ts';
import { ref } from './runtime-fixture.ts';
import { Application, freshBranch, health, type StartedSidecar, startSidecar } from './sidecar-fixture.ts';

describe('a sidecar of PostgreSQL', () => {
  const pg = useEngine('postgresql-18');
  const raw = (sql: string): Promise<readonly Record<string, string | null>[]> => rawQuery(pg.server.url, sql);
  const start = (coordinator: AttachCoordinator): Promise<StartedSidecar> =>
    startSidecar(coordinator, { url: pg.server.url });
  const balance = async (id: number): Promise<string | null | undefined> =>
    (await raw(`select balance from account where id = ${id}`))[0]?.['balance'];

  beforeEach(async () => {
    await raw('create table if not exists account (id int primary key, balance int not null)');
    await raw('truncate account');
    await raw('insert into account select n, 100 from generate_series(1, 10) n');
  });

  it('executes with parameters, votes with the last statement, and commits', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await start(coordinator);
    await started.sidecar.ready;
    const session = await coordinator.attached();
    expect(session.heard('hello')[0]).toMatchObject({
      engine: 'postgresql',
      engineIdentity: expect.stringMatching(/^postgresql:\d+:\d+$/),
    });
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    const update = 'update account set balance = balance - $1 where id = $2 returning balance';
    const first = await application.execute({
      ...{ ...ref(xid), sql: update, parameters: [{ int: 30 }, { int: 1 }], statement: 1 },
      isolation: 'ISOLATION_SERIALIZABLE',
    });
    expect(first.rows).toMatchObject([{ values: [{ int: '70' }] }]);
    const last = await application.execute({
      ...{ ...ref(xid), sql: update, parameters: [{ int: -30 }, { int: 2 }], statement: 2, last: true },
    });
    expect(last.vote).toBe('VOTE_PREPARED');
    const { evidence } = await session.hears('vote');
    expect(evidence).toHaveProperty('row');
    expect([await balance(1), await balance(2)]).toEqual(['100', '100']);
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect([await balance(1), await balance(2)]).toEqual(['70', '130']);
  });

  it('restarted, it names what its earlier life prepared, votes for it, and finishes it (faults F64 F66)', async () => {
    await using coordinator = await startAttachCoordinator();
    const xid = freshBranch(coordinator);
    const first = await start(coordinator);
    await first.sidecar.ready;
    {
      using application = new Application(first.sidecar.address);
      const sql = 'update account set balance = 1 where id = 3';
      await application.execute({ ...ref(xid), sql, statement: 1, last: true });
    }
    await first.sidecar.stop(0);
    await using second = await start(coordinator);
    await second.sidecar.ready;
    const session = await coordinator.attached(2);
    const { branches } = await session.hears('reconcile');
    expect(branches).toMatchObject([ref(xid)]);
    session.send({ prepare: ref(xid) });
    const { vote, evidence } = await session.hears('vote');
    expect(vote).toBe('VOTE_PREPARED');
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    expect(await balance(3)).toBe('1');
  });

  for (const isSwept of [false, true]) {
    const state = isSwept ? 'and its row was swept' : 'and its row is there';
    it(`a statement that comes again at a restarted sidecar is not committed for the opening that is (${state}; field R13)`, async () => {
      await using coordinator = await startAttachCoordinator();
      const xid = freshBranch(coordinator);
      const repeated = {
        ...{ ...ref(xid), sql: 'update account set balance = balance - 10 where id = 4' },
        ...{ statement: 1, last: true },
      };
      const first = await start(coordinator);
      await first.sidecar.ready;
      {
        using application = new Application(first.sidecar.address);
        await application.execute(repeated);
      }
      const { evidence } = await (await coordinator.attached()).hears('vote');
      // The engine commits, and the sidecar dies before it could say so.
      const [prepared] = await raw(`select gid from pg_prepared_xacts where gid like '%${xid.gtrid}%'`);
      await raw(`commit prepared '${prepared?.['gid']}'`);
      await first.sidecar.stop(0);
      if (isSwept) {
        await raw(`delete from concordat.branch where gtrid = '${xid.gtrid}'`);
      }
      await using second = await start(coordinator);
      await second.sidecar.ready;
      const session = await coordinator.attached(2);
      using application = new Application(second.sidecar.address);
      expect((await application.execute(repeated)).vote).toBe(isSwept ? 'VOTE_PREPARED' : 'VOTE_ROLLBACK');
      session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
      expect((await session.hears('result')).result).toBe(
        isSwept ? 'FINISH_RESULT_DONE_OTHERWISE' : 'FINISH_RESULT_DONE',
      );
      expect(await balance(4)).toBe('90');
      const vote = await session.hears('vote');
      session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_ROLLBACK', evidence: vote.evidence } });
      await session.hears('result', 2);
      expect(await balance(4)).toBe('90');
      expect(await raw('select gid from pg_prepared_xacts')).toEqual([]);
    });
  }

  it('a server killed with kill -9 loses what was open and keeps what was prepared (faults F72)', async () => {
    await using coordinator = await startAttachCoordinator();
    coordinator.reconcileIntervalMs = 100;
    await using started = await start(coordinator);
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const [open, prepared] = [freshBranch(coordinator), freshBranch(coordinator)];
    await application.execute({ ...ref(open), sql: 'update account set balance = 0 where id = 4', statement: 1 });
    const last = 'update account set balance = 5 where id = 5';
    await application.execute({ ...ref(prepared), sql: last, statement: 1, last: true });
    const { evidence } = await session.hears('vote');
    await pg.server.kill('SIGKILL');
    expect(await session.hears('vote', 2)).toMatchObject({ ...ref(open), vote: 'VOTE_ROLLBACK' });
    await eventually('health says so', async () => (await health(started.sidecar.address)) === 'NOT_SERVING');
    session.send({ finish: { ...ref(prepared), verb: 'FINISH_VERB_COMMIT', evidence } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_UNKNOWN');
    await pg.server.start();
    await eventually('health is back', async () => (await health(started.sidecar.address)) === 'SERVING');
    session.send({ finish: { ...ref(prepared), verb: 'FINISH_VERB_COMMIT', evidence } });
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    expect([await balance(4), await balance(5)]).toEqual(['100', '5']);
    expect(coordinator.sessions).toHaveLength(1);
  });

  it('the deadline frees the locks of abandoned work, also under a statement that sleeps', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await start(coordinator);
    await started.sidecar.ready;
    const session = await coordinator.attached();
    using application = new Application(started.sidecar.address);
    const xid = freshBranch(coordinator);
    const update = 'update account set balance = 0 where id = 6';
    await application.execute({ ...ref(xid), sql: update, statement: 1, timeoutMs: 500 });
    const sleeping = application.refusal({ ...ref(xid), sql: 'select pg_sleep(60)', statement: 2 });
    expect((await session.hears('vote')).reason).toMatchObject({ code: 'TXN_TIMEOUT' });
    expect(await sleeping).toMatchObject({ code: 'BRANCH_UNKNOWN', metadata: { reason: 'TXN_TIMEOUT' } });
    await raw("set lock_timeout = '5s'; update account set balance = 7 where id = 6");
    expect(await balance(6)).toBe('7');
  });

  it('one phase commits with the evidence told first, and the evidence proves it to a later life', async () => {
    await using coordinator = await startAttachCoordinator();
    const xid = freshBranch(coordinator);
    const first = await start(coordinator);
    await first.sidecar.ready;
    const before = await coordinator.attached();
    {
      using application = new Application(first.sidecar.address);
      const sql = 'update account set balance = 8 where id = 8';
      await application.execute({ ...ref(xid), sql, statement: 1 });
    }
    before.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT_ONE_PHASE' } });
    const { evidence } = await before.hears('onePhaseEvidence');
    before.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence } });
    expect((await before.hears('result')).result).toBe('FINISH_RESULT_DONE');
    await first.sidecar.stop(0);
    await using second = await start(coordinator);
    await second.sidecar.ready;
    const session = await coordinator.attached(2);
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(await balance(8)).toBe('8');
  });

  it('refuses the older of two coordinators on copies of one log, also after a restart of everything (faults F23, conformance C18 H3 H4)', async () => {
    await using newer = await startAttachCoordinator();
    newer.epoch = 900;
    const first = await start(newer);
    await first.sidecar.ready;
    await first.sidecar.stop(0);
    await using older = await startAttachCoordinator();
    older.epoch = 899;
    await using second = await start(older);
    const session = await older.attached();
    expect(session.heard('ready')[0]?.epoch).toBe('900');
    await eventually('it says so', () => second.log.named('epoch-stale').length > 0);
    expect(second.log.named('attached')).toEqual([]);
  });

  it('of two coordinators on copies of one log in the same epoch serves the first, also after a restart of everything (field R5)', async () => {
    await using original = await startAttachCoordinator();
    Object.assign(original, { epoch: 901, token: 'original' });
    const first = await start(original);
    await first.sidecar.ready;
    await using copy = await startAttachCoordinator();
    Object.assign(copy, { epoch: 901, token: 'copy' });
    for (const _ of [1, 2]) {
      await using beside = await start(copy);
      await eventually('it says so', () => beside.log.named('epoch-stale').length > 0);
      const heard = (): readonly string[] =>
        copy.sessions.flatMap((session) => session.heard('ready')).map(({ lifeToken }) => lifeToken);
      await eventually('the copy hears of it, too', () => heard().length > 0);
      expect(new Set(heard())).toEqual(new Set(['original']));
      expect(beside.log.named('attached')).toEqual([]);
      await first.sidecar.stop(0);
    }
    await using again = await start(original);
    await again.sidecar.ready;
  });
});

describe('a PostgreSQL that cannot take part', () => {
  const pg = useEngine('postgresql-18', { settings: { max_prepared_transactions: '0' } });

  it('ends the sidecar with the setting and the fix', async () => {
    await using coordinator = await startAttachCoordinator();
    await using started = await startSidecar(coordinator, { url: pg.server.url });
    expect(await started.sidecar.ended).toBe(EXIT.usage);
    expect(started.sidecar.failure).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringContaining('max_prepared_transactions'),
    });
  });
});
