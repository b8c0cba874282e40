// A commit says what was committed: a request that names other branches than the commit hears that, and never COMMITTED.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { openedAt, refs } from './opened.ts';
import type { ScriptedParticipant } from './scripted-participant.ts';
import { silent } from './scripted-participant.ts';
import { refusal } from './unary.ts';

const ACCOUNTS = { bqual: 'accounts' };
const ORDERS = { bqual: 'orders' };
const STOCK = { bqual: 'stock' };

const OTHERS = [
  ['more', [ACCOUNTS, ORDERS, STOCK]],
  ['fewer', [ACCOUNTS]],
  ['others', [ACCOUNTS, STOCK]],
  ['one that has nothing to do with it', [STOCK]],
  ['none', []],
] as const;

async function differs(call: Promise<unknown>): Promise<void> {
  const { code, metadata, message } = await refusal(call);
  expect(code).toBe('BRANCHES_DIFFER');
  expect(metadata).toMatchObject({ outcome: 'unknown', retryable: 'false' });
  expect(message).toContain('the commit is of ');
}

async function three(system: System): Promise<ScriptedParticipant[]> {
  return [await system.participant('accounts'), await system.participant('orders'), await system.participant('stock')];
}

/** Decided with accounts and orders, both named. */
async function committed(system: System): Promise<string> {
  const [accounts, orders] = (await three(system)) as [ScriptedParticipant, ScriptedParticipant];
  const gtrid = await openedAt(system, accounts, orders);
  const { outcome, branches } = await system.api.commit({ gtrid, branches: refs(accounts, orders) });
  expect(outcome).toBe('OUTCOME_COMMITTED');
  expect(branches).toMatchObject([ACCOUNTS, ORDERS]);
  return gtrid;
}

async function check(system: System, gtrid: string): Promise<void> {
  for (const [, branches] of OTHERS) {
    await differs(system.api.commit({ gtrid, branches: [...branches] }));
  }
  // Whoever asks, or wants a rollback, may know of fewer branches, and of no others.
  for (const branches of [[ACCOUNTS, ORDERS, STOCK], [STOCK]]) {
    await differs(system.api.getTransaction({ gtrid, branches }));
    await differs(system.api.rollback({ gtrid, branches }));
  }
  for (const branches of [[ACCOUNTS], [], [ORDERS, ACCOUNTS]]) {
    expect((await system.info(gtrid, branches)).outcome).toBe('OUTCOME_COMMITTED');
    expect((await refusal(system.api.rollback({ gtrid, branches }))).code).toBe('TXN_DECIDED');
  }
  const { outcome, branches } = await system.api.commit({ gtrid, branches: [ORDERS, ACCOUNTS, ORDERS] });
  expect(outcome).toBe('OUTCOME_COMMITTED');
  expect(branches.map(({ bqual }) => bqual).sort()).toEqual(['accounts', 'orders']);
}

describe('a commit that names other branches than were decided', () => {
  it('is refused while the votes are awaited, and the first one is carried out (security X2)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = (await three(system)) as [ScriptedParticipant, ScriptedParticipant];
    accounts.script.prepare = silent;
    const gtrid = await openedAt(system, accounts, orders);
    const first = system.api.commit({ gtrid, branches: refs(accounts, orders) });
    await accounts.hears('prepare');
    for (const [, branches] of OTHERS) {
      await differs(system.api.commit({ gtrid, branches: [...branches] }));
    }
    accounts.send({ vote: { gtrid, bqual: 'accounts', vote: 'VOTE_PREPARED', evidence: { row: 'ebaaaaaaaaaa' } } });
    expect((await first).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('is refused while a branch is still told, live (security X2)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = (await three(system)) as [ScriptedParticipant, ScriptedParticipant];
    orders.script.finish = silent;
    const gtrid = await openedAt(system, accounts, orders);
    await system.api.commit({ gtrid, branches: refs(accounts, orders), acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
    await check(system, gtrid);
  });

  it('is refused when it is completed (security X2)', async () => {
    await using system = await openSystem();
    await check(system, await committed(system));
  });

  it('is refused after a restart, before and after its participants are back (security X2)', async () => {
    await using system = await openSystem();
    const gtrid = await committed(system);
    await system.restart();
    await check(system, gtrid);
    await three(system);
    await eventually('it completes', async () => {
      return (await system.info(gtrid, [ACCOUNTS])).state === 'TRANSACTION_STATE_COMPLETED';
    });
    await check(system, gtrid);
    await system.restart('kept');
    await check(system, gtrid);
  });

  it('is refused from what is left of an old outcome, with and without a record (security X2)', async () => {
    await using system = await openSystem({ outcomesMax: 3 });
    const [accounts, orders] = (await three(system)) as [ScriptedParticipant, ScriptedParticipant];
    const gtrid = await openedAt(system, accounts, orders);
    await system.api.commit({ gtrid, branches: refs(accounts, orders) });
    const single = await openedAt(system, accounts);
    await system.api.commit({ gtrid: single, branches: refs(accounts) });
    await differs(system.api.commit({ gtrid: single, branches: [ACCOUNTS, ORDERS] }));
    await differs(system.api.commit({ gtrid: single, branches: [ORDERS] }));
    await differs(system.api.commit({ gtrid: single }));
    for (let n = 0; n < 4; n += 1) {
      await system.api.commit({ gtrid: (await system.api.begin({})).gtrid });
    }
    await check(system, gtrid);
  });

  it('is refused where only one engine tells that one branch was committed, in one phase, before a restart (security X2)', async () => {
    await using system = await openSystem();
    const accounts = await system.participant('accounts');
    const gtrid = await openedAt(system, accounts);
    await system.api.commit({ gtrid, branches: refs(accounts) });
    await system.restart();
    await system.participant('accounts', { probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) });
    await differs(system.api.commit({ gtrid, branches: [ACCOUNTS, ORDERS] }));
    await differs(system.api.getTransaction({ gtrid, branches: [ACCOUNTS, ORDERS] }));
    expect((await system.api.commit({ gtrid, branches: [ACCOUNTS] })).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('must name a branch that only read, which the answer names as well (security X2)', async () => {
    await using system = await openSystem();
    const [accounts, orders, stock] = (await three(system)) as [
      ScriptedParticipant,
      ScriptedParticipant,
      ScriptedParticipant,
    ];
    stock.script.prepare = () => ({ vote: 'VOTE_READ_ONLY' });
    const gtrid = await openedAt(system, accounts, orders, stock);
    const all = refs(accounts, orders, stock);
    const { branches } = await system.api.commit({ gtrid, branches: all });
    expect(branches.find(({ bqual }) => bqual === 'stock')?.state).toBe('BRANCH_STATE_READ_ONLY');
    for (const life of [1, 2]) {
      await differs(system.api.commit({ gtrid, branches: [ACCOUNTS, ORDERS] }));
      const again = await system.api.commit({ gtrid, branches: [ACCOUNTS, ORDERS, STOCK] });
      expect(again.branches.map(({ bqual }) => bqual).sort(), `life ${life}`).toEqual(['accounts', 'orders', 'stock']);
      await system.restart();
    }
  });

  it('may leave out what was enlisted, before and after a restart (security X2)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = (await three(system)) as [ScriptedParticipant, ScriptedParticipant];
    const { gtrid } = await system.transaction(accounts, orders);
    for (const branches of [[], [ACCOUNTS], [ACCOUNTS, ORDERS]]) {
      expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    }
    await system.restart();
    for (const branches of [[], [ACCOUNTS], [ACCOUNTS, ORDERS]]) {
      expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    }
    await differs(system.api.commit({ gtrid, branches: [STOCK] }));
  });

  it('is told a rollback when everything was rolled back, whatever it names (security X2)', async () => {
    await using system = await openSystem();
    const [accounts, orders] = (await three(system)) as [ScriptedParticipant, ScriptedParticipant];
    orders.script.prepare = () => ({ vote: 'VOTE_ROLLBACK' });
    const gtrid = await openedAt(system, accounts, orders);
    await refusal(system.api.commit({ gtrid, branches: refs(accounts, orders) }));
    expect((await refusal(system.api.commit({ gtrid, branches: [STOCK] }))).metadata['outcome']).toBe('rolled-back');
  });
});

describe('a branch that is named twice', () => {
  const TWICE = [ORDERS, { bqual: 'orders', instance: '' }];

  it('is one branch, before and after a restart (field R1)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const gtrid = await openedAt(system, orders);
    const branches = [...refs(orders), ...TWICE];
    expect((await system.api.commit({ gtrid, branches })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.api.commit({ gtrid, branches: TWICE })).outcome).toBe('OUTCOME_COMMITTED');
    await system.restart();
    await system.participant('orders', { probe: () => ({ proof: 'BRANCH_PROOF_COMMITTED' }) });
    expect((await system.api.commit({ gtrid, branches: TWICE })).outcome).toBe('OUTCOME_COMMITTED');
    expect((await system.info(gtrid, TWICE)).outcome).toBe('OUTCOME_COMMITTED');
  });

  it('at two instances is refused, before and after a restart (field R1)', async () => {
    await using system = await openSystem();
    const orders = await system.participant('orders');
    const gtrid = await openedAt(system, orders);
    const branches = [...refs(orders), { bqual: 'orders', instance: 'another' }];
    expect((await refusal(system.api.commit({ gtrid, branches }))).code).toBe('FIELD_INVALID');
    expect((await system.api.commit({ gtrid, branches: refs(orders) })).outcome).toBe('OUTCOME_COMMITTED');
    await system.restart();
    expect((await refusal(system.api.commit({ gtrid, branches }))).code).toBe('FIELD_INVALID');
  });
});
