// A lock with a name, for what no row stands for: one report at a time, on a store that is outside of every transaction (S21).
//
// A lease ends by the clock, also while its holder is paused or prepared. This lock is a row of the transaction: it ends with it. What
// is outside is protected by the token, which rises from holder to holder: the store refuses a smaller one than it has seen.
import type { Concordat } from '../../src/client/index.ts';
import { type Tables, teach } from './lesson.ts';

export const REPORTS: Tables = {
  accounts: [
    'drop table if exists course_report',
    'create table course_report (month varchar(7) primary key, pages int not null)',
    // As docs/client.md has them, which a service creates once.
    'create table if not exists concordat_lock (name text primary key, gtrid text)',
    'create table if not exists concordat_fence (name text primary key, token bigint not null)',
  ],
  orders: [],
};

/** A store without transactions, for instance of files behind HTTP. It knows the greatest token that it has seen. */
export class Store {
  readonly writes: string[] = [];
  #newest = 0n;

  put(token: bigint, text: string): void {
    if (token < this.#newest) {
      throw new Error(`token ${token} is older than ${this.#newest}: its holder has lost the lock`);
    }
    this.#newest = token;
    this.writes.push(text);
  }
}

/**
 * Writes the report of a month: to the store, and the row that says so.
 * @param paused runs between the lock and the store, as a long pause of the process would.
 */
export async function report(
  concordat: Concordat,
  store: Store,
  { month, pages }: { readonly month: string; readonly pages: number },
  paused: () => Promise<void> = async () => undefined,
): Promise<bigint> {
  return await concordat.transaction(
    async (tx) => {
      const { token } = await tx.lock('accounts', `course:report:${month}`);
      await paused();
      store.put(token, `${month}: ${pages} pages`);
      await tx
        .resource('accounts')
        .query('insert into course_report values ($1, $2) on conflict (month) do update set pages = excluded.pages', [
          month,
          pages,
        ]);
      return token;
    },
    { timeoutMs: 3_000 },
  );
}

await teach(import.meta, REPORTS, async ({ concordat, accounts, show }) => {
  const store = new Store();
  const month = '2026-12';
  await show('two workers at once, their tokens', async () =>
    (await Promise.all([1, 2].map((pages) => report(concordat, store, { month, pages })))).map(String),
  );
  await show('a worker that pauses past its deadline, and another one meanwhile', () =>
    report(concordat, store, { month, pages: 3 }, async () => {
      await new Promise((done) => setTimeout(done, 3_500));
      await report(concordat, store, { month, pages: 4 });
    }),
  );
  await show('the store', async () => store.writes);
  await show('the row', () => accounts.rows('select month, pages from course_report'));
});
