// Concordat, interactive: statement by statement through the sidecars, then commit. Client, coordinator, two sidecars: four processes.
import { connect } from '../src/client/index.ts';
import { sidecarsAttached } from '../src/dev/story.ts';
import type { Contestant } from './contestant.ts';

export async function openInteractive(address: string): Promise<Contestant> {
  const concordat = await connect(address, { application: 'bench' });
  await sidecarsAttached(concordat);
  return {
    name: 'interactive',
    async transfer(from, to) {
      await concordat.transaction(async (tx) => {
        await Promise.all([
          tx.resource('accounts').query('update accounts set balance = balance - 1 where id = $1', [from]),
          tx.resource('orders').query('update accounts set balance = balance + 1 where id = ?', [to]),
        ]);
      });
    },
    [Symbol.asyncDispose]: () => concordat[Symbol.asyncDispose](),
  };
}
