// Why a branch does not end is told wherever people look: the explanation, the transaction, the log lines, the list of resources.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { openedAt, refs } from './opened.ts';
import { later, type ScriptedParticipant, silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';

const FORBIDDEN = {
  code: 'STATEMENT_FAILED',
  message: 'permission denied to finish prepared transaction',
  sqlstate: '42501',
  errno: 0,
  retryable: false,
};

async function committing(
  system: System,
  finish: () => object | undefined,
): Promise<{ gtrid: string; accounts: ScriptedParticipant }> {
  const accounts = await system.participant('accounts', { finish: finish as () => undefined });
  const orders = await system.participant('orders');
  const gtrid = await openedAt(system, accounts, orders);
  const branches = refs(accounts, orders);
  await system.api.commit({ gtrid, branches, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
  return { gtrid, accounts };
}

describe('a branch that does not end', () => {
  for (const result of ['NOT_YET', 'UNKNOWN', 'UNPROVEN'] as const) {
    it(`has its reason in what is shown of it, and what to do: ${result} (field P3)`, async () => {
      await using system = await openSystem();
      const { gtrid } = await committing(system, () => ({ result: `FINISH_RESULT_${result}`, reason: FORBIDDEN }));
      await eventually('it was tried', async () => (await system.info(gtrid)).branches[0]?.attempts);
      const { transaction, explanation } = await system.api.show({ gtrid });
      const [branch] = transaction?.branches ?? [];
      expect(branch?.reason).toMatchObject({
        ...{ code: 'STATEMENT_FAILED', sqlstate: '42501' },
        message: 'accounts: permission denied to finish prepared transaction',
      });
      const text = explanation.join('\n');
      expect(text).toContain('permission denied to finish prepared transaction (SQLSTATE 42501)');
      expect(text).toMatch(result === 'UNPROVEN' ? /concordat tx resolve/ : /Next: make the sidecar’s role a member/);
      await eventually('there is a line of it', () => system.events.named('branch-not-ended').length > 0);
      expect(system.events.named('branch-not-ended')[0]).toMatchObject({
        ...{ txn: gtrid, branch: 'accounts', resource: 'accounts', sqlstate: '42501' },
      });
    });
  }

  it('keeps the newest reason', async () => {
    await using system = await openSystem();
    const reasons = [{ ...FORBIDDEN, message: 'first' }, FORBIDDEN];
    const { gtrid } = await committing(system, () => ({
      result: 'FINISH_RESULT_NOT_YET',
      reason: reasons.length > 1 ? reasons.shift() : reasons[0],
    }));
    await eventually('the newer one is shown', async () => {
      return (await system.info(gtrid)).branches[0]?.reason?.message.includes('permission denied');
    });
  });

  it('has its reason while it is rolled back, and when it was given up (field P3)', async () => {
    await using system = await openSystem();
    const results = ['FINISH_RESULT_NOT_YET', 'FINISH_RESULT_UNKNOWN'] as const;
    let call = 0;
    const orders = await system.participant('orders', {
      finish: () => ({ result: results[Math.min(call++, 1)] ?? 'FINISH_RESULT_UNKNOWN', reason: FORBIDDEN }),
    });
    const gtrid = await openedAt(system, orders);
    const rollback = system.api.rollback({ gtrid });
    await eventually('it is given up', async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_COMPLETED');
    await rollback;
    const { transaction, explanation } = await system.api.show({ gtrid });
    expect(transaction?.branches[0]?.reason).toMatchObject({ sqlstate: '42501' });
    expect(explanation.join('\n')).toContain('permission denied');
  });

  it('for a minute is a warning with the fix, and again after ten', async () => {
    const clock = new TestClock(20);
    await using system = await openSystem({ clock });
    const { gtrid, accounts } = await committing(system, () => ({
      ...{ result: 'FINISH_RESULT_NOT_YET', reason: FORBIDDEN },
    }));
    accounts.beat(20);
    const warnings = () => system.events.named('branch-overdue');
    await eventually('people hear of it', () => warnings().length === 1, 10_000);
    expect(warnings()[0]).toMatchObject({ txn: gtrid, branch: 'accounts', resource: 'accounts' });
    expect(warnings()[0]?.['message']).toMatch(/told to commit 6\d s ago.*permission denied.*Next: make the sidecar/);
    await later(2_000, undefined); // Forty seconds.
    expect(warnings()).toHaveLength(1);
    clock.skip(600_000);
    await eventually('again', () => warnings().length === 2);
  });

  it('since nobody is attached is a warning, too', async () => {
    const clock = new TestClock(10);
    await using system = await openSystem({ clock });
    const { accounts } = await committing(system, silent);
    accounts.cut();
    await eventually('it is told', () => system.events.named('branch-overdue').length === 1, 20_000);
    expect(system.events.named('branch-overdue')[0]?.['message']).toMatch(
      /no participant of accounts is attached.*Next: start its sidecar/,
    );
  }, 30_000);
});

describe('a sidecar whose database refuses it', () => {
  const trouble = { code: 'ENGINE_UNAVAILABLE', message: 'password authentication failed', sqlstate: '28P01' };

  it('is shown as refused until it is not any more, and each change is a line (field P19)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const shown = async () => (await system.api.resources({})).resources[0]?.participants[0]?.trouble;
    accounts.send({ heartbeat: {} });
    expect(await shown()).toBeNull();
    accounts.send({ heartbeat: { trouble } });
    accounts.send({ heartbeat: { trouble } });
    await eventually('it is shown', async () => (await shown())?.sqlstate === '28P01');
    expect(system.events.named('engine-refuses')).toMatchObject([{ resource: 'accounts' }]);
    accounts.send({ heartbeat: {} });
    await eventually('it is not shown any more', async () => (await shown()) === null);
    expect(system.events.named('engine-answers')).toHaveLength(1);
  });
});

describe('words of participants', () => {
  const HOSTILE = 'no\u001b]0;owned\u0007\nrow \u202e right to left';
  const SAFE = 'no\\u001b]0;owned\\u0007\\u000arow \\u202e right to left';

  it('reach clients written out, whatever they have in them (security X29)', async () => {
    await using system = await openSystem();
    const reason = { code: 'STATEMENT_FAILED', message: HOSTILE, sqlstate: '4\u001b501' };
    const accounts = await system.participant('accounts', { hello: { warnings: [HOSTILE] } });
    const orders = await system.participant('orders', { prepare: () => ({ vote: 'VOTE_ROLLBACK', reason }) });
    const gtrid = await openedAt(system, accounts, orders);
    const error = await system.api.commit({ gtrid, branches: refs(accounts, orders) }).catch((failed: Error) => failed);
    expect(String((error as Error).message)).toContain(SAFE);
    expect((await system.info(gtrid)).reason?.message).toContain(SAFE);
    expect((await system.info(gtrid)).reason?.sqlstate).not.toContain('\u001b');
    const { resources } = await system.api.resources({});
    expect(resources[0]?.participants[0]?.warnings).toEqual([SAFE]);
  });

  it('of damage reach clients written out (security X29)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason: { code: 'X', message: HOSTILE } }),
    });
    const gtrid = await openedAt(system, await system.participant('accounts'), orders);
    const { branches } = await system.api.commit({ gtrid, branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] });
    expect(branches.find(({ bqual }) => bqual === 'orders')?.reason?.message).toBe(SAFE);
  });
});
