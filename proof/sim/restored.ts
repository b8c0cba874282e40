// What an operator does after a log was restored: what it cannot account for he settles by what is known elsewhere.
import { parseRow } from '../../src/xa/evidence.ts';
import { gtridParts } from '../../src/xa/xid.ts';
import { vouch } from './operator.ts';
import type { System } from './system.ts';

/** What is known elsewhere is here what the lost disks have held. */
export function settleRestored(system: System): void {
  const { sites, restoredEpoch, world, coordinator, attempts } = system;
  for (const { gtrid, state } of coordinator.core?.transactions.all() ?? []) {
    const unproven =
      state.kind === 'committing' ? state.branches.filter(({ status }) => status.kind === 'unproven') : [];
    const attempt = attempts.get(gtrid);
    if (attempt !== undefined && unproven.length > 0 && gtridParts(gtrid).epoch <= restoredEpoch) {
      attempt.meddled = true; // By his word, which the judges do not judge.
      attempt.byHand = false;
      const names = unproven.map(({ bqual }) => bqual);
      void vouch(system, gtrid, names);
    }
  }
  for (const { engine } of sites.map(({ parts }) => parts)) {
    for (const { id } of engine.prepared()) {
      const row = parseRow(id);
      if (row !== undefined && gtridParts(row.gtrid).epoch <= restoredEpoch) {
        const verb = coordinator.durable.has(row.gtrid) ? 'commit' : 'rollback';
        world.trace.say('settle', verb, id);
        engine.finish(id, verb);
      }
    }
  }
}
