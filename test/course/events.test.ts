// Event sourcing and the outbox on PostgreSQL and MariaDB: events, view, orders and outbox after each success and each error.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BANK, open, transfer } from '../../examples/course/15-event-sourcing.ts';
import { Mailbox, POST, placeOrder, relay } from '../../examples/course/17-outbox.ts';
import { useSystem } from '../e2e/system.ts';
import { useLesson } from './databases.ts';

const used = useSystem('mariadb');
const lesson = useLesson(used, {
  accounts: [...BANK.accounts, ...POST.accounts],
  orders: [...BANK.orders, ...POST.orders],
});

describe('15 event sourcing', () => {
  /** The view, and the events of both accounts. */
  async function accounts(): Promise<unknown> {
    await lesson.settled();
    const view = await lesson.orders.rows('select stream, version, balance from course_account order by stream');
    const events = await lesson.accounts.rows(
      'select stream, version, kind, amount from course_event order by stream, version',
    );
    return [...view, ...events].map((row) => Object.values(row).join(' '));
  }

  beforeEach(async () => {
    await open(lesson.concordat, 'anna', 100);
    await open(lesson.concordat, 'ben', 0);
  });

  const OPENED = ['anna 1 opened 100', 'ben 1 opened 0'];

  test('an account is opened once', async () => {
    await expect(open(lesson.concordat, 'anna', 5)).rejects.toThrow('account anna is open already');
    expect(await accounts()).toEqual(['anna 1 100', 'ben 1 0', ...OPENED]);
  });

  test('a transfer is an event in each stream and a row of the view for each', async () => {
    await transfer(lesson.concordat, 'anna', 'ben', 30);
    expect(await accounts()).toEqual([
      ...['anna 2 70', 'ben 2 30'],
      ...['anna 1 opened 100', 'anna 2 withdrawn 30', 'ben 1 opened 0', 'ben 2 deposited 30'],
    ]);
  });

  test('a transfer that cannot be done leaves neither events nor view', async () => {
    await expect(transfer(lesson.concordat, 'anna', 'ben', 500)).rejects.toThrow('account anna has 100, less than 500');
    await expect(transfer(lesson.concordat, 'anna', 'nobody', 5)).rejects.toThrow('there is no account nobody');
    expect(await accounts()).toEqual(['anna 1 100', 'ben 1 0', ...OPENED]);
  });

  test('who decided on an older version collides, and decides again on the newer one', async () => {
    let isFirst = true;
    await transfer(lesson.concordat, 'anna', 'ben', 80, async () => {
      if (isFirst) {
        isFirst = false;
        await transfer(lesson.concordat, 'anna', 'ben', 10);
      }
    });
    expect(await accounts()).toEqual([
      ...['anna 3 10', 'ben 3 90'],
      ...['anna 1 opened 100', 'anna 2 withdrawn 10', 'anna 3 withdrawn 80'],
      ...['ben 1 opened 0', 'ben 2 deposited 10', 'ben 3 deposited 80'],
    ]);
  });

  test('who decided on an older version is refused, if what is left is not enough', async () => {
    let isFirst = true;
    const late = transfer(lesson.concordat, 'anna', 'ben', 80, async () => {
      if (isFirst) {
        isFirst = false;
        await transfer(lesson.concordat, 'anna', 'ben', 30);
      }
    });
    await expect(late).rejects.toThrow('account anna has 70, less than 80');
    expect(await accounts()).toEqual(expect.arrayContaining(['anna 2 70', 'ben 2 30']));
  });
});

describe('17 the outbox', () => {
  async function rows(): Promise<unknown> {
    await lesson.settled();
    const [customer] = await lesson.accounts.rows('select deposit from course_customer where id = 1');
    const orders = await lesson.orders.rows('select title from course_order order by title');
    const outbox = await lesson.orders.rows('select text from course_outbox order by text');
    return [Number(customer?.['deposit']), orders.map(({ title }) => title), outbox.map(({ text }) => text)];
  }

  let mailbox = new Mailbox();

  afterEach(() => {
    mailbox = new Mailbox();
  });

  test('has a row for each order, and for none that was rolled back', async () => {
    await placeOrder(lesson.concordat, 'book', 10);
    await expect(placeOrder(lesson.concordat, 'error1', 10)).rejects.toThrow('error1');
    await expect(placeOrder(lesson.concordat, 'error2', 10)).rejects.toThrow('error2');
    expect(await rows()).toEqual([990, ['book'], ['ordered: book']]);
  });

  test('is emptied by two relays at once, which send each message once', async () => {
    for (const title of ['a', 'b', 'c', 'd']) {
      await placeOrder(lesson.concordat, title, 10);
    }
    const send = async (message: Parameters<Mailbox['receive']>[0]): Promise<void> => mailbox.receive(message);
    const sent = await Promise.all([relay(lesson.concordat, send), relay(lesson.concordat, send)]);
    expect(sent[0] + sent[1]).toBe(4);
    expect([...mailbox.texts.values()].sort()).toEqual(['ordered: a', 'ordered: b', 'ordered: c', 'ordered: d']);
    expect(mailbox.duplicates).toBe(0);
    expect(await rows()).toEqual([960, ['a', 'b', 'c', 'd'], []]);
  });

  test('keeps what its relay has sent and not forgotten: it is sent again, and the receiver knows it', async () => {
    await placeOrder(lesson.concordat, 'book', 10);
    const failing = relay(lesson.concordat, async (message) => {
      mailbox.receive(message);
      throw new Error('gone, and the message is out');
    });
    await expect(failing).rejects.toThrow('gone, and the message is out');
    expect(await rows()).toEqual([990, ['book'], ['ordered: book']]);
    expect(await relay(lesson.concordat, async (message) => mailbox.receive(message))).toBe(1);
    expect([[...mailbox.texts.values()], mailbox.duplicates]).toEqual([['ordered: book'], 1]);
    expect(await rows()).toEqual([990, ['book'], []]);
  });
});
