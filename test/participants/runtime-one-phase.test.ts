// One phase: evidence first, an answer that proves itself, and never a commit after a no was told.
import { describe, expect, it } from 'vitest';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { Evidence } from '../../src/gen/concordat/v1/Evidence.ts';
import type { FinishVerb } from '../../src/gen/concordat/v1/FinishVerb.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import type { AttachSession } from './attach-coordinator.ts';
import { committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

const onePhase = (xid: Xid, evidence: Evidence | null = null): CoordinatorMessage =>
  finish(xid, 'FINISH_VERB_COMMIT_ONE_PHASE', evidence);

function finish(xid: Xid, verb: FinishVerb, evidence: Evidence | null): CoordinatorMessage {
  return { finish: { ...ref(xid), verb, evidence } };
}

/** Asks for one phase without evidence. @returns what the participant announces of its `n`th branch. */
async function announced(session: AttachSession, xid: Xid, n = 1): Promise<Evidence | null> {
  session.send(onePhase(xid));
  const heard = await session.hears('onePhaseEvidence', n);
  expect(heard).toMatchObject(ref(xid));
  return heard.evidence;
}

type Attached = Awaited<ReturnType<Awaited<ReturnType<typeof openFixture>>['attach']>>;

describe('one phase', () => {
  it('commits when it is told so with its evidence, and is done again without asking the engine', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    const evidence = await announced(session, xid);
    expect(evidence).toHaveProperty('row');
    session.send(onePhase(xid));
    expect((await session.hears('onePhaseEvidence', 2)).evidence).toEqual(evidence);
    expect(committed(fixture.engine, 'a')).toBeUndefined();
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, 'a')).toBe(1n);
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    session.send(onePhase(xid));
    expect((await session.hears('result', 3)).result).toBe('FINISH_RESULT_DONE');
    expect(fixture.calls).not.toContain('probe');
    expect(runtime.held).toBe(0);
  });

  it('of another opening is answered by its engine, whatever became of the one that was opened here (field R13)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute({ ...statement(xid, 1, 'get a'), last: true });
    expect((await session.hears('vote')).vote).toBe('VOTE_READ_ONLY');
    session.send(onePhase(xid, { row: 'aaaaaaaaaaaa' }));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE_OTHERWISE');
  });

  it('of a branch that only read needs no evidence', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'get a'));
    session.send(onePhase(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(session.heard('onePhaseEvidence')).toEqual([]);
  });

  it('takes no more statements once its evidence is announced, and can still be rolled back', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    const evidence = await announced(session, xid);
    expect((await refusal(runtime.execute(statement(xid, 2, 'set b 1')))).code).toBe('BRANCH_STATE');
    session.send(finish(xid, 'FINISH_VERB_ROLLBACK', null));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE_OTHERWISE');
    expect([committed(fixture.engine, 'a'), runtime.held]).toEqual([undefined, 0]);
  });

  it.each([
    ['a rollback', async ({ session }, xid) => session.send(finish(xid, 'FINISH_VERB_ROLLBACK', null))],
    ['the end of the participant', async ({ runtime }) => await runtime[Symbol.asyncDispose]()],
  ] as readonly (readonly [string, (attached: Attached, xid: Xid) => Promise<void>])[])(
    'that is asked for behind a running statement is overtaken by %s',
    async (_, end) => {
      await using fixture = await openFixture();
      const attached = await fixture.attach();
      const { runtime, session } = attached;
      const xid = fixture.xid();
      await runtime.execute(statement(xid, 1, 'set a 1'));
      fixture.faults.set('execute', [{ kind: 'delayed', beforeMs: 1_000, afterMs: 0 }]);
      const running = refusal(runtime.execute(statement(xid, 2, 'set b 1')));
      await eventually('it runs', () => fixture.calls.filter((call) => call === 'execute').length === 2);
      session.send(onePhase(xid), { probe: { id: 1, ...ref(xid), evidence: null } });
      await session.hears('probeResult');
      await end(attached, xid);
      await eventually('the branch is gone', () => runtime.held === 0, 500);
      expect((await running).code).toBe('BRANCH_UNKNOWN');
      expect(session.heard('onePhaseEvidence')).toEqual([]);
      expect(committed(fixture.engine, 'a')).toBeUndefined();
    },
  );

  it('that is asked for beside a prepare commits nothing, and says so', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.faults.set('execute', [{ kind: 'delayed', beforeMs: 300, afterMs: 0 }]);
    void runtime.execute(statement(xid, 2, 'set b 1'));
    await eventually('it runs', () => fixture.calls.filter((call) => call === 'execute').length === 2);
    session.send(onePhase(xid), { prepare: ref(xid) });
    expect((await session.hears('vote')).vote).toBe('VOTE_PREPARED');
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_UNKNOWN');
    expect(committed(fixture.engine, 'a')).toBeUndefined();
  });

  it('that nobody answers after its evidence was announced ends with the deadline of the branch', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { timeoutMs: 300 }));
    const evidence = await announced(session, xid);
    expect(await session.hears('vote')).toMatchObject({ vote: 'VOTE_ROLLBACK', reason: { code: 'TXN_TIMEOUT' } });
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE_OTHERWISE');
    expect([committed(fixture.engine, 'a'), runtime.held]).toEqual([undefined, 0]);
  });

  it('without evidence, of a branch that is not held here, is answered with a no: nobody was told to commit it (D5)', async () => {
    await using fixture = await openFixture();
    const { runtime: first, session: before } = await fixture.attach();
    const [active, prepared, never] = [fixture.xid(), fixture.xid(), fixture.xid()];
    await first.execute(statement(active, 1, 'set a 1'));
    await first.execute(statement(prepared, 1, 'set b 1', { last: true }));
    await before.hears('vote');
    await fixture.crash(first);
    const { session } = await fixture.attach();
    session.send(onePhase(active), onePhase(prepared), onePhase(never));
    await session.hears('vote', 3);
    expect(session.heard('vote')).toMatchObject(
      [active, prepared, never].map((xid) => ({
        ...ref(xid),
        vote: 'VOTE_ROLLBACK',
        reason: { code: 'BRANCH_UNKNOWN' },
      })),
    );
    expect([committed(fixture.engine, 'a'), committed(fixture.engine, 'b')]).toEqual([undefined, undefined]);
    expect(session.heard('result')).toEqual([]);
  });

  for (const last of [false, true]) {
    it(`is not done to a branch that another instance had opened: what was opened here a second time goes (last statement: ${last})`, async () => {
      await using fixture = await openFixture();
      const { runtime, session } = await fixture.attach();
      const xid = fixture.xid();
      await runtime.execute(statement(xid, 1, 'set a 1', { last }));
      const call = onePhase(xid, { row: 'aaaaaaaaaaaa' }).finish;
      session.send({ finish: { ...call, instance: 'another-life' } });
      expect((await session.hears('result')).result).not.toBe('FINISH_RESULT_DONE');
      expect(committed(fixture.engine, 'a')).toBeUndefined();
      expect(fixture.engine.prepared()).toEqual([]);
      expect(runtime.held).toBe(0);
      const own = fixture.xid();
      await runtime.execute(statement(own, 1, 'set b 1'));
      const evidence = await announced(session, own);
      session.send({ finish: { ...onePhase(own, evidence).finish, instance: runtime.instance } });
      expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    });
  }

  it('of a one-shot branch whose last statement has not come rolls it back: what it holds may not be all', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { oneShot: true }));
    session.send(onePhase(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE_OTHERWISE');
    expect(committed(fixture.engine, 'a')).toBeUndefined();
    expect(runtime.held).toBe(0);
  });

  it('of a failed branch proves that it was rolled back', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await refusal(runtime.execute(statement(xid, 1, 'fail')));
    session.send(onePhase(xid));
    expect(await session.hears('result')).toMatchObject({
      result: 'FINISH_RESULT_DONE_OTHERWISE',
      reason: { message: expect.stringContaining('failed') },
    });
  });

  it('whose answer is lost is unknown, tells no vote, and is proven when asked again', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.faults.set('commit-one-phase', [{ kind: 'lost-answer' }]);
    const evidence = await announced(session, xid);
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_UNKNOWN');
    session.send({ prepare: ref(xid) });
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    expect(session.heard('vote')).toEqual([]);
  });

  it('of a branch that another life held is told by the evidence, or as unproven', async () => {
    await using fixture = await openFixture();
    const { runtime: first, session: before } = await fixture.attach();
    const [done, aborted] = [fixture.xid(), fixture.xid()];
    await first.execute(statement(done, 1, 'set a 1'));
    const evidence = await announced(before, done);
    before.send(onePhase(done, evidence));
    await before.hears('result');
    await first.execute(statement(aborted, 1, 'set b 1', { last: true }));
    const other = (await before.hears('vote')).evidence;
    await fixture.crash(first);
    fixture.engine.finish(fixture.engine.prepared()[0]?.id ?? '', 'rollback');
    const { session } = await fixture.attach();
    session.send(
      onePhase(done, evidence),
      onePhase(aborted, other),
      onePhase(fixture.xid(), { opening: 'aaaaaaaaaaaa' }),
    );
    await session.hears('result', 3);
    expect(session.heard('result').map(({ result }) => result)).toEqual([
      'FINISH_RESULT_DONE',
      'FINISH_RESULT_DONE_OTHERWISE',
      'FINISH_RESULT_UNPROVEN',
    ]);
  });

  it('that overtook the vote of the last statement commits what it prepared, or had nothing to commit (conformance M8)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [wrote, read] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(wrote, 1, 'set a 1', { last: true }));
    await runtime.execute(statement(read, 1, 'get a', { last: true }));
    await session.hears('vote', 2);
    const evidence = await announced(session, wrote);
    expect(session.heard('vote')[0]).toMatchObject({ ...ref(wrote), evidence });
    session.send(onePhase(wrote, evidence), onePhase(read));
    await session.hears('result', 2);
    expect(session.heard('result').map(({ result }) => result)).toEqual(Array(2).fill('FINISH_RESULT_DONE'));
    expect(committed(fixture.engine, 'a')).toBe(1n);
    expect(fixture.calls).not.toContain('probe');
    expect(runtime.held).toBe(0);
  });

  it('of a prepared branch whose answer is lost is not told as its vote: it may be committed', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [told, other] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(told, 1, 'set a 1', { last: true }));
    await runtime.execute(statement(other, 1, 'set b 1', { last: true }));
    fixture.faults.set('commit', [{ kind: 'lost-answer' }]);
    session.send(onePhase(told, await announced(session, told)));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_UNKNOWN');
    fixture.coordinator.epoch += 1;
    session.break();
    const again = await fixture.coordinator.attached(2);
    expect(again.heard('hello')[0]?.held).toMatchObject([{ ...ref(other), vote: 'VOTE_PREPARED' }]);
    expect(committed(fixture.engine, 'a')).toBe(1n);
  });

  it('never commits a branch whose no was told, even if the engine holds it prepared (D5)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    fixture.faults.set('prepare', [{ kind: 'lost-answer' }]);
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    expect((await session.hears('vote')).vote).toBe('VOTE_ROLLBACK');
    expect(fixture.engine.prepared()).toHaveLength(1);
    session.send(onePhase(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE_OTHERWISE');
    expect(fixture.engine.prepared()).toHaveLength(0);
    expect(committed(fixture.engine, 'a')).toBeUndefined();
  });
});
