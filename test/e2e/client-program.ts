// A client as a process of its own, so that it can be killed: makes one order and says how it ended. Driven over stdin and stdout.
import { createInterface } from 'node:readline';
import { connect } from '../../src/client/index.ts';
import { sidecarsAttached } from '../../src/dev/story.ts';

const [address = '', placeholders = ''] = process.argv.slice(2);
const values = placeholders === 'dollar' ? '$1, $2, $3' : '?, ?, ?';
const say = (evt: string, fields: object = {}): void => console.log(JSON.stringify({ evt, ...fields }));

await using concordat = await connect(address, { application: 'client-program' });
await sidecarsAttached(concordat);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
say('ready');

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  try {
    await concordat.transaction(
      async (tx) => {
        await tx.resource('accounts').query('update customer set deposit = deposit - $1 where id = $2', [10, 1]);
        await tx
          .resource('orders')
          .query(`insert into customer_order (id, customer_id, amount) values (${values})`, [tx.gtrid, 1, 10]);
        say('worked', { gtrid: tx.gtrid });
        await lines.next(); // Told to go on.
      },
      { timeoutMs: 8_000 },
    );
    say('ended', { outcome: 'committed' });
  } catch (error) {
    say('ended', { outcome: error instanceof Error ? error.name : String(error), message: String(error) });
  }
}
