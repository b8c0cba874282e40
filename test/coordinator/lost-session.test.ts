// A transaction whose Begin never came, because its session was lost on the way: whatever is asked of it, it is over.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { BOTH } from './restarted.ts';
import { refusal } from './unary.ts';

/** The client goes on working under an id of a session that the coordinator has lost. */
async function lost(system: System): Promise<string> {
  const session = await system.session();
  const gtrid = session.gtrid();
  session.end();
  await session.ended();
  return gtrid;
}

describe('a transaction of a session that the coordinator has lost', () => {
  it('is told as rolled back, whoever asks and whatever of it he knows (field R9)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    await system.participant('orders');
    const gtrid = await lost(system);
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: { row: 'ebaaaaaaaaaa' } } });
    await accounts.hears('finish');
    for (const branches of [BOTH, [{ bqual: 'accounts' }], []]) {
      expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_ROLLED_BACK');
      expect((await refusal(system.api.commit({ gtrid, branches }))).metadata['outcome']).toBe('rolled-back');
      expect((await system.api.rollback({ gtrid, branches })).outcome).toBe('OUTCOME_ROLLED_BACK');
    }
  });

  it('is told as rolled back although no participant has ever heard of it (field R9)', async () => {
    await using system = await openSystem();
    const gtrid = await lost(system);
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_ROLLED_BACK');
    expect((await refusal(system.api.commit({ gtrid }))).code).toBe('TXN_ROLLED_BACK');
  });

  it('stays so when other outcomes have made room (field R9)', async () => {
    await using system = await openSystem({ outcomesMax: 4 });
    const accounts = await system.participant('accounts');
    const gtrid = await lost(system);
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: { row: 'ebaaaaaaaaaa' } } });
    await eventually('it is rolled back', () => accounts.told.includes('rollback accounts'));
    for (let n = 0; n < 3; n += 1) {
      await system.api.commit({ gtrid: (await system.api.begin({})).gtrid });
    }
    expect((await system.info(gtrid, BOTH)).outcome).toBe('OUTCOME_ROLLED_BACK');
  });

  it('is not known yet as long as its session may still begin it (field R9)', async () => {
    await using system = await openSystem();
    const [old, fresh] = [await system.session(), await system.session()];
    const gtrid = old.gtrid();
    // On the new session of a client whose old one is half open: the coordinator has not noticed.
    const early = await fresh.ask({ getTransaction: { gtrid, branches: BOTH } });
    expect(early.getTransaction?.transaction?.outcome).toBe('OUTCOME_UNKNOWN');
    old.cut();
    await eventually('its end is noticed', async () => {
      const { getTransaction } = await fresh.ask({ getTransaction: { gtrid, branches: BOTH } });
      return getTransaction?.transaction?.outcome === 'OUTCOME_ROLLED_BACK';
    });
  });

  it('of an id that was never given out nothing is known', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const next = gtrid.replace(/0$/, '1');
    expect((await refusal(system.api.getTransaction({ gtrid: next, branches: BOTH }))).code).toBe('TXN_NOT_FOUND');
  });
});
