// A local transaction, in code: two updates of one database, both or neither (S1, S2).
//
// With one database Concordat adds no second phase and no write of its own: its commit is the database's commit.
import { type Concordat, StatementError } from '../../src/client/index.ts';
import { teach } from './lesson.ts';
import { SHOP } from './shop.ts';

/** Moves an amount between two customers. */
export async function transfer(concordat: Concordat, from: number, to: number, amount: number): Promise<void> {
  // What is not committed when the block is left, by whatever error, is rolled back.
  await using tx = concordat.begin({ isolation: 'serializable', timeoutMs: 15_000 });
  const accounts = tx.resource('accounts');
  await accounts.query('update course_customer set deposit = deposit - $1 where id = $2', [amount, from]);
  const { rowCount } = await accounts.query('update course_customer set deposit = deposit + $1 where id = $2', [
    amount,
    to,
  ]);
  if (rowCount === 0) {
    throw new Error(`there is no customer ${to}: nothing is moved`);
  }
  await tx.commit();
}

/** Reads a deposit twice, with somebody else's update in between. What the second read sees is the isolation level. */
export async function readTwice(
  concordat: Concordat,
  isolation: 'read-committed' | 'repeatable-read',
  meanwhile: () => Promise<void>,
): Promise<readonly [first: unknown, second: unknown]> {
  return await concordat.transaction(
    async (tx) => {
      const read = async (): Promise<unknown> => {
        const { rows } = await tx.resource('accounts').query('select deposit from course_customer where id = 1');
        return rows[0]?.['deposit'];
      };
      const first = await read();
      await meanwhile();
      return [first, await read()] as const;
    },
    { isolation, readOnly: true },
  );
}

await teach(import.meta, SHOP, async ({ concordat, accounts, show }) => {
  await show('100 from anna to ben', () => transfer(concordat, 1, 2, 100));
  await show('100 from anna to nobody', () => transfer(concordat, 1, 3, 100));
  await show('more than anna has', () =>
    transfer(concordat, 1, 2, 5_000).catch((error: unknown) => {
      // The database's own words: 23514 is a check that does not hold.
      throw error instanceof StatementError
        ? new Error(`the database refused it with SQLSTATE ${error.sqlstate}`)
        : error;
    }),
  );
  await show('deposits', () => accounts.rows('select username, deposit from course_customer order by id'));
  const meanwhile = () => accounts.run('update course_customer set deposit = deposit + 1 where id = 1');
  await show('read twice, read committed', () => readTwice(concordat, 'read-committed', meanwhile));
  await show('read twice, repeatable read', () => readTwice(concordat, 'repeatable-read', meanwhile));
});
