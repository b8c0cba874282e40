// Votes that are asked for: where the call goes when streams break, come back or stay silent.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';
import { embedded, openedAt, refs } from './opened.ts';
import { silent } from './scripted-participant.ts';
import { TestClock } from './test-clock.ts';
import { refusal } from './unary.ts';

describe('a prepare', () => {
  it('waits a second for the instance that holds the branch to come back, and goes to it again', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    await system.participant('orders');
    const holder = await embedded(system, 'orders', { prepare: silent });
    const gtrid = await openedAt(system, accounts, holder);
    const committed = system.api.commit({ gtrid, branches: refs(accounts, holder) });
    await holder.hears('prepare');
    holder.cut();
    await system.detached(holder);
    const held = [{ gtrid, bqual: 'orders' }];
    const back = await embedded(system, 'orders', { hello: { instance: holder.instance, held } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('prepare')).toEqual([{ gtrid, bqual: 'orders' }]);
    expect(back.told).toEqual(['commit orders']);
  });

  it('goes to the sidecar after that, whose no rolls everything back', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const reason = { code: 'BRANCH_UNKNOWN', message: 'not held here', retryable: true };
    const sidecar = await system.participant('orders', { prepare: () => ({ vote: 'VOTE_ROLLBACK', reason }) });
    const holder = await embedded(system, 'orders', { prepare: silent });
    const gtrid = await openedAt(system, accounts, holder);
    const started = performance.now();
    const committed = refusal(system.api.commit({ gtrid, branches: refs(accounts, holder) }));
    await holder.hears('prepare');
    holder.cut();
    expect(await committed).toMatchObject({ code: 'BRANCH_VOTED_NO', metadata: { cause: 'BRANCH_UNKNOWN' } });
    expect(performance.now() - started).toBeGreaterThan(900);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(sidecar.heard('prepare')).toHaveLength(1);
  });

  it('is not sent when the reattached instance brings its vote along', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { prepare: silent });
    const gtrid = await openedAt(system, accounts, orders);
    const committed = system.api.commit({ gtrid, branches: refs(accounts, orders) });
    await orders.hears('prepare');
    orders.cut();
    await system.detached(orders);
    const held = [{ gtrid, bqual: 'orders', vote: 'VOTE_PREPARED' as const, evidence: { row: 'xbbaaaaaaaaa' } }];
    const back = await system.participant('orders', { hello: { instance: orders.instance, held } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('finish')).toMatchObject([
      { gtrid, bqual: 'orders', verb: 'FINISH_VERB_COMMIT', evidence: { row: 'xbbaaaaaaaaa' }, instance: '' },
    ]);
    expect(back.heard('prepare')).toEqual([]);
  });

  it('is repeated after ten seconds without a vote, and ends in a rollback before a unary caller stops waiting', async () => {
    await using system = await openSystem({ clock: new TestClock(10) });
    const accounts = await system.participant('accounts');
    const orders = await system.participant('orders', { prepare: silent });
    accounts.beat(100);
    orders.beat(100);
    const { gtrid } = await system.api.begin({ timeoutMs: 86_400_000 });
    for (const resource of ['accounts', 'orders']) {
      await system.api.enlist({ gtrid, resource });
    }
    const refused = await refusal(system.api.commit({ gtrid }));
    expect(refused.code).toBe('TXN_TIMEOUT');
    expect(orders.heard('prepare').length).toBeGreaterThanOrEqual(3);
    await orders.hears('finish');
    expect([...accounts.told, ...orders.told]).toEqual(['rollback accounts', 'rollback orders']);
  });

  it('is not asked for when the vote came unasked', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const { gtrid } = await system.api.begin({});
    for (const { resource: bqual } of [accounts, orders]) {
      const participant = bqual === 'orders' ? orders : accounts;
      participant.send({ vote: { gtrid, bqual, vote: 'VOTE_PREPARED', evidence: { row: 'xbaaaaaaaaaa' } } });
    }
    await eventually('both votes are in', async () => (await system.info(gtrid)).branches.length === 2);
    expect((await system.api.commit({ gtrid, branches: refs(accounts, orders) })).outcome).toBe('OUTCOME_COMMITTED');
    expect([...accounts.heard('prepare'), ...orders.heard('prepare')]).toEqual([]);
  });

  it('that its client has asked for is awaited, and asked for from here only where the vote stays away', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const gtrid = await openedAt(system, accounts, orders);
    const asked = refs(accounts, orders).map((branch) => ({ ...branch, asked: true }));
    const started = performance.now();
    const committed = system.api.commit({ gtrid, branches: asked });
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: { row: 'xbaaaaaaaaaa' } } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(accounts.heard('prepare')).toEqual([]);
    expect(orders.heard('prepare')).toEqual([{ gtrid, bqual: 'orders' }]);
    expect(performance.now() - started).toBeGreaterThan(450);
  });

  it('that its client has asked for goes to an instance that comes back, and at once where the client did not know whom it asked', async () => {
    await using system = await openSystem();
    const [accounts, orders] = [await system.participant('accounts'), await system.participant('orders')];
    const gtrid = await openedAt(system, accounts, orders);
    orders.cut();
    await system.detached(orders);
    const [known, gone] = refs(accounts, orders);
    const committed = system.api.commit({
      gtrid,
      branches: [
        { ...known, instance: '', asked: true },
        { ...gone, asked: true },
      ],
    });
    await accounts.hears('prepare');
    const held = [{ gtrid, bqual: 'orders' }];
    const back = await system.participant('orders', { hello: { instance: orders.instance, held } });
    expect((await committed).outcome).toBe('OUTCOME_COMMITTED');
    expect(back.heard('prepare')).toEqual([{ gtrid, bqual: 'orders' }]);
  });
});
