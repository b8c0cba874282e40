// What the recipes of this folder have in common: an order over two databases, once as it should be and once with a change of mind.
import type { Concordat } from '../../src/client/index.ts';

/** @throws {Error} how a recipe is called. */
export function places(): { readonly accountsUrl: string; readonly ordersUrl: string; readonly coordinator: string } {
  const [accountsUrl, ordersUrl, coordinator = 'localhost:7420'] = process.argv.slice(2);
  if (accountsUrl === undefined || ordersUrl === undefined) {
    throw new Error('usage: node examples/orm/<recipe>.ts <postgresql://…> <mysql://…> [<coordinator>]');
  }
  return { accountsUrl, ordersUrl, coordinator };
}

class ChangeOfMind extends Error {}

/** `buy` does the work at both databases, in whatever transaction is there. */
export async function order(concordat: Concordat, buy: (amount: number) => Promise<void>): Promise<void> {
  // A scope that joins: alone it is a transaction, and within another one a part of it.
  const buying = concordat.transactional({ timeoutMs: 15_000 })(buy);
  await buying(25);
  try {
    await concordat.transaction(async () => {
      await buying(100);
      throw new ChangeOfMind(); // Whatever the ORM has committed meanwhile goes, too.
    });
  } catch (error) {
    if (!(error instanceof ChangeOfMind)) {
      throw error;
    }
  }
}
