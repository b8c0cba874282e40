// Heuristic outcomes: they stay over restarts until they are forgotten, and stay true afterwards.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { BOTH, completed } from './restarted.ts';
import { refusal } from './unary.ts';

describe('heuristic outcomes', () => {
  const reason = { code: 'BRANCH_VOTED_NO', message: 'rolled back by hand' };
  const act = { reason: 'the data was fixed', operator: 'anna' };

  /** A commit of which `orders` proves a rollback. */
  async function mixed(system: System): Promise<string> {
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', {
      finish: () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE', reason }),
    });
    const { gtrid } = await system.transaction(accounts, orders);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_MIXED');
    return gtrid;
  }

  it('stay over restarts until they are forgotten; what was damaged is not told again', async () => {
    await using system = await openSystem();
    const gtrid = await mixed(system);
    for (let round = 0; round < 2; round += 1) {
      await system.restart();
      expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
      expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_MIXED');
    }
    const orders = await system.participant('orders');
    const accounts = await system.participant('accounts');
    await completed(system, gtrid);
    expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
    await system.api.forget({ gtrid, ...act });
    expect((await system.api.list({})).transactions).toEqual([]);
    expect(accounts.told).toEqual(['commit accounts']);
    expect(orders.told).toEqual([]);
  });

  it('once forgotten do not come back with a restart, and what was told of them stays true (I9)', async () => {
    await using system = await openSystem();
    const gtrid = await mixed(system);
    await system.api.forget({ gtrid, ...act });
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_MIXED');
    await system.restart();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    expect((await system.api.list({})).transactions).toEqual([]);
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_MIXED');
    expect([...accounts.told, ...orders.told]).toEqual([]);
  });

  it('of a rollback stay too, and stay true when they are forgotten', async () => {
    await using system = await openSystem();
    const finish = () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE' as const, reason });
    const orders = await system.participant('orders', { finish });
    const { gtrid } = await system.transaction(await system.participant('accounts'), orders);
    await refusal(system.api.rollback({ gtrid }));
    await system.restart();
    expect((await system.api.list({})).transactions).toMatchObject([{ gtrid, outcome: 'OUTCOME_MIXED' }]);
    await system.api.forget({ gtrid, ...act });
    await system.restart();
    expect((await system.api.list({})).transactions).toEqual([]);
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_MIXED');
  });

  it('that were forgotten are not told as a commit, whatever is found of them afterwards (field R4)', async () => {
    await using system = await openSystem();
    const finish = () => ({ result: 'FINISH_RESULT_DONE_OTHERWISE' as const, reason });
    const orders = await system.participant('orders', { finish });
    const { gtrid } = await system.transaction(await system.participant('accounts'), orders);
    await refusal(system.api.rollback({ gtrid }));
    await system.api.forget({ gtrid, ...act });
    await system.restart();
    const committed = () => ({ proof: 'BRANCH_PROOF_COMMITTED' });
    const back = await system.participant('orders', { finish, probe: committed });
    const mixed = async (): Promise<void> => {
      for (const branches of [[{ bqual: 'orders' }], BOTH, []]) {
        expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_MIXED');
      }
    };
    // Its marker row is swept.
    back.send({ reconcile: { markers: [`${gtrid}:orders`] } });
    await mixed();
    // A list that was made before the branch was committed by hand brings it up as prepared.
    back.send({ reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: { row: 'ebaaaaaaaaaa' } }] } });
    await back.hears('finish');
    await eventually('nothing is open', async () => (await system.api.list({})).transactions.length === 0);
    await mixed();
    expect(system.events.named('one-phase-commit-found')).toEqual([]);
  });
});
