// Transactions of which only some write in both databases: through the sidecars, statement by statement.
import type { Concordat } from '../../src/client/index.ts';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import type { Contestant } from '../contestant.ts';
import { updateText } from '../sides.ts';

/** Shares that add up to 1 at most; the rest are transfers. */
export interface Shares {
  /** Read in both databases. */
  readonly readOnly: number;
  /** Write in the first database only. */
  readonly single: number;
}

export function mixed(
  concordat: Concordat,
  [first, second]: readonly [EngineServer, EngineServer],
  { readOnly, single }: Shares,
): Contestant {
  const texts = [first, second].map((server, side) => ({
    write: updateText(server.engine, side === 0 ? -1 : 1),
    // A row is written, and no money moves: a branch that is alone must not upset the books.
    touch: updateText(server.engine, 1).replace('balance + 1', 'balance + 0'),
    read: updateText(server.engine, 1).replace(/^update accounts set .* where/, 'select balance from accounts where'),
  }));
  const [debit, credit] = texts;
  if (debit === undefined || credit === undefined) {
    throw new Error('a transfer has two sides');
  }
  return {
    name: `${readOnly} read-only, ${single} single-branch`,
    transfer: (from, to) =>
      concordat.transaction(async (tx) => {
        const [accounts, orders] = [tx.resource('accounts'), tx.resource('orders')];
        const lot = Math.random();
        if (lot < single) {
          await accounts.query(debit.touch, [from]);
        } else if (lot < single + readOnly) {
          await Promise.all([accounts.query(debit.read, [from]), orders.query(credit.read, [to])]);
        } else {
          await Promise.all([accounts.query(debit.write, [from]), orders.query(credit.write, [to])]);
        }
      }),
  };
}
