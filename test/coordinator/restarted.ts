// What tests of restarts look at: a transaction at two resources, asked for by its branches, until it is complete.
import { eventually } from '../support/eventually.ts';
import type { System } from './fixture.ts';

/** The branches that a client knows of. */
export const BOTH = [{ bqual: 'accounts' }, { bqual: 'orders' }];

/** Resolves when nothing of it is left to do. */
export function completed(system: System, gtrid: string): Promise<boolean> {
  return eventually(
    `${gtrid} completes`,
    async () => (await system.info(gtrid, BOTH)).state === 'TRANSACTION_STATE_COMPLETED',
  );
}
