// What a single participant tells of is bounded: branches of no transaction of ours, however many, keep nobody from beginning.
import { describe, expect, it } from 'vitest';
import { ORPHANS_MAX } from '../../src/xa/limits.ts';
import { eventually } from '../support/eventually.ts';
import { openSystem, type System } from './fixture.ts';
import { type ScriptedParticipant, silent } from './scripted-participant.ts';

const TOLD = 25_000;
const PER_MESSAGE = 500;

function gtrids(system: System, epoch: number): string[] {
  const { identity } = system.log.recovered;
  return Array.from({ length: TOLD }, (_, n) => `${identity}.${epoch}.${n.toString(36)}`);
}

/** One reconciliation: what its engine lists as prepared. */
async function tell(participant: ScriptedParticipant, listed: readonly string[]): Promise<void> {
  for (let first = 0; first < listed.length; first += PER_MESSAGE) {
    const branches = listed
      .slice(first, first + PER_MESSAGE)
      .map((gtrid) => ({ gtrid, bqual: participant.resource, evidence: { row: 'abcdefghijkm' } }));
    participant.send({ reconcile: { branches } });
    await new Promise(setImmediate);
  }
}

describe('orphans', () => {
  it('are at most 10,000 at once, others begin meanwhile, and each is rolled back by and by (security X17)', async () => {
    await using system = await openSystem();
    await system.restart();
    const held = await system.participant('held', { finish: silent });
    const orders = await system.participant('orders');
    const all = gtrids(system, 1);
    await tell(held, all);
    const { transactions } = system.coordinator;
    await eventually('the first ones are being rolled back', () => transactions.orphanCount === ORPHANS_MAX);
    expect(transactions.liveCount).toBe(ORPHANS_MAX);
    const { gtrid } = await system.transaction(orders);
    expect((await system.api.commit({ gtrid })).outcome).toBe('OUTCOME_COMMITTED');
    await tell(held, all);
    await system.api.health({ service: '' });
    expect(transactions.orphanCount).toBeLessThanOrEqual(ORPHANS_MAX);
    held.script.finish = () => ({ result: 'FINISH_RESULT_DONE' });
    const told = new Set<string>();
    for (const { gtrid: mine, bqual, verb } of held.heard('finish')) {
      held.send({ result: { gtrid: mine, bqual, verb, result: 'FINISH_RESULT_DONE' } });
      told.add(mine);
    }
    for (let round = 0; told.size < TOLD && round < 10; round += 1) {
      await eventually('there is room', () => transactions.orphanCount === 0);
      await tell(
        held,
        all.filter((mine) => !told.has(mine)),
      );
      await eventually('they are over', () => transactions.orphanCount === 0);
      for (const finish of held.heard('finish')) {
        told.add(finish.gtrid);
      }
    }
    expect(told.size).toBe(TOLD);
  }, 60_000);

  it('that were only opened are not kept in mind without end either (security X17)', async () => {
    await using system = await openSystem();
    await system.restart();
    const { identity } = system.log.recovered;
    const held = await system.participant('held', { finish: silent });
    for (let first = 0; first < TOLD; first += 100) {
      const opened = (n: number) => ({ gtrid: `${identity}.1.${(first + n).toString(36)}`, bqual: 'held' });
      held.send(...Array.from({ length: 100 }, (_, n) => ({ opened: opened(n) })));
    }
    held.send({ reconcile: { branches: [] } });
    await eventually('as many as are told', () => held.heard('finish').length >= ORPHANS_MAX);
    await system.api.health({ service: '' });
    expect(system.coordinator.calls.sizeOf('held' as never)).toBe(ORPHANS_MAX);
  });
});

describe('quarantined branches', () => {
  it('are named up to 10,000 of a resource, and those beyond are counted and cost nothing (security X17)', async () => {
    await using system = await openSystem();
    const held = await system.participant('held');
    await tell(held, gtrids(system, 2));
    await tell(held, gtrids(system, 2));
    const { gtrid } = await system.transaction(held);
    await system.api.commit({ gtrid });
    const [resource] = (await system.api.resources({})).resources;
    expect(resource?.quarantinedBranches).toBeGreaterThan(TOLD * 0.98);
    expect(resource?.quarantinedBranches).toBeLessThan(TOLD * 1.02);
    const { alarms } = await system.api.logStatus({});
    expect(alarms.map(({ message }) => message).join()).toMatch(
      /held: 10,000 named and about 1[45],\d{3} more prepared branches/,
    );
    expect(system.events.named('branch-quarantined').length).toBe(10_000);
    expect(system.coordinator.transactions.liveCount).toBe(0);
  });
});
