// Prepared branches that were rolled back while nobody of their resource was there: what became of them is asked when somebody is.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import type { ScriptedParticipant } from './scripted-participant.ts';

/** Rolled back, with `orders` prepared and gone. */
async function rolledBackWithout(system: System, accounts: ScriptedParticipant, orders: ScriptedParticipant) {
  const { gtrid } = await system.api.begin({});
  accounts.send({ opened: { gtrid, bqual: 'accounts' } });
  orders.send({ vote: { gtrid, bqual: 'orders', vote: 'VOTE_PREPARED', evidence: { row: 'x7aaaaaaaaaa' } } });
  await eventually('both are known', async () => (await system.info(gtrid)).branches.length === 2);
  orders.cut();
  await system.detached(orders);
  await system.api.rollback({ gtrid });
  await eventually('it is over', async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_COMPLETED');
  return gtrid;
}

const asked = (gtrid: string) => ({
  gtrid,
  bqual: 'orders',
  verb: 'FINISH_VERB_ROLLBACK',
  evidence: { row: 'x7aaaaaaaaaa' },
  instance: '',
});

describe('a prepared branch that nobody could be told to roll back', () => {
  it('is damage if somebody has committed it by hand meanwhile (D4)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const gtrid = await rolledBackWithout(system, accounts, orders);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_ROLLED_BACK');
    const reason = { code: 'BRANCH_VOTED_NO', message: 'xid8:7 is recorded as committed' };
    const back = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    await eventually('the damage is told', async () => (await system.info(gtrid)).outcome === 'OUTCOME_MIXED');
    expect(back.heard('finish')).toMatchObject([asked(gtrid)]);
    const { transactions } = await system.api.list({});
    expect(transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
  });

  it('is asked for until its engine has proven how it ended, and not again', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const gtrid = await rolledBackWithout(system, accounts, orders);
    const unproven = { code: 'ENGINE_UNAVAILABLE', message: 'its engine is away', retryable: true };
    const second = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_UNKNOWN', reason: unproven }),
    });
    await second.hears('finish');
    second.cut();
    await system.detached(second);
    const third = await system.participant('orders');
    await third.hears('finish');
    expect(third.heard('finish')).toMatchObject([asked(gtrid)]);
    third.cut();
    await system.detached(third);
    const last = await system.participant('orders');
    const { gtrid: next } = await system.transaction(accounts, last);
    await system.api.commit({ gtrid: next, branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] });
    expect(last.heard('finish').map((call) => call.gtrid)).toEqual([next]);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_ROLLED_BACK');
  });

  it('is not asked for if it had not voted: nothing was there to commit', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.transaction(accounts, orders);
    orders.cut();
    await system.detached(orders);
    await system.api.rollback({ gtrid });
    await eventually('it is over', async () => (await system.info(gtrid)).state === 'TRANSACTION_STATE_COMPLETED');
    const back = await system.participant('orders');
    const { gtrid: next } = await system.transaction(accounts, back);
    await system.api.commit({ gtrid: next, branches: [{ bqual: 'accounts' }, { bqual: 'orders' }] });
    expect(back.heard('finish').map((call) => call.gtrid)).toEqual([next]);
  });
});
