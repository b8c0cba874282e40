// Idempotent requests and locks on PostgreSQL and MariaDB: what is there after each request, and after each failure.
import { describe, expect, test } from 'vitest';
import { openShop, SHOP_ONCE } from '../../examples/course/12-idempotent.ts';
import { REPORTS, report, Store } from '../../examples/course/14-locks.ts';
import { useSystem } from '../e2e/system.ts';
import { useLesson } from './databases.ts';

const used = useSystem('mariadb');
const lesson = useLesson(used, {
  accounts: [...SHOP_ONCE.accounts, ...REPORTS.accounts],
  orders: [...SHOP_ONCE.orders, ...REPORTS.orders],
});

describe('12 idempotent requests', () => {
  async function rows(): Promise<unknown> {
    await lesson.settled();
    const [customer] = await lesson.accounts.rows('select deposit from course_customer where id = 1');
    const orders = await lesson.orders.rows('select title, amount from course_order order by title');
    return [Number(customer?.['deposit']), ...orders.map((order) => Object.values(order).join(' '))];
  }

  test('a repeated request has the first one’s answer, and no effect of its own', async () => {
    await using shop = await openShop(lesson.concordat);
    const first = await shop.order('k', 'book', 10);
    const again = await shop.order('k', 'book', 10);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    expect(await rows()).toEqual([990, 'book 10']);
  });

  test('of five at once one has the effect, and all have its answer', async () => {
    await using shop = await openShop(lesson.concordat);
    const all = await Promise.all(Array.from({ length: 5 }, () => shop.order('k', 'pen', 1)));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 201]);
    expect(new Set(all.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await rows()).toEqual([999, 'pen 1']);
  });

  test('a key with another body is refused', async () => {
    await using shop = await openShop(lesson.concordat);
    await shop.order('k', 'book', 10);
    expect((await shop.order('k', 'house', 900)).status).toBe(422);
    expect(await rows()).toEqual([990, 'book 10']);
  });

  test('what failed leaves nothing, and its key is free', async () => {
    await using shop = await openShop(lesson.concordat);
    expect((await shop.order('k', 'error', 10)).status).toBe(500);
    expect(await rows()).toEqual([1000]);
    expect((await shop.order('k', 'book', 10)).status).toBe(201);
    expect(await rows()).toEqual([990, 'book 10']);
  });
});

describe('14 locks', () => {
  async function rows(): Promise<unknown> {
    await lesson.settled();
    return (await lesson.accounts.rows('select month, pages from course_report')).map((row) =>
      Object.values(row).join(' '),
    );
  }

  test('one worker at a time, and each later token is greater', async () => {
    const store = new Store();
    let inside = 0;
    let most = 0;
    const tokens = await Promise.all(
      [1, 2, 3].map((pages) =>
        report(lesson.concordat, store, { month: '2026-01', pages }, async () => {
          inside += 1;
          most = Math.max(most, inside);
          await new Promise((done) => setTimeout(done, 50));
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(new Set(tokens).size).toBe(3);
    expect(store.writes).toHaveLength(3);
    expect(await rows()).toEqual([store.writes.at(-1)?.replace(' pages', '').replace(':', '')]);
  });

  test('a worker that pauses past its deadline loses the lock, and the store refuses what it still sends', async () => {
    const store = new Store();
    const late = report(lesson.concordat, store, { month: '2026-02', pages: 3 }, async () => {
      await new Promise((done) => setTimeout(done, 3_500));
      await report(lesson.concordat, store, { month: '2026-02', pages: 4 });
    });
    await expect(late).rejects.toThrow('its holder has lost the lock');
    expect(store.writes).toEqual(['2026-02: 4 pages']);
    expect(await rows()).toEqual(['2026-02 4']);
  });

  test('who waits longer than its deadline is rolled back, and the holder goes on', async () => {
    const store = new Store();
    const impatient = { month: '2026-03', pages: 2 };
    await report(lesson.concordat, store, { month: '2026-03', pages: 1 }, async () => {
      const waiting = lesson.concordat.transaction((tx) => tx.lock('accounts', 'course:report:2026-03'), {
        timeoutMs: 500,
      });
      await expect(waiting).rejects.toThrow();
    });
    expect(store.writes).toEqual(['2026-03: 1 pages']);
    expect(await rows()).toEqual(['2026-03 1']);
    await report(lesson.concordat, store, impatient);
    expect(await rows()).toEqual(['2026-03 2']);
  });
});
