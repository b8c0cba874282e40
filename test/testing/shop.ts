// The application that the tests here test: it knows nothing of them.
import type { Concordat } from '../../src/client/index.ts';

export async function placeOrder(
  concordat: Concordat,
  { id, customer, amount }: { readonly id: string; readonly customer: number; readonly amount: number },
): Promise<'placed' | 'too expensive'> {
  return await concordat.transaction(
    async (tx) => {
      const { rows } = await tx
        .resource('accounts')
        .query('update customer set deposit = deposit - $1 where id = $2 and deposit >= $1 returning deposit', [
          amount,
          customer,
        ]);
      if (rows.length === 0) {
        return 'too expensive';
      }
      await tx.resource('orders').query('insert into customer_order values (?, ?, ?)', [id, customer, amount]);
      return 'placed';
    },
    { retries: 3 },
  );
}
