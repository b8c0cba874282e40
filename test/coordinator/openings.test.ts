// Second openings of a branch, as a coordinator meets them: each is told to roll back with its own evidence, and its answer is its own.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';

const FIRST = { opening: 'aaaaaaaaaaaa' };
const SECOND = { opening: 'bbbbbbbbbbbb' };

describe('two openings of one branch', () => {
  it('at two instances are both told to roll back, and both are waited for (field R6)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const one = await system.participant('orders');
    const two = await system.participant('orders', { hello: { instance: 'second' }, finish: silent });
    const { gtrid } = await system.api.begin({});
    const opened = (evidence: { opening: string }) => ({ opened: { gtrid, bqual: 'orders', evidence } });
    accounts.send({ opened: { gtrid, bqual: 'accounts', evidence: FIRST } });
    one.send(opened(FIRST));
    await eventually('it is known', async () => (await system.info(gtrid)).branches?.length === 2);
    two.send(opened(SECOND));
    expect(await one.hears('finish')).toMatchObject({ verb: 'FINISH_VERB_ROLLBACK', evidence: FIRST });
    expect(await two.hears('finish')).toMatchObject({ verb: 'FINISH_VERB_ROLLBACK', evidence: SECOND });
    // Repeated until it answers, though the other opening has been accounted for.
    two.send(opened(SECOND));
    await eventually('the first is over', async () => (await system.info(gtrid)).outcome === 'OUTCOME_ROLLED_BACK');
    two.send({
      result: {
        gtrid,
        bqual: 'orders',
        verb: 'FINISH_VERB_ROLLBACK',
        result: 'FINISH_RESULT_DONE',
        evidence: SECOND,
      },
    });
    expect(one.heard('finish')).toHaveLength(1);
  });

  it('of a committed transaction: the later one is rolled back at once, elsewhere and long after (field R10)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts', {
      prepare: () => ({ vote: 'VOTE_PREPARED', evidence: { row: 'aaaaaaaaaaaa' } }),
    });
    const orders = await system.participant('orders', {
      prepare: () => ({ vote: 'VOTE_PREPARED', evidence: { row: 'cccccccccccc' } }),
    });
    const { gtrid, branches } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid, branches });
    const other = await system.participant('orders', { hello: { instance: 'second' } });
    const again = { opened: { gtrid, bqual: 'orders', evidence: SECOND } };
    other.send(again);
    expect(await other.hears('finish')).toMatchObject({ verb: 'FINISH_VERB_ROLLBACK', evidence: SECOND });
    await system.restart();
    const late = await system.participant('orders', { hello: { instance: 'third' } });
    late.send(again);
    const rolledBack = () => late.heard('finish').filter(({ verb }) => verb === 'FINISH_VERB_ROLLBACK');
    await eventually('it is rolled back', () => rolledBack().length > 0);
    // A late report of the decided opening is no other work.
    late.send({ opened: { gtrid, bqual: 'orders', evidence: { opening: 'cccccccccccc' } } });
    late.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'cccccccccccc' } }] } });
    await eventually('the decided one is committed', () => late.told.includes('commit orders'));
    expect(rolledBack()).toMatchObject([{ evidence: SECOND }]);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('of a decided transaction: the second is rolled back before the decided one is proven, and commits go on (field R14)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', {
      prepare: () => ({ vote: 'VOTE_PREPARED', evidence: { row: 'cccccccccccc' } }),
      finish: silent,
    });
    const { gtrid, branches } = await system.transaction(accounts, orders);
    const commit = system.api.commit({ gtrid, branches });
    await orders.hears('finish');
    const other = await system.participant('orders', { hello: { instance: 'second' } });
    other.send({ opened: { gtrid, bqual: 'orders', evidence: SECOND } });
    expect(await other.hears('finish')).toMatchObject({ verb: 'FINISH_VERB_ROLLBACK', evidence: SECOND });
    const result = { gtrid, bqual: 'orders', verb: 'FINISH_VERB_COMMIT', result: 'FINISH_RESULT_DONE' } as const;
    orders.send({ result: { ...result, evidence: { row: 'cccccccccccc' } } });
    expect((await commit).outcome).toBe('OUTCOME_COMMITTED');
  });
});
