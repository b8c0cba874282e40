// One phase: evidence first, an answer that proves itself, and never a commit after a no was told.
import { describe, expect, it } from 'vitest';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { FinishVerb } from '../../src/gen/concordat/v1/FinishVerb.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

const onePhase = (xid: Xid, evidence = ''): CoordinatorMessage => finish(xid, 'FINISH_VERB_COMMIT_ONE_PHASE', evidence);

function finish(xid: Xid, verb: FinishVerb, evidence: string): CoordinatorMessage {
  return { finish: { ...ref(xid), verb, evidence } };
}

describe('one phase', () => {
  it('commits after its evidence is told, and is done again without asking the engine', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send(onePhase(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    const told = session.received.flatMap(({ body }) =>
      body === 'onePhaseEvidence' || body === 'result' ? [body] : [],
    );
    expect(told).toEqual(['onePhaseEvidence', 'result']);
    expect(session.heard('onePhaseEvidence')[0]).toMatchObject({
      ...ref(xid),
      evidence: expect.stringMatching(/^memory:/),
    });
    expect(committed(fixture.engine, 'a')).toBe(1n);
    session.send(onePhase(xid));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    expect(fixture.calls).not.toContain('probe');
    expect(runtime.held).toBe(0);
  });

  for (const last of [false, true]) {
    it(`is not done to a branch that another instance had opened: what was opened here a second time goes (last statement: ${last})`, async () => {
      await using fixture = await openFixture();
      const { runtime, session } = await fixture.attach();
      const xid = fixture.xid();
      await runtime.execute(statement(xid, 1, 'set a 1', { last }));
      const call = onePhase(xid).finish;
      session.send({ finish: { ...call, instance: 'another-life' } });
      expect((await session.hears('result')).result).not.toBe('FINISH_RESULT_DONE');
      expect(committed(fixture.engine, 'a')).toBeUndefined();
      expect(fixture.engine.prepared()).toEqual([]);
      expect(runtime.held).toBe(0);
      const own = fixture.xid();
      await runtime.execute(statement(own, 1, 'set b 1'));
      session.send({ finish: { ...onePhase(own).finish, instance: runtime.instance } });
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
    session.send(onePhase(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_UNKNOWN');
    session.send({ prepare: ref(xid) });
    const { evidence } = await session.hears('onePhaseEvidence');
    session.send(onePhase(xid, evidence));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    expect(session.heard('vote')).toEqual([]);
  });

  it('of a branch that another life held is told by the evidence, or as unproven', async () => {
    await using fixture = await openFixture();
    const { runtime: first, session: before } = await fixture.attach();
    const [done, aborted] = [fixture.xid(), fixture.xid()];
    await first.execute(statement(done, 1, 'set a 1'));
    before.send(onePhase(done));
    const evidence = (await before.hears('onePhaseEvidence')).evidence;
    await before.hears('result');
    await first.execute(statement(aborted, 1, 'set b 1', { last: true }));
    const other = (await before.hears('vote')).evidence;
    await fixture.crash(first);
    fixture.engine.finish(`${aborted.gtrid}:${aborted.bqual}`, 'rollback');
    const { session } = await fixture.attach();
    session.send(onePhase(done, evidence), onePhase(aborted, other), onePhase(fixture.xid()));
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
    session.send(onePhase(wrote), onePhase(read));
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
    session.send(onePhase(told));
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
