// What the refusal of a bad request says, and what it must not change.
import type { System } from './fixture.ts';

/** A field that is out of its bounds or its grammar. */
export const INVALID = { status: 3, code: 'FIELD_INVALID' } as const;

/** What a refused request must not change: the log, the open transactions, what participants were told (I23). */
export function footprint(system: System) {
  return { log: system.log.status().lastSequence, live: system.coordinator.transactions.liveCount };
}
