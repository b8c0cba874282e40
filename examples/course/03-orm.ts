// An ORM saves a customer, in one database (S4). It works on a connection of its own, which is lent to the transaction.
import pg from 'pg';
import type { Concordat } from '../../src/client/index.ts';
import { type Tables, teach } from './lesson.ts';
import { type Orm, ormOfTests } from './orm.ts';

export const PERSONS: Tables = {
  accounts: [
    'drop table if exists course_person',
    'create table course_person (id serial primary key, username varchar(40) not null)',
  ],
  orders: [],
};

export interface Person {
  /** A person that is to be created has none: the database gives it. */
  readonly id?: number;
  readonly username: string;
}

export async function create(concordat: Concordat, client: pg.Client, orm: Orm, person: Person): Promise<number> {
  return await concordat.transaction(async (tx) => {
    await tx.enlist('accounts', client); // Ours again when the transaction has ended.
    const db = orm.drizzle(client);
    const [created] = await db.insert(orm.person).values({ username: person.username }).returning();
    if (person.id !== undefined) {
      throw new Error(`${person.username} has an id already: the row that was inserted is gone`);
    }
    return created?.id ?? 0;
  });
}

/** The ORM's own transaction, inside: it fails and is undone by itself, and what was saved before stays. */
export async function createWithFriend(
  concordat: Concordat,
  client: pg.Client,
  orm: Orm,
  username: string,
): Promise<void> {
  await concordat.transaction(async (tx) => {
    await tx.enlist('accounts', client);
    const db = orm.drizzle(client);
    await db.insert(orm.person).values({ username }).returning();
    const friend = db.transaction(async (inner) => {
      await inner
        .insert(orm.person)
        .values({ username: `a friend of ${username}` })
        .returning();
      throw new Error('the friend does not want to');
    });
    await friend.catch(() => undefined);
  });
}

await teach(import.meta, PERSONS, async ({ concordat, accounts, urls, show }) => {
  const orm = ormOfTests();
  const client = new pg.Client({ connectionString: urls.accounts });
  await client.connect();
  try {
    await show('anna, with the id', () => create(concordat, client, orm, { username: 'anna' }));
    await show('ben, who has an id', () => create(concordat, client, orm, { id: 7, username: 'ben' }));
    await show('carl, whose friend fails', () => createWithFriend(concordat, client, orm, 'carl'));
    await show('rows', () => accounts.rows('select username from course_person order by id'));
  } finally {
    await client.end();
  }
});
