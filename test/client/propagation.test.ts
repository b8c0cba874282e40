// What each propagation does, in every case: inside a transaction or outside, the inner function returns, throws, or throws and is
// caught. Read from the tables of a real PostgreSQL and a real MariaDB.
import { expect, onTestFinished, test } from 'vitest';
import { type Concordat, connect, type Propagation, type TransactionWork } from '../../src/client/index.ts';
import { settled, useSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { caught } from './fixture.ts';

const pair = useSystem('mariadb');
const problem = new Error('the inner function failed');
const OWN = 'its own error';

type Ending = 'returns' | 'throws' | 'throws, caught';

interface Case {
  /** The transaction that the inner function finds. */
  readonly finds: 'the outer one' | 'its own' | 'none' | 'not called';
  /** Whose rows are there in the end, at both databases. */
  readonly rows: readonly ('outer' | 'inner')[];
  /** What the outermost call throws: the inner function's own error, or one with this code. */
  readonly throws?: string;
  /** What it has as its cause. */
  readonly cause?: typeof OWN;
}

const all: Case = { finds: 'the outer one', rows: ['inner', 'outer'] };
const join: Record<Ending, Case> = {
  returns: all,
  throws: { ...all, rows: [], throws: OWN },
  'throws, caught': { ...all, rows: [], throws: 'ROLLBACK_ONLY', cause: OWN },
};
const begin: Record<Ending, Case> = {
  returns: { finds: 'its own', rows: ['inner'] },
  throws: { finds: 'its own', rows: [], throws: OWN },
  'throws, caught': { finds: 'its own', rows: [] },
};
const without: Record<Ending, Case> = {
  returns: { finds: 'none', rows: [] },
  throws: { finds: 'none', rows: [], throws: OWN },
  'throws, caught': { finds: 'none', rows: [] },
};

const INSIDE: Record<Propagation, Record<Ending, Case>> = {
  required: join,
  mandatory: join,
  supports: join,
  'requires-new': {
    returns: { finds: 'its own', rows: ['inner', 'outer'] },
    throws: { finds: 'its own', rows: [], throws: OWN },
    'throws, caught': { finds: 'its own', rows: ['outer'] },
  },
  nested: {
    returns: all,
    throws: { ...all, rows: [], throws: OWN },
    'throws, caught': { ...all, rows: ['outer'] },
  },
  'not-supported': {
    returns: { finds: 'none', rows: ['outer'] },
    throws: { finds: 'none', rows: [], throws: OWN },
    'throws, caught': { finds: 'none', rows: ['outer'] },
  },
  never: {
    returns: { finds: 'not called', rows: [], throws: 'TRANSACTION_PRESENT' },
    throws: { finds: 'not called', rows: [], throws: 'TRANSACTION_PRESENT' },
    'throws, caught': { finds: 'not called', rows: ['outer'] },
  },
};

const OUTSIDE: Record<Propagation, Record<Ending, Case>> = {
  required: begin,
  'requires-new': begin,
  nested: begin,
  mandatory: {
    returns: { finds: 'not called', rows: [], throws: 'TRANSACTION_REQUIRED' },
    throws: { finds: 'not called', rows: [], throws: 'TRANSACTION_REQUIRED' },
    'throws, caught': { finds: 'not called', rows: [] },
  },
  supports: without,
  'not-supported': without,
  never: without,
};

async function start(): Promise<Concordat> {
  const concordat = await connect(pair.system.cluster.address);
  onTestFinished(() => concordat.close());
  await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  await concordat.transaction((tx) => tx.resource('accounts').query('create table if not exists propagated (id text)'));
  await concordat.transaction((tx) => tx.resource('accounts').query('delete from propagated'));
  return concordat;
}

async function write(tx: TransactionWork, row: 'outer' | 'inner'): Promise<void> {
  await tx.resource('accounts').query('insert into propagated values ($1)', [row]);
  await tx.resource('orders').query('insert into customer_order (id, customer_id, amount) values (?, 1, 0)', [row]);
}

async function rowsOf(concordat: Concordat): Promise<unknown> {
  return await concordat.transaction(async (tx) => {
    const ids = async (resource: string, sql: string): Promise<readonly unknown[]> =>
      (await tx.resource(resource).query(sql)).rows.map(({ id }) => id);
    const accounts = await ids('accounts', 'select id from propagated order by id');
    expect(await ids('orders', 'select id from customer_order order by id')).toEqual(accounts);
    return accounts;
  });
}

const PROPAGATIONS = Object.keys(INSIDE) as readonly Propagation[];
const CASES = (['inside', 'outside'] as const).flatMap((place) =>
  PROPAGATIONS.flatMap((propagation) =>
    (['returns', 'throws', 'throws, caught'] as const).map((ending) => ({ place, propagation, ending })),
  ),
);

test('the table has 42 cases', () => {
  expect(CASES).toHaveLength(42);
});

test.each(CASES)('$propagation, $place a transaction, the function $ending', async ({ place, propagation, ending }) => {
  const concordat = await start();
  let outer: TransactionWork | undefined;
  let finds: Case['finds'] = 'not called';
  const inner = concordat.transactional({ propagation })(async (value: string) => {
    const { current } = concordat;
    finds = current === undefined ? 'none' : current === outer ? 'the outer one' : 'its own';
    if (current !== undefined) {
      await write(current, 'inner');
    }
    if (ending !== 'returns') {
      throw problem;
    }
    return value;
  });
  const called = async (): Promise<void> => {
    const calling = inner('given');
    if (ending === 'throws, caught') {
      await caught(calling);
    } else {
      expect(await calling).toBe('given');
    }
  };
  const inside = (): Promise<void> =>
    concordat.transaction(async (tx) => {
      outer = tx;
      await write(tx, 'outer');
      await called();
      expect(concordat.current).toBe(tx);
    });
  const expected = (place === 'inside' ? INSIDE : OUTSIDE)[propagation][ending];
  const running = place === 'inside' ? inside() : called();
  if (expected.throws === undefined) {
    await running;
  } else {
    const error = await caught(running);
    if (expected.throws === OWN) {
      expect(error).toBe(problem);
    } else {
      expect(error).toMatchObject({ code: expected.throws });
      expect((error as Error).cause).toBe(expected.cause === OWN ? problem : undefined);
    }
  }
  expect(finds).toBe(expected.finds);
  expect(await rowsOf(concordat)).toEqual(expected.rows);
});

test('nothing of it is left open', async () => {
  await settled(pair.system);
});
