// A statement that committed its own branch although every adapter refuses that: told as damage, with the engine's evidence.
import { describe, expect, it } from 'vitest';
import { EngineError, type ResourceManager } from '../../src/participants/resource-manager.ts';
import { openFixture, ref, refusal, statement } from './runtime-fixture.ts';

const PROOF = 'the engine answered COMMIT to a statement of the branch';

/** An adapter whose second statement of each branch slips through. */
function slipping(rm: ResourceManager): ResourceManager {
  const open = rm.open.bind(rm);
  rm.open = async (xid, options) => {
    const session = await open(xid, options);
    const reason = { code: 'STATEMENT_REFUSED', message: 'the statement ended the branch', retryable: false };
    const slip = async () => {
      throw new EngineError(reason, { sessionLost: true, damage: PROOF });
    };
    const refuse = async () => {
      throw new EngineError(reason, { sessionLost: true });
    };
    const first = session.execute.bind(session);
    session.execute = (given) => (given.sql === 'slip' ? slip() : first(given));
    session.executeAndPrepare = (given) => (given.sql === 'doomed' ? refuse() : slip());
    return session;
  };
  return rm;
}

describe('a branch that its own statement committed', () => {
  it.each([false, true])('votes no, and is reported as damaged right behind (last: %s) (field P2)', async (last) => {
    await using fixture = await openFixture({ through: slipping });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    await runtime.execute(statement(xid, 1, 'set a 1'));
    expect((await refusal(runtime.execute(statement(xid, 2, 'slip', { last })))).code).toBe('STATEMENT_REFUSED');
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_ROLLBACK' });
    expect(await session.hears('result')).toMatchObject({
      ...ref(xid),
      verb: expect.stringContaining('ROLLBACK'),
      result: expect.stringContaining('OTHERWISE'),
      reason: { message: PROOF },
    });
    expect(runtime.held).toBe(0);
    expect(fixture.log.named('branch-committed-alone')).toMatchObject([{ message: PROOF }]);
    expect(session.heard('vote')).toHaveLength(1);
  });

  it('is reported as damaged, too, if its last statement had come before the damage (D4)', async () => {
    await using fixture = await openFixture({ through: slipping });
    const { runtime, session } = await fixture.attach();
    const xid = fixture.xid();
    const slip = refusal(runtime.execute(statement(xid, 1, 'slip', { oneShot: true })));
    const last = refusal(runtime.execute(statement(xid, 2, 'doomed', { last: true, oneShot: true })));
    expect((await slip).code).toBe('STATEMENT_REFUSED');
    expect((await last).code).toBe('STATEMENT_REFUSED');
    expect(await session.hears('vote')).toMatchObject({ ...ref(xid), vote: 'VOTE_ROLLBACK' });
    expect(await session.hears('result')).toMatchObject({ ...ref(xid), reason: { message: PROOF } });
    expect(runtime.held).toBe(0);
  });
});
