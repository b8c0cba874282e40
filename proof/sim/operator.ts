// An operator who looks at the list and does one of the things that the command line offers, sensible or not.
import type { Core } from '../../src/coordinator/core.ts';
import type { Chance } from './chance.ts';
import type { System } from './system.ts';

type Resolve = Parameters<Core['admin']['resolveTransaction']>[0];

const PERSON = { operator: 'simulated', reason: 'the simulation wants it so', dryRun: false };

/** An operator's word that branches were committed, which no engine can prove any more. Never rejects. */
export async function vouch(system: System, gtrid: string, bquals: readonly string[]): Promise<void> {
  const request = { ...PERSON, gtrid, requestId: '', expectedVersion: 0 };
  const resolution = 'RESOLUTION_BRANCH_COMMITTED';
  try {
    for (const bqual of bquals) {
      await system.coordinator.core?.admin.resolveTransaction({ ...request, bqual, resolution });
    }
  } catch (error) {
    system.world.trace.say('operator', 'refused', error);
  }
}

/** Never rejects: what is refused is refused. */
export async function act(system: System, chance: Chance): Promise<void> {
  const core = system.coordinator.core;
  if (core === undefined) {
    return;
  }
  const { transactions } = core;
  const shown = [...transactions.all(), ...transactions.heuristic()];
  if (shown.length === 0) {
    return;
  }
  const { gtrid, state } = chance.pick(shown);
  const requestId = chance.happens(0.5) ? chance.base32(8) : '';
  const request: Resolve = {
    ...{ ...PERSON, gtrid, requestId, bqual: '', expectedVersion: 0, resolution: 'RESOLUTION_ROLLBACK' },
  };
  try {
    if (state.kind === 'completed') {
      await core.admin.forgetTransaction({ ...PERSON, gtrid, requestId });
    } else if (state.kind === 'committing' && chance.happens(0.7)) {
      const attempt = system.attempts.get(gtrid);
      if (attempt !== undefined) {
        attempt.meddled = true;
        attempt.byHand = false;
      }
      const bqual = chance.pick(state.branches).bqual;
      const resolution = chance.pick(['RESOLUTION_BRANCH_COMMITTED', 'RESOLUTION_BRANCH_ROLLED_BACK'] as const);
      await core.admin.resolveTransaction({ ...request, bqual, resolution });
    } else if (chance.happens(0.3)) {
      core.admin.retryTransaction({ gtrid });
    } else {
      await core.admin.resolveTransaction(request);
    }
  } catch (error) {
    system.world.trace.say('operator', 'refused', error);
  }
}
