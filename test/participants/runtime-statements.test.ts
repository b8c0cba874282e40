// Statements of branches: numbers, repetitions, refusals, and what the coordinator hears of them.

import { describe, expect, it } from 'vitest';
import type { SqlValue } from '../../src/participants/resource-manager.ts';
import { openingOf } from '../../src/xa/evidence.ts';
import { eventually } from '../support/eventually.ts';
import { identityOf } from './attach-coordinator.ts';
import { ManualClock } from './manual-clock.ts';
import { committed, openFixture, ref, refusal, statement } from './runtime-fixture.ts';

const bool = (value: boolean): SqlValue => ({ kind: 'bool', value });
const long = (end: string): SqlValue => ({ kind: 'text', value: `${'x'.repeat(1_000_000)}${end}` });

describe('statements of a branch', () => {
  it('the first one is reported to the coordinator before the engine hears of the branch', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    fixture.faults.set('open', [{ kind: 'delayed', beforeMs: 300, afterMs: 0 }]);
    const xid = fixture.xid();
    void runtime.execute(statement(xid, 1, 'set a 1')).catch(() => undefined);
    expect(await session.hears('opened')).toEqual({
      ...ref(xid),
      evidence: { opening: expect.any(String), body: 'opening' },
    });
    expect(fixture.calls).not.toContain('execute');
  });

  it('of one that its client names itself the coordinator hears a moment later, or by its vote', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ clock });
    const { runtime, session } = await fixture.attach();
    const [waiting, voting, over] = [fixture.xid(), fixture.xid(), fixture.xid()];
    await runtime.execute(statement(waiting, 1, 'set a 1', { named: true }));
    await runtime.execute(statement(voting, 1, 'set b 1', { named: true, last: true }));
    await runtime.execute(statement(over, 1, 'set c 1', { named: true }));
    session.send({ finish: { ...ref(over), verb: 'FINISH_VERB_ROLLBACK', evidence: null } });
    await session.hears('result');
    expect(session.heard('vote')).toHaveLength(1);
    expect(session.heard('opened')).toEqual([]);
    clock.advance(100);
    await eventually('it is reported', () => session.heard('opened').length > 0);
    expect(session.heard('opened')).toMatchObject([ref(waiting)]);
  });

  it('the newest number repeated is answered again and executed once', async () => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    const add = statement(xid, 2, 'add a 5');
    const [first, joined] = await Promise.all([runtime.execute(add), runtime.execute(add)]);
    expect(joined).toEqual(first);
    expect(await runtime.execute(add)).toEqual(first);
    const { result } = await runtime.execute(statement(xid, 3, 'get a'));
    expect(result.rows).toEqual([[{ kind: 'int', value: 6n }]]);
  });

  it('a failed statement is answered the same when its number is repeated', async () => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    const first = await refusal(runtime.execute(statement(xid, 1, 'fail')));
    expect(first.code).toBe('STATEMENT_FAILED');
    expect(first.metadata['retryable']).toBe('false');
    const executed = fixture.calls.filter((verb) => verb === 'execute').length;
    expect(await refusal(runtime.execute(statement(xid, 1, 'fail')))).toBe(first);
    expect(fixture.calls.filter((verb) => verb === 'execute')).toHaveLength(executed);
  });

  it('a number that was another statement, an older one and one ahead are refused', async () => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    await runtime.execute(statement(xid, 2, 'set a 2'));
    for (const call of [statement(xid, 2, 'set a 3'), statement(xid, 1, 'set a 1'), statement(xid, 4, 'set a 4')]) {
      expect((await refusal(runtime.execute(call))).code).toBe('BRANCH_STATE');
    }
    expect((await runtime.execute(statement(xid, 3, 'get a'))).result.rows).toEqual([[{ kind: 'int', value: 2n }]]);
  });

  it.each<[string, readonly SqlValue[], readonly SqlValue[]]>([
    ['another integer', [{ kind: 'int', value: 1n }], [{ kind: 'int', value: 2n }]],
    ['another kind of value', [{ kind: 'int', value: 1n }], [{ kind: 'text', value: '1' }]],
    ['fewer values', [{ kind: 'null' }, { kind: 'null' }], [{ kind: 'null' }]],
    ['another order', [bool(true), bool(false)], [bool(false), bool(true)]],
    ['minus zero', [{ kind: 'double', value: 0 }], [{ kind: 'double', value: -0 }]],
    ['other bytes', [{ kind: 'bytes', value: Buffer.from([1]) }], [{ kind: 'bytes', value: Buffer.from([2]) }]],
    ['one of a million bytes', [long('a')], [long('b')]],
  ])('the newest number with %s is another statement, and refused (field R8)', async (_, first, second) => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    const sql = 'set a 1';
    const answer = await runtime.execute(statement(xid, 1, sql, { statement: { sql, parameters: first } }));
    const other = await refusal(runtime.execute(statement(xid, 1, sql, { statement: { sql, parameters: second } })));
    expect(other.code).toBe('BRANCH_STATE');
    expect(other.message).toContain('of other text or parameters');
    const again = statement(xid, 1, sql, { statement: { sql, parameters: first.map((value) => ({ ...value })) } });
    expect(await runtime.execute(again)).toEqual(answer);
    expect((await refusal(runtime.execute({ ...again, last: true }))).code).toBe('BRANCH_STATE');
  });

  it('statements of one branch run in order, also when they are sent without waiting', async () => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    fixture.faults.set('execute', [{ kind: 'delayed', beforeMs: 50, afterMs: 0 }]);
    const answers = await Promise.all(
      ['set a 1', 'add a 1', 'get a'].map((sql, index) => runtime.execute(statement(xid, index + 1, sql))),
    );
    expect(answers[2]?.result.rows).toEqual([[{ kind: 'int', value: 2n }]]);
  });

  it('too many waiting statements of one branch are refused, and the others go on', async () => {
    await using fixture = await openFixture({ clock: new ManualClock() });
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    const running = Array.from({ length: 64 }, (_, index) =>
      runtime.execute(statement(xid, index + 1, index === 0 ? 'hang' : 'get a')).catch(() => undefined),
    );
    expect((await refusal(runtime.execute(statement(xid, 65, 'get a')))).code).toBe('BRANCH_BUSY');
    const other = await runtime.execute(statement(fixture.xid(), 1, 'get a'));
    expect(other.result.rows).toEqual([]);
    await runtime[Symbol.asyncDispose]();
    await Promise.all(running);
  });

  it('the second statement of a branch that a restarted participant does not hold is refused', async () => {
    await using fixture = await openFixture();
    const { runtime: first } = await fixture.attach();
    const xid = fixture.xid();
    await first.execute(statement(xid, 1, 'set a 1'));
    await fixture.crash(first);
    const { runtime: second } = await fixture.attach();
    expect((await refusal(second.execute(statement(xid, 2, 'set b 1')))).code).toBe('BRANCH_UNKNOWN');
    expect(second.held).toBe(0);
  });

  it('a first statement that comes after the rollback does not revive the branch', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const [held, overtaken] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(held, 1, 'set a 1'));
    session.send(
      ...[held, overtaken].map((xid) => ({ finish: { ...ref(xid), verb: 'FINISH_VERB_ROLLBACK' as const } })),
    );
    await session.hears('result', 2);
    for (const xid of [held, overtaken]) {
      expect((await refusal(runtime.execute(statement(xid, 1, 'set a 1')))).code).toBe('BRANCH_UNKNOWN');
    }
    expect(session.heard('opened')).toMatchObject([ref(held)]);
    expect(runtime.held).toBe(0);
  });

  it('a first statement that comes while the rollback is under way, or after it failed, does not open the branch', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    fixture.faults.set('rollback', [{ kind: 'delayed', beforeMs: 50, afterMs: 0 }, { kind: 'lost-request' }]);
    for (const answers of [1, 2]) {
      session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_ROLLBACK' } });
      await eventually('it is called', () => fixture.calls.filter((verb) => verb === 'rollback').length === answers);
      expect((await refusal(runtime.execute(statement(xid, 1, 'set a 1')))).code).toBe('BRANCH_UNKNOWN');
      await session.hears('result', answers);
    }
    expect(session.heard('result').map(({ result }) => result)).toEqual([
      'FINISH_RESULT_DONE',
      'FINISH_RESULT_UNKNOWN',
    ]);
  });

  it('a branch of another resource is refused, and nothing is reported or opened (faults B44)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const refused = await refusal(runtime.execute(statement(fixture.xid({ resource: 'orders' }), 1, 'set a 1')));
    expect(refused.code).toBe('NOT_OWNER');
    await runtime.execute(statement(fixture.xid(), 1, 'get a'));
    await session.hears('opened');
    expect(session.heard('opened')).toHaveLength(1);
  });

  it('a branch of another log or another life of the coordinator is unknown', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.epoch = 3;
    const { runtime } = await fixture.attach();
    const strangers = [
      fixture.xid({ epoch: 2 }),
      fixture.xid({ epoch: 4 }),
      fixture.xid({ identity: identityOf('bcdefghijk') }),
    ];
    for (const xid of strangers) {
      expect((await refusal(runtime.execute(statement(xid, 1, 'set a 1')))).code).toBe('BRANCH_UNKNOWN');
    }
  });

  it('no branch is opened before the participant takes part', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.greet = () => undefined;
    const runtime = fixture.start();
    await eventually('hello', () => fixture.coordinator.sessions[0]?.heard('hello')[0]);
    const refused = await refusal(runtime.execute(statement(fixture.xid(), 1, 'set a 1')));
    expect(refused.code).toBe('RESOURCE_UNAVAILABLE');
  });

  it('a branch more than sessions are allowed waits for one, in its turn (field P19)', async () => {
    await using fixture = await openFixture({ maxBranches: 2 });
    const { runtime, session } = await fixture.attach();
    const [one, two, three, four] = [fixture.xid(), fixture.xid(), fixture.xid(), fixture.xid()];
    await runtime.execute(statement(one, 1, 'set a 1'));
    await runtime.execute(statement(two, 1, 'set b 1'));
    const order: string[] = [];
    const waiting = [three, four].map((xid, index) =>
      runtime.execute(statement(xid, 1, `set ${index} 1`)).then(() => void order.push(xid.gtrid)),
    );
    await session.hears('opened', 4);
    expect(order).toEqual([]);
    session.send({ prepare: ref(one) });
    await waiting[0];
    expect(order).toEqual([three.gtrid]);
    session.send({ prepare: ref(two) });
    await Promise.all(waiting);
    expect(order).toEqual([three.gtrid, four.gtrid]);
  });

  it('a branch that has waited for a session for long hears why, and one that is rolled back meanwhile is gone (field P19)', async () => {
    const clock = new ManualClock();
    await using fixture = await openFixture({ maxBranches: 1, clock });
    const { runtime, session } = await fixture.attach();
    const [one, two, three] = [fixture.xid(), fixture.xid(), fixture.xid()];
    await runtime.execute(statement(one, 1, 'set a 1'));
    const late = refusal(runtime.execute(statement(two, 1, 'set b 1')));
    const gone = refusal(runtime.execute(statement(three, 1, 'set c 1')));
    await session.hears('opened', 3);
    session.send({ finish: { ...ref(three), verb: 'FINISH_VERB_ROLLBACK' } });
    await session.hears('result');
    expect((await gone).code).toBe('BRANCH_UNKNOWN');
    clock.advance(10_000);
    expect(await late).toMatchObject({ code: 'LIMIT_CONNECTIONS' });
  });

  it('a branch that cannot be opened votes rollback and is gone', async () => {
    await using fixture = await openFixture({ maxBranches: 1 });
    const { runtime, session } = await fixture.attach();
    fixture.faults.set('open', [{ kind: 'lost-request' }]);
    const xid = fixture.xid();
    const refused = await refusal(runtime.execute(statement(xid, 1, 'set a 1')));
    expect(refused.code).toBe('ENGINE_UNAVAILABLE');
    expect(await session.hears('vote')).toMatchObject({
      ...ref(xid),
      vote: 'VOTE_ROLLBACK',
      reason: { code: 'ENGINE_UNAVAILABLE', retryable: true },
    });
    expect((await refusal(runtime.execute(statement(xid, 1, 'set a 1')))).code).toBe('BRANCH_UNKNOWN');
    await runtime.execute(statement(fixture.xid(), 1, 'set a 1'));
  });

  it('a deadlock is said to be worth a new transaction', async () => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const [one, two] = [fixture.xid(), fixture.xid()];
    await runtime.execute(statement(one, 1, 'set a 1'));
    await runtime.execute(statement(two, 1, 'set b 1'));
    const waiting = runtime.execute(statement(one, 2, 'set b 2')).catch(() => undefined);
    const victim = await refusal(runtime.execute(statement(two, 2, 'set a 2')));
    expect(victim).toMatchObject({ code: 'STATEMENT_FAILED', metadata: { retryable: 'true' } });
    await runtime[Symbol.asyncDispose]();
    await waiting;
  });
});

describe('the last statement of a branch', () => {
  it('is executed, prepared and voted on unasked', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const { result, vote } = await runtime.execute(statement(xid, 1, 'set a 7', { last: true }));
    expect(result.rowCount).toBe(1);
    const opening = expect.stringMatching(/^[a-z2-7]{12}$/);
    expect(vote).toMatchObject({ kind: 'prepared', evidence: { kind: 'row', opening } });
    const row = vote?.kind === 'prepared' && openingOf(vote.evidence);
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_PREPARED', evidence: { row } });
    expect(session.heard('opened')).toMatchObject([ref(xid)]);
    expect(fixture.engine.prepared()).toHaveLength(1);
    expect(committed(fixture.engine, 'a')).toBeUndefined();
  });

  it('repeated, it is answered the same; another one after it is refused', async () => {
    await using fixture = await openFixture();
    const { runtime } = await fixture.attach();
    const xid = fixture.xid();
    const last = statement(xid, 1, 'set a 7', { last: true });
    const answer = await runtime.execute(last);
    expect(await runtime.execute(last)).toEqual(answer);
    expect((await refusal(runtime.execute(statement(xid, 2, 'set b 7')))).code).toBe('BRANCH_STATE');
  });

  it('a branch that only read votes read-only and holds nothing', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const { vote } = await runtime.execute(statement(fixture.xid(), 1, 'get a', { last: true }));
    expect(vote).toEqual({ kind: 'read-only' });
    expect((await session.hears('vote')).vote).toBe('VOTE_READ_ONLY');
    expect(runtime.held).toBe(0);
  });

  it('that fails ends the branch at once: the application hears why, the coordinator a no', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    const refused = await refusal(runtime.execute(statement(xid, 2, 'fail', { last: true })));
    expect(refused.code).toBe('STATEMENT_FAILED');
    expect(await session.hears('vote')).toMatchObject({ vote: 'VOTE_ROLLBACK', reason: { code: 'STATEMENT_FAILED' } });
    await runtime.execute(statement(fixture.xid(), 1, 'set a 2'));
    expect(fixture.engine.prepared()).toHaveLength(0);
  });

  it('whose prepare is lost on the way votes rollback, whatever the engine did', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    fixture.faults.set('prepare', [{ kind: 'lost-answer' }]);
    const xid = fixture.xid();
    const { vote } = await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    expect(vote?.kind).toBe('rollback');
    expect((await session.hears('vote')).vote).toBe('VOTE_ROLLBACK');
    expect(fixture.engine.prepared()).toHaveLength(1);
    session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_ROLLBACK' } });
    expect((await session.hears('result')).result).toBe('FINISH_RESULT_DONE');
    expect(fixture.engine.prepared()).toHaveLength(0);
  });
});
