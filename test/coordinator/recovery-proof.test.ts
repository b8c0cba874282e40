// What a restart does not know, and engines can prove: ends of commits in one phase, and of branches that somebody finished by hand.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

describe('after a restart', () => {
  it('a commit in one phase is told from the engine’s evidence, or as unknown, never presumed', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    await system.restart();
    const branches = [{ bqual: 'orders' }];
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNKNOWN');
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_UNKNOWN');
    expect((await refusal(system.api.commit({ gtrid, branches }))).code).toBe('OUTCOME_UNKNOWN');
    const back = await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_UNPROVEN' }) });
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_UNKNOWN');
    back.script = { ...back.script, probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) };
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('probe')).toHaveLength(2);
    expect((await refusal(system.api.rollback({ gtrid }))).code).toBe('TXN_DECIDED');
  });

  it('a branch that is found and rolled back says nothing of the one that was committed in one phase', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    await system.restart();
    await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) });
    const accounts = await system.participant('accounts');
    accounts.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: { row: 'xdaaaaaaaaaa' } }] } });
    await accounts.hears('finish');
    expect(accounts.told).toEqual(['rollback accounts']);
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_UNKNOWN');
    expect((await system.api.commit({ gtrid, branches: [{ bqual: 'orders' }] })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.info(gtrid)).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('a commit in one phase of a prepared branch is no damage when only its answer was lost', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders', { finish: silent });
    const { gtrid } = await system.transaction(orders);
    const committing = system.api.commit({ gtrid }).catch(() => undefined);
    await orders.hears('finish');
    await system.restart();
    await committing;
    // It was prepared by its last statement, committed as it was told, and the participant has not heard of that.
    const reason = { code: 'BRANCH_VOTED_NO', message: 'xid8:7 is recorded as committed' };
    const held = [{ gtrid, bqual: 'orders', vote: 'VOTE_PREPARED' as const, evidence: { row: 'x7aaaaaaaaaa' } }];
    const back = await system.participant('orders', {
      hello: { instance: orders.instance, held },
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    await back.hears('finish');
    const branches = [{ bqual: 'orders' }];
    await eventually('it is known', async () => (await system.info(gtrid, branches)).outcome === 'OUTCOME_COMMITTED');
    expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.api.list({})).transactions).toEqual([]);
    expect(system.records('heuristic')).toEqual([]);
  });

  it('a branch that somebody committed by hand is damage when another one was rolled back', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const reason = { code: 'BRANCH_VOTED_NO', message: 'committed by hand' };
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(accounts, orders);
    await system.restart();
    const found = (bqual: string) => ({
      reconcile: { branches: [{ gtrid, bqual, evidence: { row: 'x7aaaaaaaaaa' } }] },
    });
    const one = await system.participant('accounts');
    one.send(found('accounts'));
    await one.hears('finish');
    const other = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    other.send(found('orders'));
    await eventually('the damage is listed', async () => {
      const [first] = (await system.api.list({})).transactions;
      return first?.outcome === 'OUTCOME_MIXED';
    });
  });

  it('what the engine of one branch proves is not told to whoever knows of another branch (D5)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const { gtrid } = await system.transaction(accounts, await system.participant('orders'));
    await system.restart();
    // Somebody committed it by hand; it looks like a commit in one phase whose answer was lost.
    const reason = { code: 'BRANCH_VOTED_NO', message: 'xid8:7 is recorded as committed' };
    const back = await system.participant('accounts', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'accounts', evidence: { row: 'x7aaaaaaaaaa' } }] } });
    const info = (...bquals: readonly string[]) =>
      system.info(
        gtrid,
        bquals.map((bqual) => ({ bqual })),
      );
    await eventually('it is known', async () => (await info('accounts')).outcome === 'OUTCOME_COMMITTED');
    // Neither "committed", since nothing of orders is, nor "rolled back", since accounts is not: somebody has to look.
    expect((await refusal(info('accounts', 'orders'))).code).toBe('BRANCHES_DIFFER');
    expect((await info('accounts')).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('a single branch that its engine proves rolled back is told as such', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    await system.restart();
    await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_ROLLED_BACK' }) });
    expect((await refusal(system.api.commit({ gtrid, branches: [{ bqual: 'orders' }] }))).code).toBe('TXN_ROLLED_BACK');
  });
});
