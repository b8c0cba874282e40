// One transaction of the workload: a counter, a unique value and money on each of its sides.
import { setTimeout as sleep } from 'node:timers/promises';
import type { OneShotStatement, Parameter, StatementOptions, Transaction } from '../../src/client/index.ts';
import type { Roll } from '../disk/dice.ts';
import type { OwnConnections } from './own-connections.ts';
import { ACCOUNTS, LANES, type SideName } from './sides.ts';

export const WAYS = ['sidecar', 'last', 'one-shot', 'own', 'mixed', 'joined'] as const;
/**
 * Through the sidecars, with `last` on each side's last statement, all statements at once, on the application's own connections, or
 * through sidecars and on own connections in one.
 */
export type Way = (typeof WAYS)[number];

export interface Transfer {
  readonly id: string;
  readonly way: Way;
  readonly sides: readonly SideName[];
  /** Read there and nothing more: a branch that leaves phase two. */
  readonly reads: SideName | undefined;
  readonly lane: number;
  /** What each side's account gets; together nothing. */
  readonly amounts: readonly number[];
  readonly accounts: readonly number[];
  /** The sides at once; else one after the other, which never deadlocks. */
  readonly parallel: boolean;
  /** The application is slow on each side, maybe slower than its transaction may take: what it does afterwards must have no effect. */
  readonly lingersMs: number;
  /** The application's work throws when it is done. */
  readonly throws: boolean;
  readonly acknowledgement: 'applied' | 'decided';
}

const AMOUNT_MAX = 50;
const LINGER_MAX_MS = 4_000;

/** Which groups of sides a workload over `sides` writes: the books have counters for each. */
export function groupsOf(sides: readonly SideName[]): readonly (readonly SideName[])[] {
  const pairs = sides.flatMap((one, index) => sides.slice(index + 1).map((other) => [one, other]));
  return [...(sides.length > 2 ? [sides] : []), ...pairs, ...sides.map((side) => [side])];
}

export function drawTransfer(roll: Roll, all: readonly SideName[], way: Way, id: string): Transfer {
  const groups = groupsOf(all);
  const singles = groups.filter(({ length }) => length === 1);
  const several = groups.filter(({ length }) => length > 1);
  const kind = roll(100);
  const group = kind < 60 ? groups[0] : kind < 92 ? several[roll(several.length)] : singles[roll(singles.length)];
  const sides = group ?? all;
  const others = all.filter((side) => !sides.includes(side));
  const amounts = sides.slice(1).map(() => roll(2 * AMOUNT_MAX + 1) - AMOUNT_MAX);
  return {
    id,
    way,
    sides,
    reads: others.length > 0 && roll(3) === 0 ? others[roll(others.length)] : undefined,
    lane: roll(LANES),
    amounts: [-amounts.reduce((sum, amount) => sum + amount, 0), ...amounts],
    accounts: sides.map(() => roll(ACCOUNTS)),
    parallel: roll(3) === 0,
    lingersMs: roll(15) === 0 ? roll(LINGER_MAX_MS) : 0,
    throws: roll(25) === 0,
    acknowledgement: roll(3) === 0 ? 'decided' : 'applied',
  };
}

export interface Places {
  readonly tx: Transaction;
  /** The same transaction as a second service sees it. */
  readonly joined: Pick<Transaction, 'resource'>;
  readonly own: OwnConnections;
}

export async function work(transfer: Transfer, places: Places): Promise<void> {
  const sides = transfer.sides.map((side, index) => ({ side, index }));
  const group = transfer.sides.join('+');
  if (transfer.parallel) {
    // All have ended before one's failure is told: what still works on a connection of its own after the rollback would commit there.
    const ended = await Promise.allSettled(
      sides.map(({ side, index }) => workAt(transfer, group, side, index, places)),
    );
    const failed = ended.find((end) => end.status === 'rejected');
    if (failed !== undefined) {
      throw failed.reason;
    }
  } else {
    for (const { side, index } of sides) {
      await workAt(transfer, group, side, index, places);
    }
  }
  if (transfer.reads !== undefined) {
    await places.tx.resource(transfer.reads).query('select count(*) as n from chaos_account where balance > 0');
  }
  if (transfer.throws) {
    throw new Error('the application thinks better of it');
  }
}

type Execute = (sql: string, parameters: readonly Parameter[], last: boolean) => Promise<unknown>;

async function workAt(
  { id, lane, amounts, accounts, way, lingersMs }: Transfer,
  group: string,
  side: SideName,
  index: number,
  places: Places,
): Promise<void> {
  const { tx, joined, own } = places;
  const isOwn = way === 'own' || (way === 'mixed' && index % 2 === 0);
  let execute: Execute;
  let prepare = async (): Promise<void> => undefined;
  if (isOwn) {
    const enlisted = await own.enlist(tx, side);
    execute = (sql, parameters) => own.execute(side, sql, parameters);
    prepare = () => (lane % 2 === 0 ? enlisted.prepare() : Promise.resolve());
  } else {
    const resource = (way === 'joined' && index > 0 ? joined : tx).resource(side);
    execute = (sql, parameters, last) => {
      const options: StatementOptions = last && way === 'last' ? { last: true } : {};
      return resource.query(placeholders(side, sql), parameters, options);
    };
  }
  const [counter, entry, account] = changesAt({ id, lane, amounts, accounts }, group, index, tx.gtrid);
  await execute(...counter, false);
  await execute(...entry, false);
  if (lingersMs > 0) {
    await sleep(lingersMs);
  }
  await execute(...account, true);
  await prepare();
}

type Change = readonly [sql: string, parameters: readonly Parameter[]];

/** What is done at one side: the counter, the unique value with the counter's number, the money. */
function changesAt(
  { id, lane, amounts, accounts }: Pick<Transfer, 'id' | 'lane' | 'amounts' | 'accounts'>,
  group: string,
  index: number,
  gtrid: string,
): readonly [Change, Change, Change] {
  const insert = `insert into chaos_entry (id, gtrid, grp, lane, n)
     select ?, ?, grp, lane, n from chaos_counter where grp = ? and lane = ?`;
  return [
    ['update chaos_counter set n = n + 1 where grp = ? and lane = ?', [group, lane]],
    [insert, [id, gtrid, group, lane]],
    ['update chaos_account set balance = balance + ? where id = ?', [amounts[index] ?? 0, accounts[index] ?? 0]],
  ];
}

/** The same work as statements that are all known. The id is told with the answer only, so that the entries cannot name it. */
export function oneShotOf(transfer: Transfer): readonly OneShotStatement[] {
  const { sides, reads, throws } = transfer;
  const group = sides.join('+');
  const changes = sides.flatMap((side, index) =>
    changesAt(transfer, group, index, 'one-shot').map(([sql, parameters]) => ({
      resource: side,
      sql: placeholders(side, sql),
      parameters,
    })),
  );
  const counts = reads === undefined ? [] : [{ resource: reads, sql: 'select count(*) as n from chaos_account' }];
  const failing = throws ? [{ resource: sides.at(-1) ?? '', sql: 'select nothing from nowhere' }] : [];
  return [...changes, ...counts, ...failing];
}

/** PostgreSQL numbers its parameters. */
export function placeholders(side: SideName, sql: string): string {
  let count = 0;
  return side === 'postgresql' ? sql.replaceAll('?', () => `$${++count}`) : sql;
}
