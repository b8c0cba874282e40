// What a participant says of an engine that refuses it: with its heartbeats to the coordinator, and in its log, once for each reason.
import { describe, expect, it } from 'vitest';
import { TestClock } from '../coordinator/test-clock.ts';
import { eventually } from '../support/eventually.ts';
import type { AttachSession } from './attach-coordinator.ts';
import { openFixture, ref, refusal, statement } from './runtime-fixture.ts';

const DENIED = {
  ...{ code: 'ENGINE_UNAVAILABLE', message: 'password authentication failed', sqlstate: '28P01', retryable: true },
};

function trouble(session: AttachSession): string | undefined {
  return session.heard('heartbeat').at(-1)?.trouble?.message;
}

describe('the heartbeat of a participant', () => {
  it('says that the engine refuses connections, until it takes one (field P19)', async () => {
    await using fixture = await openFixture();
    fixture.coordinator.heartbeatIntervalMs = 50;
    const { runtime, session } = await fixture.attach();
    await session.hears('heartbeat');
    expect(trouble(session)).toBeUndefined();
    fixture.faults.set('open', [{ kind: 'refused', reason: DENIED }]);
    await refusal(runtime.execute(statement(fixture.xid(), 1, 'set a 1')));
    await eventually('it is told', () => trouble(session) === DENIED.message);
    expect(fixture.log.named('engine-refuses')).toMatchObject([{ sqlstate: '28P01' }]);
    await runtime.execute(statement(fixture.xid(), 1, 'set b 1'));
    await eventually('it is over', () => trouble(session) === undefined);
    expect(fixture.log.named('engine-takes-branches')).toHaveLength(1);
  });

  it('says what a check of the engine finds that is fatal: it became read-only (field P19)', async () => {
    let isReadOnly = false;
    await using fixture = await openFixture({
      clock: new TestClock(20),
      through: (rm) =>
        new Proxy(rm, {
          get: (target, name) =>
            name === 'preflight'
              ? async () =>
                  isReadOnly
                    ? [{ fatal: true, check: 'primary', message: 'the server is a standby', fix: 'find the primary' }]
                    : []
              : Reflect.get(target, name).bind(target),
        }),
    });
    fixture.coordinator.heartbeatIntervalMs = 1_000;
    const { session } = await fixture.attach();
    isReadOnly = true;
    await eventually(
      'it is told',
      () => trouble(session) === 'primary: the server is a standby. Next: find the primary',
    );
    isReadOnly = false;
    await eventually('it is over', () => trouble(session) === undefined);
  });
});

describe('a branch that the engine does not end', () => {
  it('is a line with the reason, once for each in a while (field P3)', async () => {
    await using fixture = await openFixture();
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1', { last: true }));
    const { evidence } = await session.hears('vote');
    const reason = { code: 'STATEMENT_FAILED', message: 'permission denied', sqlstate: '42501', retryable: false };
    fixture.faults.set('commit', [
      { kind: 'refused', reason },
      { kind: 'refused', reason },
      { kind: 'refused', reason: { ...reason, sqlstate: '25006' } },
    ]);
    for (let n = 1; n <= 4; n += 1) {
      session.send({ finish: { ...ref(xid), verb: 'FINISH_VERB_COMMIT', evidence } });
      await session.hears('result', n);
    }
    expect(session.heard('result').at(-1)?.result).toBe('FINISH_RESULT_DONE');
    expect(fixture.log.named('branch-not-ended')).toMatchObject([
      { branch: `${xid.gtrid}:${xid.bqual}`, verb: 'commit', sqlstate: '42501', message: 'permission denied' },
      { sqlstate: '25006' },
    ]);
  });
});
