// What a broken stream, a newer coordinator and an older one mean for the branches that a participant holds.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { identityOf } from './attach-coordinator.ts';
import { committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

describe('a broken stream', () => {
  it('leaves the branches as they are: the next hello names them, and they go on', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [open, prepared] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(open, 1, 'set a 1'));
    await runtime.execute(statement(prepared, 1, 'set b 1', { last: true }));
    const { evidence } = await session.hears('vote');
    session.break();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('hello')[0]?.instance).toBe(runtime.instance);
    expect(again.heard('hello')[0]?.held).toMatchObject([
      { ...ref(open), vote: 'VOTE_UNSPECIFIED', evidence: { opening: expect.any(String) } },
      { ...ref(prepared), vote: 'VOTE_PREPARED', evidence },
    ]);
    await runtime.execute(statement(open, 2, 'set c 1', { last: true }));
    expect(await again.hears('vote')).toMatchObject({ ...ref(open), vote: 'VOTE_PREPARED' });
  });

  it('a vote given while nobody listens is in the next hello', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.coordinator.die();
    await eventually('detached', () => !runtime.status.ready);
    await runtime.execute(statement(xid, 2, 'set b 1', { last: true }));
    expect((await refusal(runtime.execute(statement(fixture.xid(), 1, 'set c 1')))).code).toBe('RESOURCE_UNAVAILABLE');
    await fixture.coordinator.start();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('hello')[0]?.held).toMatchObject([{ ...ref(xid), vote: 'VOTE_PREPARED' }]);
    expect(session.heard('vote')).toEqual([]);
  });

  it('a vote given between hello and ready is told after ready', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.coordinator.greet = () => undefined;
    session.break();
    const again = await eventually(
      'hello',
      () => fixture.coordinator.sessions[1]?.heard('hello')[0] && fixture.coordinator.sessions[1],
    );
    await runtime.execute(statement(xid, 2, 'set b 1', { last: true }));
    again.send(fixture.coordinator.welcome());
    expect(await again.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED' });
    expect(
      again.received.map(({ body }) => body).filter((body) => body !== 'heartbeat' && body !== 'reconcile'),
    ).toEqual(['hello', 'ready', 'vote']);
  });
});

describe('another life of the coordinator', () => {
  it.each([
    ['a newer epoch', 'abcdefghij', 2],
    ['another log', 'bcdefghijk', 1],
  ])('%s rolls back open branches at once, and leaves prepared ones to reconciliation', async (_, identity, epoch) => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [open, prepared] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(open, 1, 'set a 1'));
    await runtime.execute(statement(prepared, 1, 'set b 1', { last: true }));
    fixture.coordinator.identity = identityOf(identity);
    fixture.coordinator.epoch = epoch;
    session.break();
    await fixture.coordinator.attached(2);
    expect((await refusal(runtime.execute(statement(open, 2, 'set c 1')))).code).toBe('BRANCH_UNKNOWN');
    expect((await refusal(runtime.execute(statement(prepared, 2, 'set c 1')))).code).toBe('BRANCH_UNKNOWN');
    await runtime.execute(statement(fixture.xid(), 1, 'set a 2'));
    expect(fixture.engine.prepared().map(({ id }) => id)).toEqual([
      expect.stringContaining(`${prepared.gtrid}:${prepared.bqual}`),
    ]);
    expect(runtime.held).toBe(1);
  });

  it('a newer epoch rolls open branches back although the engine cannot record it yet', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    await runtime.execute(statement(fixture.xid(), 1, 'set a 1'));
    fixture.coordinator.epoch = 2;
    fixture.faults.set('raise-epoch', [{ kind: 'delayed', beforeMs: 20_000, afterMs: 0 }]);
    session.break();
    await eventually('the branch is gone', () => runtime.held === 0, 5_000);
    expect(runtime.status.ready).toBe(false);
  });

  it('a branch that was being prepared when the newer epoch came is left to its reconciliation', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    fixture.faults.set('prepare', [{ kind: 'delayed', beforeMs: 500, afterMs: 0 }]);
    const last = runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    await eventually('it prepares', () => fixture.calls.includes('prepare'));
    fixture.coordinator.epoch = 2;
    fixture.coordinator.reconcileIntervalMs = 20;
    session.break();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('vote')).toEqual([]);
    expect((await last).vote?.kind).toBe('prepared');
    expect(runtime.held).toBe(0);
    await eventually('it is found', () =>
      again.heard('reconcile').some(({ branches }) => branches.some(({ gtrid }) => gtrid === xid.gtrid)),
    );
  });

  it('a branch that a call of the earlier life is committing is not named: it would look like one that nobody decided', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [active, prepared] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(active, 1, 'set a 1'));
    await runtime.execute(statement(prepared, 1, 'set b 1', { last: true }));
    for (const verb of ['commit-one-phase', 'commit'] as const) {
      fixture.faults.set(verb, [{ kind: 'delayed', beforeMs: 500, afterMs: 0 }]);
    }
    for (const xid of [active, prepared]) {
      session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence: null } });
    }
    await session.hears('onePhaseEvidence', 2);
    for (const { gtrid, bqual, evidence } of session.heard('onePhaseEvidence')) {
      session.send({ finish: { gtrid, bqual, verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence } });
    }
    await eventually('both are being committed', () =>
      (['commit-one-phase', 'commit'] as const).every((verb) => fixture.calls.includes(verb)),
    );
    fixture.coordinator.epoch = 2;
    session.break();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('hello')[0]?.held).toMatchObject([]);
    await again.hears('result', 2);
    expect([committed(fixture.engine, 'a'), committed(fixture.engine, 'b')]).toEqual([1n, 1n]);
  });

  it('a branch whose commit in one phase was asked for when the newer epoch came, and not told with its evidence, ends', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.faults.set('execute', [{ kind: 'delayed', beforeMs: 500, afterMs: 0 }]);
    const running = runtime.execute(statement(xid, 2, 'set b 1')).catch(() => undefined);
    await eventually('it runs', () => fixture.calls.filter((call) => call === 'execute').length === 2);
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT_ONE_PHASE', evidence: null } });
    session.send({ probe: { id: 1, ...ref(xid), evidence: null } });
    await session.hears('probeResult');
    fixture.coordinator.epoch = 2;
    session.break();
    await fixture.coordinator.attached(2);
    await running;
    await eventually('it is rolled back', () => runtime.held === 0, 5_000);
    expect(committed(fixture.engine, 'a')).toBeUndefined();
  });

  it('a newer epoch finds the prepared branches by reconciliation and finishes them (conformance H6)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    fixture.coordinator.epoch = 2;
    session.break();
    const again = await fixture.coordinator.attached(2);
    const { branches } = await again.hears('reconcile');
    expect(branches).toMatchObject([ref(xid)]);
    again.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence: branches[0]?.evidence ?? null } });
    expect((await again.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, 'a')).toBe(1n);
  });

  it('an older epoch than the engine has served is told so, and nothing is done for it', async () => {
    await using fixture = await openFixture({
      prepare: (coordinator, engine) => void engine.raiseEpoch(coordinator.identity, 5, 'five'),
    });
    fixture.coordinator.epoch = 3;
    const { runtime, session } = await fixture.attach();
    expect(session.heard('ready')[0]?.epoch).toBe('5');
    session.send({ finish: { ...ref(fixture.xid()), verb: 'FINISH_VERB_ROLLBACK' } }, { prepare: ref(fixture.xid()) });
    const refused = await refusal(runtime.execute(statement(fixture.xid(), 1, 'set a 1')));
    expect(refused.code).toBe('RESOURCE_UNAVAILABLE');
    session.end();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('ready')[0]?.epoch).toBe('5');
    expect(session.received.map(({ body }) => body).filter((body) => body !== 'heartbeat')).toEqual(['hello', 'ready']);
    expect(fixture.calls).not.toContain('rollback');
    expect(fixture.log.named('epoch-stale').length).toBeGreaterThan(0);
  });

  it('another life of the same epoch is not served, and the coordinator is told whose it is (field R5)', async () => {
    await using fixture = await openFixture({
      prepare: (coordinator, engine) => void engine.raiseEpoch(coordinator.identity, coordinator.epoch, 'original'),
    });
    fixture.coordinator.token = 'copy';
    const { session } = await fixture.attach();
    expect(session.heard('ready')[0]).toMatchObject({ lifeToken: 'original' });
    session.send({ prepare: ref(fixture.xid()) });
    session.end();
    await fixture.coordinator.attached(2);
    expect(session.heard('vote')).toEqual([]);
    expect(fixture.log.named('epoch-stale')[0]?.['message']).toContain('a copy of the log');
  });

  it('an epoch that leaps ends no branch and is not recorded, and the log line says how to fix it (security X8)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    const { epoch } = fixture.coordinator;
    fixture.coordinator.epoch = 36 ** 7 - 1;
    session.break();
    const rogue = await fixture.coordinator.attached(2);
    expect(rogue.heard('ready')[0]?.epoch).toBe(String(epoch));
    expect(fixture.log.named('epoch-leap')[0]?.['message']).toContain('insert into concordat.epoch');
    fixture.coordinator.epoch = epoch;
    rogue.end();
    await fixture.coordinator.attached(3);
    await runtime.execute(statement(xid, 2, 'set b 1'));
  });

  it('an epoch that becomes old while it is served is not served any more', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.reconcileIntervalMs = 20;
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.engine.raiseEpoch(fixture.coordinator.identity, 9, 'nine');
    expect((await session.hears('ready', 2)).epoch).toBe('9');
    expect(runtime.status.ready).toBe(false);
    expect((await refusal(runtime.execute(statement(xid, 2, 'set a 2')))).code).toBe('BRANCH_UNKNOWN');
    session.send({ prepare: ref(fixture.xid()) });
    session.end();
    await fixture.coordinator.attached(2);
    expect(session.heard('vote')).toEqual([]);
  });
});
