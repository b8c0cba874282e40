// Event sourcing: an account is its events, in a table with `primary key (stream, version)`; the view for queries is in another database,
// and changes in the same transaction (S17). No new API: the key is the expected version, and its violation is the conflict.
import { type Concordat, StatementError, type Transaction } from '../../src/client/index.ts';
import { type Tables, teach } from './lesson.ts';

export const BANK: Tables = {
  accounts: [
    'drop table if exists course_event',
    'create table course_event (stream varchar(40), version int, kind varchar(12) not null, amount bigint not null, primary key (stream, version))',
  ],
  orders: [
    'drop table if exists course_account',
    'create table course_account (stream varchar(40) primary key, version int not null, balance bigint not null)',
  ],
};

interface Event {
  readonly kind: 'opened' | 'deposited' | 'withdrawn';
  readonly amount: number;
}

interface Account {
  /** Of its newest event; 0: there is none. */
  readonly version: number;
  readonly balance: number;
}

/** The account as its events tell. */
async function load(tx: Transaction, stream: string): Promise<Account> {
  const { rows } = await tx
    .resource('accounts')
    .query<{ version: number; kind: Event['kind']; amount: number }>(
      'select version, kind, amount from course_event where stream = $1 order by version',
      [stream],
    );
  const apply = ({ balance }: Account, { version, kind, amount }: { version: number } & Event): Account => ({
    version,
    balance: kind === 'withdrawn' ? balance - amount : balance + amount,
  });
  return rows.reduce<Account>(apply, { version: 0, balance: 0 });
}

/** One event more, in the stream and in the view. Who has loaded an older version collides with the key. */
async function append(tx: Transaction, stream: string, account: Account, { kind, amount }: Event): Promise<void> {
  const version = account.version + 1;
  const balance = account.balance + (kind === 'withdrawn' ? -amount : amount);
  await tx
    .resource('accounts')
    .query('insert into course_event values ($1, $2, $3, $4)', [stream, version, kind, amount]);
  await tx
    .resource('orders')
    .query('replace into course_account (stream, version, balance) values (?, ?, ?)', [stream, version, balance]);
}

const UNIQUE_VIOLATION = '23505';
const ATTEMPTS = 5;

/** A command: it loads, decides and appends. If somebody was faster it runs again, on what that one has left. */
async function command(concordat: Concordat, work: (tx: Transaction) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // `retries` is for what the database asks to be run again, a deadlock across the two streams of a transfer for instance.
      return await concordat.transaction(work, { timeoutMs: 10_000, retries: 3 });
    } catch (error) {
      const isConflict = error instanceof StatementError && error.sqlstate === UNIQUE_VIOLATION;
      if (!isConflict || attempt === ATTEMPTS) {
        throw error;
      }
    }
  }
}

export function open(concordat: Concordat, stream: string, amount: number): Promise<void> {
  return command(concordat, async (tx) => {
    const account = await load(tx, stream);
    if (account.version > 0) {
      throw new Error(`account ${stream} is open already`);
    }
    await append(tx, stream, account, { kind: 'opened', amount });
  });
}

/** Two streams and two rows of the view, all or none. `loaded` is for tests: it runs between the decision and the events. */
export function transfer(
  concordat: Concordat,
  from: string,
  to: string,
  amount: number,
  loaded: () => Promise<void> = async () => undefined,
): Promise<void> {
  return command(concordat, async (tx) => {
    const [source, target] = [await load(tx, from), await load(tx, to)];
    if (source.balance < amount) {
      throw new Error(`account ${from} has ${source.balance}, less than ${amount}`);
    }
    if (target.version === 0) {
      throw new Error(`there is no account ${to}`);
    }
    await loaded();
    // In the order of their names, so that two transfers in opposite directions do not wait for each other.
    const events = [
      { stream: from, account: source, event: { kind: 'withdrawn', amount } as const },
      { stream: to, account: target, event: { kind: 'deposited', amount } as const },
    ].sort((a, b) => (a.stream < b.stream ? -1 : 1));
    for (const { stream, account, event } of events) {
      await append(tx, stream, account, event);
    }
  });
}

await teach(import.meta, BANK, async ({ concordat, accounts, orders, show }) => {
  await show('anna opens with 100', () => open(concordat, 'anna', 100));
  await show('ben opens with 0', () => open(concordat, 'ben', 0));
  await show('10 transfers of 10 at once', () =>
    Promise.allSettled(Array.from({ length: 10 }, () => transfer(concordat, 'anna', 'ben', 10))).then(
      (all) => `${all.filter(({ status }) => status === 'fulfilled').length} done`,
    ),
  );
  await show('more than there is', () => transfer(concordat, 'anna', 'ben', 500));
  await show('view', () => orders.rows('select stream, version, balance from course_account order by stream'));
  await show('events', () => accounts.rows('select stream, count(*) as events from course_event group by stream'));
});
