// A transaction that waits for an operator, and what operators may ask for.
import { eventually } from '../support/eventually.ts';
import type { System } from './fixture.ts';
import { silent } from './scripted-participant.ts';

/** Who acts, and why. */
export const act = { reason: 'found by hand in the books', operator: 'anna' };
export const ROLLBACK = { ...act, resolution: 'RESOLUTION_ROLLBACK' } as const;
export const COMMITTED = { ...act, resolution: 'RESOLUTION_BRANCH_COMMITTED', bqual: 'orders' } as const;
export const ROLLED_BACK = { ...act, resolution: 'RESOLUTION_BRANCH_ROLLED_BACK', bqual: 'orders' } as const;

/** A decided transaction of which `orders` is open and nobody is attached for it. */
export async function stuck(system: System): Promise<string> {
  const accounts = await system.participant('accounts');
  const orders = await system.participant('orders', { finish: silent });
  const { gtrid } = await system.transaction(accounts, orders);
  await system.api.commit({ gtrid, acknowledgement: 'ACKNOWLEDGEMENT_DECIDED' });
  await orders.hears('finish');
  orders.cut();
  await system.detached(orders);
  await eventually(
    'accounts is done',
    async () => (await system.info(gtrid)).branches[0]?.state === 'BRANCH_STATE_COMMITTED',
  );
  return gtrid;
}
