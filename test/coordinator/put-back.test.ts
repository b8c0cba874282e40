// A database that was put back to an earlier state shows branches as prepared again whose transactions ended long ago.
import { expect, it } from 'vitest';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem } from './fixture.ts';

const EVIDENCE = { row: 'abcdefghijkl' };

it('a branch that is prepared again follows the decision that is retained, and people hear of one that is not (field P1)', async () => {
  await using system = await openSystem({
    openLog: () => openMemoryLog({ clock: systemClock, random: systemRandom, version: 'test', outcomesRetainedMax: 3 }),
    outcomesMax: 3,
  });
  const yes = { prepare: () => ({ vote: 'VOTE_PREPARED' as const, evidence: EVIDENCE }) };
  const [accounts, orders] = [await system.participant('accounts', yes), await system.participant('orders', yes)];
  const transfer = async (): Promise<string> => {
    const { gtrid, branches } = await system.transaction(accounts, orders);
    await system.api.commit({ gtrid, branches });
    return gtrid;
  };
  const first = await transfer();
  const gtrids: string[] = [];
  await eventually('the first has left', async () => {
    gtrids.push(await transfer());
    return system.log.outcome(first as Gtrid).kind === 'expired';
  });
  const last = gtrids.at(-1) ?? '';
  const found = (gtrid: string) => ({
    reconcile: { branches: [{ gtrid, bqual: 'orders', evidence: EVIDENCE, ageMs: 9 }] },
  });
  const told = (gtrid: string, verb: string) =>
    orders.heard('finish').filter((finish) => finish.gtrid === gtrid && finish.verb === verb).length;
  const before = told(last, 'FINISH_VERB_COMMIT');
  orders.send(found(last));
  await eventually('it is told to commit again', () => told(last, 'FINISH_VERB_COMMIT') > before);
  expect(system.events.named('orphan-expired')).toEqual([]);
  orders.send(found(first));
  await eventually('people hear of it', () => system.events.named('orphan-expired').length === 1);
  expect(system.events.named('orphan-expired')[0]).toMatchObject({ txn: first, branch: 'orders' });
});
