// How branches end without being asked: deadlines, lost sessions, a participant that stops; and branches that applications bring.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import type { BranchSession } from '../../src/participants/resource-manager.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { newOpening } from '../../src/xa/evidence.ts';
import { TRANSACTION_TIMEOUT_DEFAULT_MS, TRANSACTION_TIMEOUT_MAX_MS } from '../../src/xa/limits.ts';
import type { Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from './manual-clock.ts';
import { committed, type Fixture, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

describe('the deadline of a branch', () => {
  it('ends abandoned work at the engine and tells the coordinator', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { timeoutMs: 1_000 }));
    clock.advance(999);
    await runtime.execute(statement(xid, 2, 'set b 1', { timeoutMs: 60_000 }));
    clock.advance(1);
    expect(await session.hears('vote')).toMatchObject({
      ...ref(xid),
      vote: 'VOTE_ROLLBACK',
      reason: { code: 'TXN_TIMEOUT', retryable: true },
    });
    const refused = await refusal(runtime.execute(statement(xid, 3, 'get a')));
    expect(refused).toMatchObject({ code: 'BRANCH_UNKNOWN', metadata: { reason: 'TXN_TIMEOUT' } });
    await runtime.execute(statement(fixture.xid(), 1, 'set a 2'));
  });

  it.each([
    ['without one, the default', 0, TRANSACTION_TIMEOUT_DEFAULT_MS],
    ['beyond the bound, the bound', 2 ** 32 - 1, TRANSACTION_TIMEOUT_MAX_MS],
  ])('is within bounds: %s', async (_, timeoutMs, expectedMs) => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock, kind: 'embedded' });
    const { runtime, session } = await fixture.attach();
    await runtime.execute(statement(fixture.xid(), 1, 'set a 1', { timeoutMs }));
    expect(clock.delays()).toContain(expectedMs);
    expect(clock.delays()).toContain(expectedMs + 5_000); // The engine's own net below it.
    expect(Math.max(...clock.delays())).toBe(expectedMs + 5_000);
    expect(session.heard('vote')).toEqual([]);
  });

  it('overtakes a statement that never ends', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const running = refusal(runtime.execute(statement(xid, 1, 'hang', { timeoutMs: 1_000 })));
    await eventually('the statement runs', () => fixture.calls.includes('execute'));
    clock.advance(1_000);
    expect(await running).toMatchObject({ code: 'BRANCH_UNKNOWN', metadata: { reason: 'TXN_TIMEOUT' } });
    expect((await session.hears('vote')).vote).toBe('VOTE_ROLLBACK');
  });

  it('ends the session of a last statement that hangs, after a grace', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock, kind: 'embedded' });
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const running = refusal(runtime.execute(statement(xid, 1, 'hang', { timeoutMs: 1_000, last: true })));
    await eventually('the statement runs', () => fixture.calls.includes('execute'));
    clock.advance(1_000 + 4_999);
    expect(runtime.held).toBe(1);
    clock.advance(1);
    expect((await running).code).toBe('ENGINE_UNAVAILABLE');
    expect((await session.hears('vote')).vote).toBe('VOTE_ROLLBACK');
    expect(runtime.held).toBe(0);
  });

  it('a rollback command does not wait for the deadline of a last statement that hangs', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock, kind: 'embedded' });
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const running = refusal(runtime.execute(statement(xid, 1, 'hang', { last: true })));
    await eventually('the statement runs', () => fixture.calls.includes('execute'));
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_ROLLBACK' } });
    session.send({ probe: { id: 1, ...ref(xid), evidence: null } });
    await session.hears('probeResult');
    clock.advance(5_000);
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    await running;
  });

  it('does not touch a branch that is prepared', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock, kind: 'embedded' });
    fixture.coordinator.heartbeatIntervalMs = 60_000;
    const { runtime, session } = await fixture.attach();
    await runtime.execute(statement(fixture.xid(), 1, 'set a 1', { timeoutMs: 1_000, last: true }));
    expect(clock.delays()).not.toContain(1_000);
    clock.advance(20_000);
    session.send({ scan: { id: 1 } });
    await session.hears('scanResult');
    expect(fixture.engine.prepared()).toHaveLength(1);
    expect(session.heard('vote')).toHaveLength(1);
  });
});

describe('a lost session', () => {
  it('ends its branch: the coordinator hears a no, the application that the branch is gone', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    fixture.engine.endSessions('an administrator ended it');
    expect(await session.hears('vote')).toMatchObject({
      ...ref(xid),
      vote: 'VOTE_ROLLBACK',
      reason: { code: 'ENGINE_UNAVAILABLE', retryable: true },
    });
    expect((await refusal(runtime.execute(statement(xid, 2, 'get a')))).code).toBe('BRANCH_UNKNOWN');
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT_ONE_PHASE' } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE_OTHERWISE');
    expect(runtime.held).toBe(0);
  });

  it('under a running statement is told to the application as what it is', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const running = refusal(runtime.execute(statement(fixture.xid(), 1, 'hang')));
    await eventually('the statement runs', () => fixture.calls.includes('execute'));
    fixture.engine.crash();
    expect((await running).code).toBe('ENGINE_UNAVAILABLE');
    await session.hears('vote');
    expect(session.heard('vote')).toHaveLength(1);
  });

  it('does not touch what is prepared', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    fixture.engine.crash();
    fixture.engine.start();
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, 'a')).toBe(1n);
    expect(session.heard('vote')).toHaveLength(1);
  });
});

describe('a participant that stops', () => {
  it('takes no new branch, and has drained when the last one is finished', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    let drained = false;
    const draining = runtime.drain(60_000).then(() => {
      drained = true;
    });
    expect((await refusal(runtime.execute(statement(fixture.xid(), 1, 'set b 1')))).code).toBe('RESOURCE_UNAVAILABLE');
    await runtime.execute(statement(xid, 2, 'set c 1', { last: true }));
    await session.hears('vote');
    expect(drained).toBe(false);
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT' } });
    await session.hears('result');
    await draining;
    expect(committed(fixture.engine, 'c')).toBe(1n);
  });

  it('waits no longer than its grace, rolls back what is open, says so, and leaves what is prepared', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [open, prepared] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(open, 1, 'set a 1'));
    await runtime.execute(statement(prepared, 1, 'set b 1', { last: true }));
    await runtime.drain(20);
    await runtime[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
    expect(await session.hears('vote', 2)).toMatchObject({ ...ref(open), vote: 'VOTE_ROLLBACK' });
    await eventually('the stream is over', () => session.ended);
    expect(fixture.engine.prepared()).toHaveLength(1);
    expect(fixture.coordinator.sessions).toHaveLength(1);
  });
});

describe('a branch that the application opened itself', () => {
  const opening = newOpening(systemRandom);

  async function opened(fixture: Fixture, xid: Xid): Promise<BranchSession> {
    const rm = openMemoryResourceManager({ engine: fixture.engine, clock: fixture.clock });
    const session = await rm.open(xid, { opening, isolation: 'default', readOnly: false, idleTimeoutMs: 60_000 });
    await session.execute({ sql: `set ${xid.gtrid} 1`, parameters: [] });
    return session;
  }

  it('is reported, prepared when asked, and finished', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    runtime.adopt(xid, await opened(fixture, xid), { opening, timeoutMs: 0 });
    expect(await session.hears('opened')).toEqual({ ...ref(xid), evidence: { opening, body: 'opening' } });
    session.send({ prepare: ref(xid) });
    const { evidence } = await session.hears('vote');
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(committed(fixture.engine, xid.gtrid)).toBe(1n);
    expect(session.heard('hello')[0]?.kind).toBe('PARTICIPANT_KIND_EMBEDDED');
  });

  it('is prepared and voted on unasked when the application says that it is done', async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const adopted = runtime.adopt(xid, await opened(fixture, xid), { opening, timeoutMs: 0 });
    const [vote, again] = await Promise.all([adopted.prepare(), adopted.prepare()]);
    expect(vote.kind).toBe('prepared');
    expect(again).toEqual(vote);
    expect(await adopted.prepare()).toEqual(vote);
    await session.hears('vote');
    expect(session.heard('vote')).toHaveLength(1);
  });

  it("is not taken twice, not after its end, not for another life, and stays the caller's then", async () => {
    await using fixture = await openFixture({ kind: 'embedded' });
    const { runtime, session } = await fixture.attach();
    const [held, ended, older] = [fixture.xid(), fixture.xid(), fixture.xid({ epoch: 0 })];
    const mine = await opened(fixture, held);
    runtime.adopt(held, mine, { opening, timeoutMs: 0 });
    session.send({ finish: { ...ref(ended), verb: 'FINISH_VERB_ROLLBACK' } });
    await session.hears('result');
    for (const [xid, code] of [
      [held, 'BRANCH_EXISTS'],
      [ended, 'BRANCH_UNKNOWN'],
      [older, 'BRANCH_UNKNOWN'],
      [fixture.xid({ resource: 'orders' }), 'NOT_OWNER'],
    ] as const) {
      expect(() => runtime.adopt(xid, mine, { opening, timeoutMs: 0 })).toThrow(expect.objectContaining({ code }));
    }
    await mine.execute({ sql: 'set z 1', parameters: [] });
  });

  it('is rolled back at its deadline, whatever the application still does with it', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ kind: 'embedded', clock });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    runtime.adopt(xid, await opened(fixture, xid), { opening, timeoutMs: 500 });
    clock.advance(500);
    expect((await session.hears('vote')).reason).toMatchObject({ code: 'TXN_TIMEOUT' });
    expect(committed(fixture.engine, xid.gtrid)).toBeUndefined();
  });
});
