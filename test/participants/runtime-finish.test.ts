// Phase two: every command twice, in every state of the branch, and what is never done.
import { describe, expect, it } from 'vitest';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { Evidence } from '../../src/gen/concordat/v1/Evidence.ts';
import type { FinishVerb } from '../../src/gen/concordat/v1/FinishVerb.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { identityOf } from './attach-coordinator.ts';
import { committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

const commit = (xid: Xid, evidence: Evidence | null = null): CoordinatorMessage =>
  finish(xid, 'FINISH_VERB_COMMIT', evidence);
const rollback = (xid: Xid): CoordinatorMessage => finish(xid, 'FINISH_VERB_ROLLBACK', null);

function finish(xid: Xid, verb: FinishVerb, evidence: Evidence | null): CoordinatorMessage {
  return { finish: { ...ref(xid), verb, evidence } };
}

describe('phase two', () => {
  it('a commit is done, and done again; the branch is gone', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await session.hears('vote');
    session.send(commit(xid, evidence));
    expect(await session.hears('result')).toMatchObject({
      ...ref(xid),
      verb: 'FINISH_VERB_COMMIT',
      result: 'FINISH_RESULT_DONE',
    });
    session.send(commit(xid, evidence));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, 'a')).toBe(1n);
    expect(runtime.held).toBe(0);
  });

  it('a command repeated while it is carried out is carried out once and answered once (conformance G8)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [xid, other] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    fixture.faults.set('commit', [{ kind: 'delayed', beforeMs: 100, afterMs: 0 }]);
    session.send(commit(xid), commit(xid));
    session.send(commit(xid));
    await session.hears('result');
    session.send(rollback(other));
    await session.hears('result', 2);
    expect(fixture.calls.filter((verb) => verb === 'commit')).toHaveLength(1);
    expect(session.heard('result').map(({ gtrid }) => gtrid)).toEqual([xid.gtrid, other.gtrid]);
  });

  it('a commit of a branch that is not prepared is never carried out (conformance M7)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send(commit(xid));
    expect(await session.hears('result')).toMatchObject({
      result: 'FINISH_RESULT_NOT_YET',
      reason: { code: 'BRANCH_STATE' },
    });
    expect(fixture.calls).not.toContain('commit');
    expect(committed(fixture.engine, 'a')).toBeUndefined();
    expect(fixture.log.named('commit-of-unprepared')).toHaveLength(1);
    await runtime.execute(statement(xid, 2, 'set a 2'));
  });

  it('a commit of one opening is answered at once while another is at work, which goes when it is told (field R14 R13)', async () => {
    await using fixture = await openFixture();
    const { runtime: first, session: before } = await fixture.attach();
    const xid = fixture.xid();
    await first.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await before.hears('vote');
    await fixture.crash(first);
    const { runtime, session } = await fixture.attach();
    // Its client had no answer, and says the same again before the commit comes here.
    await runtime.execute(statement(xid, 1, 'set b 1', { timeoutMs: 3_600_000 }));
    const second = (await session.hears('opened')).evidence;
    session.send(commit(xid, evidence));
    expect(await session.hears('result')).toMatchObject({ ...ref(xid), evidence, result: 'FINISH_RESULT_DONE' });
    expect([committed(fixture.engine, 'a'), committed(fixture.engine, 'b')]).toEqual([1n, undefined]);
    expect(runtime.held).toBe(1);
    session.send(finish(xid, 'FINISH_VERB_ROLLBACK', second));
    expect(await session.hears('result', 2)).toMatchObject({ evidence: second, result: 'FINISH_RESULT_DONE' });
    expect(runtime.held).toBe(0);
    await runtime.execute(statement(fixture.xid(), 1, 'set b 2'));
    session.send(commit(xid, evidence));
    expect((await session.hears('result', 3)).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, 'b')).toBeUndefined();
  });

  it('a rollback of one opening leaves another alone that is held here', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send(
      finish(xid, 'FINISH_VERB_ROLLBACK', { opening: 'aaaaaaaaaaaa' }),
      finish(xid, 'FINISH_VERB_ROLLBACK', { row: 'aaaaaaaaaaaa' }),
    );
    await session.hears('result', 2);
    expect(session.heard('result').map(({ result }) => result)).toEqual(['FINISH_RESULT_DONE', 'FINISH_RESULT_DONE']);
    await runtime.execute(statement(xid, 2, 'set a 2'));
    session.send({ prepare: ref(xid) });
    const { evidence } = await session.hears('vote');
    session.send(commit(xid, evidence));
    await session.hears('result', 3);
    expect(committed(fixture.engine, 'a')).toBe(2n);
  });

  it('a rollback of a branch at work undoes it and frees its locks', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    session.send(rollback(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    await runtime.execute(statement(fixture.xid(), 1, 'set a 2'));
    expect(session.heard('vote')).toEqual([]);
  });

  it('a rollback overtakes a statement that never ends, and the application hears that the branch is gone', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const running = refusal(runtime.execute(statement(xid, 1, 'hang')));
    await eventually('the statement runs', () => fixture.calls.includes('execute'));
    session.send(rollback(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect((await running).code).toBe('BRANCH_UNKNOWN');
  });

  it('a rollback behind a prepare that still runs rolls the prepared branch back', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.faults.set('prepare', [{ kind: 'delayed', beforeMs: 50, afterMs: 50 }]);
    session.send({ prepare: ref(xid) }, rollback(xid));
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect((await session.hears('vote')).vote).toBe('VOTE_PREPARED');
    expect(fixture.engine.prepared()).toHaveLength(0);
    expect(runtime.held).toBe(0);
  });

  it('a rollback of a prepared branch is done, done again, and done for a branch that never was', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    session.send(rollback(xid));
    await session.hears('result');
    session.send(rollback(xid), rollback(fixture.xid()));
    await session.hears('result', 3);
    expect(session.heard('result').map(({ result }) => result)).toEqual(Array(3).fill('FINISH_RESULT_DONE'));
    expect(fixture.engine.prepared()).toHaveLength(0);
  });

  it('a branch of an earlier life is finished by its evidence (faults F65)', async () => {
    await using fixture = await openFixture();
    const { runtime: first, session: before } = await fixture.attach();
    const [xid, byHand] = [fixture.xid(), fixture.xid()];
    await first.execute(statement(xid, 1, 'set a 1', { last: true }));
    await first.execute(statement(byHand, 1, 'set b 1', { last: true }));
    const evidence = [await before.hears('vote'), await before.hears('vote', 2)].map((vote) => vote.evidence);
    await fixture.crash(first);
    fixture.engine.finish(fixture.engine.prepared()[1]?.id ?? '', 'rollback');
    const { session } = await fixture.attach();
    session.send(commit(xid, evidence[0]), commit(byHand, evidence[1]));
    expect(await session.hears('result')).toMatchObject({ ...ref(xid), result: 'FINISH_RESULT_DONE' });
    expect(await session.hears('result', 2)).toMatchObject({
      ...ref(byHand),
      result: 'FINISH_RESULT_DONE_OTHERWISE',
      reason: { message: expect.stringContaining('has no row') },
    });
  });

  it('a call whose answer is lost is unknown, and its repetition finds the proof', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await session.hears('vote');
    fixture.faults.set('commit', [{ kind: 'lost-answer' }]);
    session.send(commit(xid, evidence));
    expect(await session.hears('result')).toMatchObject({
      result: 'FINISH_RESULT_UNKNOWN',
      reason: { code: 'ENGINE_UNAVAILABLE' },
    });
    session.send(commit(xid, evidence));
    expect((await session.hears('result', 2)).result).toBe('FINISH_RESULT_DONE');
  });

  it('a branch of another log is not touched (D8)', async () => {
    await using fixture = await openFixture();
    const { session } = await fixture.attach();
    const stranger = fixture.xid({ identity: identityOf('bcdefghijk') });
    session.send(rollback(fixture.xid({ resource: 'orders' })), rollback(stranger), commit(stranger));
    await session.hears('result', 2);
    for (const result of session.heard('result')) {
      expect(result).toMatchObject({
        ...ref(stranger),
        result: 'FINISH_RESULT_NOT_YET',
        reason: { code: 'NOT_OWNER' },
      });
    }
    expect(fixture.calls).not.toContain('rollback');
    expect(fixture.calls).not.toContain('commit');
  });
});
