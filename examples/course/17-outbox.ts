// What cannot prepare, mail or a queue, is sent from a table: the row that says so is committed with the order, and a relay sends it (S11,
// S12, S24). At least once: who dies between sending and forgetting sends again, and the receiver knows what it has.
import { randomUUID } from 'node:crypto';
import type { Concordat } from '../../src/client/index.ts';
import { type Tables, teach } from './lesson.ts';
import { SHOP } from './shop.ts';

export const POST: Tables = {
  accounts: SHOP.accounts,
  orders: [
    ...SHOP.orders,
    'drop table if exists course_outbox',
    'create table course_outbox (id varchar(36) primary key, text varchar(200) not null)',
  ],
};

export interface Message {
  readonly id: string;
  readonly text: string;
}

/** As in lesson 06, and a row in the outbox beside the order: it is there if, and only if, the order is. */
export async function placeOrder(concordat: Concordat, title: string, amount: number): Promise<void> {
  await concordat.transaction(async (tx) => {
    await tx.resource('accounts').query('update course_customer set deposit = deposit - $1 where id = 1', [amount]);
    if (title === 'error1') {
      throw new Error('error1');
    }
    const orders = tx.resource('orders');
    const id = randomUUID();
    await orders.query('insert into course_order values (?, 1, ?, ?)', [id, title, amount]);
    await orders.query('insert into course_outbox values (?, ?)', [id, `ordered: ${title}`]);
    if (title === 'error2') {
      throw new Error('error2');
    }
  });
}

/**
 * Sends what is in the outbox, one message in each transaction, and forgets what was sent. Several relays share the work: a row that one
 * of them holds is skipped by the others.
 * @returns how many were sent.
 */
export async function relay(concordat: Concordat, send: (message: Message) => Promise<void>): Promise<number> {
  for (let sent = 0; ; sent++) {
    const found = await concordat.transaction(async (tx) => {
      const orders = tx.resource('orders');
      const { rows } = await orders.query<{ id: string; text: string }>(
        'select id, text from course_outbox order by id limit 1 for update skip locked',
      );
      const [message] = rows;
      if (message === undefined) {
        return false;
      }
      await orders.query('delete from course_outbox where id = ?', [message.id]);
      await send(message); // If this throws the row stays. If the commit fails it was sent, and will be sent again.
      return true;
    });
    if (!found) {
      return sent;
    }
  }
}

/** A receiver that takes each message once, by its id. One with a database uses `tx.once`, see lesson 12. */
export class Mailbox {
  readonly texts = new Map<string, string>();
  /** How often a message came that it had. */
  duplicates = 0;

  receive({ id, text }: Message): void {
    if (this.texts.has(id)) {
      this.duplicates += 1;
    }
    this.texts.set(id, text);
  }
}

await teach(import.meta, POST, async ({ concordat, orders, say, show }) => {
  const mailbox = new Mailbox();
  for (const title of ['book', 'error1', 'error2', 'pen']) {
    await show(title, () => placeOrder(concordat, title, 10));
  }
  await show('outbox', () => orders.rows('select text from course_outbox'));
  await show('a relay whose machine fails after the first message', () =>
    relay(concordat, async (message) => {
      mailbox.receive(message);
      throw new Error('gone, and the message is out');
    }),
  );
  await show('another relay, messages sent', () => relay(concordat, async (message) => mailbox.receive(message)));
  say(`received: ${[...mailbox.texts.values()].join(', ')}; ${mailbox.duplicates} came twice`);
});
