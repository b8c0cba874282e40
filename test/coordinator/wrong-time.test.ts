// Requests at the wrong time, by the numbers of the product's list of bad inputs: late, repeated, too many, or of what nobody knows.
import { describe, expect, it } from 'vitest';
import { openSystem } from './fixture.ts';
import { INVALID } from './refused.ts';
import { refusal } from './unary.ts';

describe('requests at the wrong time', () => {
  it('a second commit hears the same; a rollback after it hears the decision (faults B15 B16)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.transaction(
      await system.participant('accounts'),
      await system.participant('orders'),
    );
    const first = await system.api.commit({ gtrid });
    expect(await system.api.commit({ gtrid })).toEqual(first);
    expect(await refusal(system.api.rollback({ gtrid }))).toMatchObject({
      status: 9,
      code: 'TXN_DECIDED',
      metadata: { gtrid, outcome: 'committed' },
    });
    expect(await refusal(system.api.setRollbackOnly({ gtrid }))).toMatchObject({ status: 9, code: 'TXN_DECIDED' });
    expect(system.records('decided')).toHaveLength(1);
  });

  it('a branch enlisted after the commit was asked for is refused (faults B17)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const { gtrid } = await system.transaction(orders);
    await system.api.commit({ gtrid });
    const refused = await refusal(system.api.enlist({ gtrid, resource: 'orders', newBranch: true }));
    expect(refused).toMatchObject({ status: 9, code: 'TXN_STATE', metadata: { state: 'completed' } });
  });

  it('the same branch again is the same answer; at another resource it is refused (faults B18 B19)', async () => {
    await using system = await openSystem();
    await system.participant('accounts');
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const first = await system.api.enlist({ gtrid, resource: 'orders', bqual: 'orders.1' });
    const again = await system.api.enlist({ gtrid, resource: 'orders', bqual: 'orders.1' });
    expect({ ...again, timeoutMs: 0 }).toEqual({ ...first, timeoutMs: 0 });
    expect(await refusal(system.api.enlist({ gtrid, resource: 'accounts', bqual: 'orders.1' }))).toMatchObject({
      status: 6,
      code: 'BRANCH_EXISTS',
    });
    expect((await system.info(gtrid)).branches).toHaveLength(1);
  });

  it('the sixty-fifth branch is one too many, and ten thousand are (faults B20)', async () => {
    await using system = await openSystem();
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const enlist = () => system.api.enlist({ gtrid, resource: 'orders', newBranch: true });
    for (let n = 1; n <= 64; n += 1) {
      expect((await enlist()).bqual).toBe(`orders.${n}`);
    }
    expect(await refusal(enlist())).toMatchObject({ status: 8, code: 'LIMIT_BRANCHES' });
    const branches = Array.from({ length: 10_000 }, (_, n) => ({ bqual: `orders.${(n % 9_999) + 1}` }));
    expect(await refusal(system.api.commit({ gtrid, branches }))).toMatchObject({ status: 8, code: 'LIMIT_BRANCHES' });
    expect(await system.info(gtrid)).toMatchObject({ state: 'TRANSACTION_STATE_ACTIVE' });
    expect((await system.info(gtrid)).branches).toHaveLength(64);
  });

  it('a commit without any branch is committed, and writes nothing (faults B21)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const before = system.log.status().lastSequence;
    expect(await system.api.commit({ gtrid })).toMatchObject({ outcome: 'OUTCOME_COMMITTED', branches: [] });
    expect(system.log.status().lastSequence).toBe(before);
  });

  it('a resource that nobody registered is refused with the list of those that are known (faults B22)', async () => {
    await using system = await openSystem();
    await system.participant('accounts');
    await system.participant('orders');
    const { gtrid } = await system.api.begin({});
    const refused = await refusal(system.api.enlist({ gtrid, resource: 'order' }));
    expect(refused).toMatchObject({ status: 9, code: 'RESOURCE_UNKNOWN', metadata: { known: 'accounts,orders' } });
    expect((await system.info(gtrid)).branches).toEqual([]);
  });

  it('a commit that names a branch of such a resource is refused, and changes nothing (faults B22)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const { gtrid } = await system.transaction(accounts);
    const one = { gtrid, branches: [{ bqual: 'acounts' }] };
    expect(await refusal(system.api.commit(one))).toMatchObject({
      ...{ status: 9, code: 'RESOURCE_UNKNOWN', metadata: { known: 'accounts' } },
    });
    expect(await system.info(gtrid)).toMatchObject({ state: 'TRANSACTION_STATE_ACTIVE' });
    expect((await system.info(gtrid)).branches).toHaveLength(1);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('an enum number that this version does not know is invalid, not the default (faults B27)', async () => {
    await using system = await openSystem();
    const { gtrid } = await system.api.begin({});
    const strange = 999 as never;
    expect(await refusal(system.api.commit({ gtrid, acknowledgement: strange }))).toMatchObject(INVALID);
    expect(await refusal(system.api.list({ states: [strange] }))).toMatchObject(INVALID);
    const request = { gtrid, reason: 'because of the test', operator: 'me' };
    expect(await refusal(system.api.resolve({ ...request, resolution: strange }))).toMatchObject(INVALID);
    expect(await refusal(system.api.resolve(request))).toMatchObject(INVALID);
    expect((await system.info(gtrid)).state).toBe('TRANSACTION_STATE_ACTIVE');
  });
});
