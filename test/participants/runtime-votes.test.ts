// PrepareBranch: one vote for a branch, however often it is asked for, and by whichever life.
import { describe, expect, it } from 'vitest';
import { identityOf } from './attach-coordinator.ts';
import { committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

describe('prepare', () => {
  it('of a branch at work prepares it and votes; repeated, it gives the same vote again (faults F53, conformance B11)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send({ prepare: ref(xid) }, { prepare: ref(xid) });
    const vote = await session.hears('vote');
    expect(vote).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED', evidence: { row: expect.any(String) } });
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote', 2)).toEqual(vote);
    expect(fixture.calls.filter((verb) => verb === 'prepare')).toHaveLength(1);
    expect(fixture.engine.prepared()).toHaveLength(1);
  });

  it('that its client asked for votes unasked, and the coordinator’s own question is answered with the same vote', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    runtime.prepare(xid);
    runtime.prepare(xid);
    const vote = await session.hears('vote');
    expect(vote).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED', evidence: { row: expect.any(String) } });
    runtime.prepare(xid);
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote', 2)).toEqual(vote);
    expect(session.heard('vote')).toHaveLength(2);
    expect(fixture.calls.filter((verb) => verb === 'prepare')).toHaveLength(1);
  });

  it('that its client asked for of a branch that is not held here is left to the coordinator', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [unknown, other] = [fixture.xid(), fixture.xid()];
    runtime.prepare(unknown);
    await runtime.execute(statement(unknown, 1, 'set a 1'));
    await runtime.execute(statement(other, 1, 'set b 1', { last: true }));
    expect(await session.hears('vote')).toMatchObject(ref(other));
    expect(fixture.calls.filter((verb) => verb === 'prepare')).toHaveLength(1);
    expect(session.heard('vote')).toHaveLength(1);
    expect(runtime.held).toBe(2);
  });

  it('of a one-shot branch is refused until its last statement has come, whoever asks: others may be on their way', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [byCoordinator, byClient] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(byCoordinator, 1, 'set a 1', { oneShot: true }));
    session.send({ prepare: ref(byCoordinator) });
    const no = { vote: 'VOTE_ROLLBACK', reason: { code: 'BRANCH_STATE', retryable: true } };
    expect(await session.hears('vote')).toMatchObject({ ...ref(byCoordinator), ...no });
    await runtime.execute(statement(byClient, 1, 'set b 1', { oneShot: true }));
    runtime.prepare(byClient);
    expect(await session.hears('vote', 2)).toMatchObject({ ...ref(byClient), ...no });
    const late = await refusal(runtime.execute(statement(byClient, 2, 'set b 2', { last: true })));
    expect(late.code).toBe('BRANCH_UNKNOWN');
    expect(fixture.engine.prepared()).toEqual([]);
    expect(runtime.held).toBe(0);
  });

  it('of a one-shot branch whose last statement has come waits for all of them, and is one', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    fixture.faults.set('execute', [{ kind: 'delayed', beforeMs: 50, afterMs: 0 }]);
    const answers = Promise.all([
      runtime.execute(statement(xid, 1, 'set a 1', { oneShot: true })),
      runtime.execute(statement(xid, 2, 'set b 1', { last: true })),
    ]);
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED' });
    expect((await answers).map(({ vote }) => vote?.kind)).toEqual([undefined, 'prepared']);
  });

  it('of a one-shot branch is no when any of its statements failed, with the words of that one', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const answers = await Promise.allSettled([
      runtime.execute(statement(xid, 1, 'fail', { oneShot: true })),
      runtime.execute(statement(xid, 2, 'set a 1')),
      runtime.execute(statement(xid, 3, 'set b 1', { last: true })),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await session.hears('vote')).toMatchObject({ vote: 'VOTE_ROLLBACK', reason: { code: 'STATEMENT_FAILED' } });
    expect(fixture.engine.prepared()).toEqual([]);
  });

  it('waits for a statement that still runs, and no statement comes after it (conformance A1 M6)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    fixture.faults.set('execute', [{ kind: 'delayed', beforeMs: 100, afterMs: 0 }]);
    const running = runtime.execute(statement(xid, 1, 'set a 1'));
    await session.hears('opened');
    session.send({ prepare: ref(xid) });
    await running;
    const late = await refusal(runtime.execute(statement(xid, 2, 'set a 2')));
    expect(late.code).toBe('BRANCH_STATE');
    expect((await session.hears('vote')).vote).toBe('VOTE_PREPARED');
  });

  it('of a branch whose statement failed votes rollback with the reason, and the same again', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    const { runtime, session } = await fixture.attach();
    fixture.calls.length = 0; // It has listed the engine when it introduced itself.
    const xid = fixture.xid();
    await refusal(runtime.execute(statement(xid, 1, 'fail')));
    session.send({ prepare: ref(xid) });
    const vote = await session.hears('vote');
    expect(vote).toMatchObject({ vote: 'VOTE_ROLLBACK', reason: { code: 'STATEMENT_FAILED' } });
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote', 2)).toEqual(vote);
    expect(fixture.calls).not.toContain('list');
  });

  it('of a branch that only read votes read-only, and the same again', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'get a'));
    session.send({ prepare: ref(xid) });
    expect((await session.hears('vote')).vote).toBe('VOTE_READ_ONLY');
    session.send({ prepare: ref(xid) });
    expect((await session.hears('vote', 2)).vote).toBe('VOTE_READ_ONLY');
  });

  it('of an unknown branch votes rollback, and a first statement that comes later is refused', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote')).toMatchObject({
      vote: 'VOTE_ROLLBACK',
      reason: { code: 'BRANCH_UNKNOWN', retryable: true },
    });
    expect((await refusal(runtime.execute(statement(xid, 1, 'set a 1')))).code).toBe('BRANCH_UNKNOWN');
    expect(runtime.held).toBe(0);
  });

  it('of a branch that an earlier life prepared votes prepared, with the evidence of the engine (faults F64)', async () => {
    await using fixture = await openFixture();
    const { runtime: first, session: before } = await fixture.attach();
    const xid = fixture.xid();
    await first.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await before.hears('vote');
    await fixture.crash(first);
    const { session } = await fixture.attach();
    session.send({ prepare: ref(xid) });
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED', evidence });
  });

  it('of many unknown branches in one turn lists the engine once', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    const { session } = await fixture.attach();
    fixture.calls.length = 0; // It has listed the engine when it introduced itself.
    const xids = Array.from({ length: 50 }, () => fixture.xid());
    session.send(...xids.map((xid) => ({ prepare: ref(xid) })));
    await session.hears('vote', 50);
    expect(fixture.calls.filter((verb) => verb === 'list')).toHaveLength(1);
  });

  it('of an unknown branch while the engine is down votes rollback', async () => {
    await using fixture = await openFixture();
    const { session } = await fixture.attach();
    fixture.engine.crash();
    session.send({ prepare: ref(fixture.xid()) });
    expect(await session.hears('vote')).toMatchObject({
      vote: 'VOTE_ROLLBACK',
      reason: { code: 'ENGINE_UNAVAILABLE' },
    });
  });

  it('that comes after the branch was finished tells what the engine shows, and revives nothing (faults F56)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
    await session.hears('result');
    session.send({ prepare: ref(xid) });
    expect((await session.hears('vote', 2)).vote).toBe('VOTE_ROLLBACK');
    expect(committed(fixture.engine, 'a')).toBe(1n);
    expect(fixture.engine.prepared()).toHaveLength(0);
  });

  it('of a branch of another log is answered with a no and not looked up; of another resource, with silence (D8, faults B44)', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    const { session } = await fixture.attach();
    fixture.calls.length = 0; // It has listed the engine when it introduced itself.
    const stranger = fixture.xid({ identity: identityOf('bcdefghijk') });
    session.send({ prepare: ref(fixture.xid({ resource: 'orders' })) }, { prepare: ref(stranger) });
    expect(await session.hears('vote')).toMatchObject({ ...ref(stranger), reason: { code: 'NOT_OWNER' } });
    expect(session.heard('vote')).toHaveLength(1);
    expect(fixture.calls).not.toContain('list');
    expect(fixture.log.named('command-of-other-resource')).toHaveLength(1);
  });
});
