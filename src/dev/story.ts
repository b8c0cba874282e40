// The story that `concordat dev` tells: an order over two databases that commits, two that fail, and one whose coordinator is
// killed at the worst moment. Every claim is checked in the databases themselves.
import type { Concordat, Transaction } from '../client/index.ts';
import { systemClock } from '../lib/system-clock.ts';
import { pause } from '../lib/wait.ts';
import type { Cluster } from './cluster.ts';
import { type Books, balanced, type Shop } from './shop.ts';
import type { Timeline } from './timeline.ts';

const AMOUNT = 100;
/** Recovery is a matter of milliseconds; this is how long the story waits before it calls it failed. */
const RECOVERY_MS = 30_000;
const POLL_MS = 20;

interface StoryParts {
  readonly cluster: Cluster;
  readonly concordat: Concordat;
  readonly shop: Shop;
  readonly timeline: Timeline;
  /** How to write a parameter at each side: `$1` or `?`. */
  readonly ordersPlaceholders: readonly [string, string, string];
}

/** @param failAfter the statement after which the order's own code throws. */
type FailAfter = 'first' | 'second' | undefined;

export async function tellStory(parts: StoryParts): Promise<void> {
  await commits(parts);
  await rollsBack(parts, 'first');
  await rollsBack(parts, 'second');
  await survivesKill(parts);
}

async function commits({ timeline, concordat, shop, ordersPlaceholders }: StoryParts): Promise<void> {
  timeline.chapter('1. An order: charge the customer in one database, record it in the other');
  const before = await shop.books();
  await concordat.transaction((tx) => order(tx, timeline, ordersPlaceholders, undefined));
  timeline.step('committed: both branches prepared, the decision on disk, both branches committed');
  const after = await shop.books();
  timeline.check(
    `the customer paid ${AMOUNT} (${before.deposit} → ${after.deposit}) and has one order more`,
    after.deposit === before.deposit - AMOUNT && after.orders === before.orders + 1 && balanced(after),
  );
}

async function rollsBack(parts: StoryParts, failAfter: 'first' | 'second'): Promise<void> {
  const { timeline, concordat, shop, ordersPlaceholders } = parts;
  const number = failAfter === 'first' ? 2 : 3;
  timeline.chapter(`${number}. The same order, failing after its ${failAfter} statement`);
  const before = await shop.books();
  const failure = await concordat
    .transaction((tx) => order(tx, timeline, ordersPlaceholders, failAfter))
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  timeline.step(
    `rolled back; the application gets its own error: ${failure instanceof Error ? failure.message : failure}`,
  );
  const after = await shop.books();
  timeline.check('neither database changed', same(before, after));
  timeline.check('no branch is left prepared', nothingPrepared(await shop.prepared()));
}

async function survivesKill(parts: StoryParts): Promise<void> {
  const { timeline, concordat, shop, cluster, ordersPlaceholders } = parts;
  timeline.chapter('4. The same order, its coordinator killed with kill -9 after the decision and before phase two');
  await cluster.coordinator.stop();
  await cluster.startCoordinator('decision-durable=crash');
  await concordat.ready();
  await sidecarsAttached(concordat);
  timeline.step('the coordinator runs again, told to kill itself at that very point');
  const before = await shop.books();
  const outcome = concordat
    .transaction((tx) => order(tx, timeline, ordersPlaceholders, undefined))
    .then(
      () => 'committed',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  await cluster.coordinator.ended;
  timeline.step('the coordinator is dead; nobody has told the databases what was decided. They list:');
  const prepared = await shop.prepared();
  for (const [side, branches] of Object.entries(prepared)) {
    for (const branch of branches) {
      timeline.line(`             ${side.padEnd(8)} in doubt  ${branch}`);
    }
  }
  timeline.check(
    'one branch is in doubt at each database',
    prepared.accounts.length === 1 && prepared.orders.length === 1,
  );
  await cluster.startCoordinator();
  timeline.step('the coordinator is started again and reads its log');
  const finished = await eventually(async () => nothingPrepared(await shop.prepared()));
  timeline.step('recovery has told both databases to commit');
  timeline.check('no branch is in doubt any more', finished);
  const heard = await outcome;
  timeline.step(`the application, which has been waiting all along, hears: ${heard}`);
  const after = await shop.books();
  timeline.check(
    'the order that was decided is there, on both sides',
    heard === 'committed' && after.orders === before.orders + 1,
  );
  timeline.check(`the books balance: ${after.deposit} left + ${after.spent} spent`, balanced(after));
}

async function order(
  tx: Transaction,
  timeline: Timeline,
  [id, customer, amount]: readonly [string, string, string],
  failAfter: FailAfter,
): Promise<void> {
  timeline.step(`begin ${tx.gtrid}`);
  await tx.resource('accounts').query('update customer set deposit = deposit - $1 where id = $2', [AMOUNT, 1]);
  timeline.step(`accounts: the customer is charged ${AMOUNT}`);
  if (failAfter === 'first') {
    throw new Error('the shop fell over after its first statement');
  }
  await tx
    .resource('orders')
    .query(`insert into customer_order (id, customer_id, amount) values (${id}, ${customer}, ${amount})`, [
      tx.gtrid,
      1,
      AMOUNT,
    ]);
  timeline.step('orders:   the order is recorded');
  if (failAfter === 'second') {
    throw new Error('the shop fell over after its second statement');
  }
}

function same(a: Books, b: Books): boolean {
  return a.deposit === b.deposit && a.orders === b.orders && a.spent === b.spent;
}

function nothingPrepared({
  accounts,
  orders,
}: {
  readonly accounts: readonly string[];
  readonly orders: readonly string[];
}): boolean {
  return accounts.length === 0 && orders.length === 0;
}

export async function sidecarsAttached(concordat: Concordat): Promise<void> {
  const attached = (): boolean => {
    const resources = concordat.resources();
    return ['accounts', 'orders'].every((name) =>
      resources.some((resource) => resource.name === name && resource.available),
    );
  };
  if (!(await eventually(async () => attached()))) {
    throw new Error('the sidecars did not attach to the coordinator in time');
  }
}

async function eventually(holds: () => Promise<boolean>): Promise<boolean> {
  const end = systemClock.now() + RECOVERY_MS;
  while (systemClock.now() < end) {
    if (await holds()) {
      return true;
    }
    await pause(systemClock, POLL_MS);
  }
  return false;
}
