// The client on a real PostgreSQL and a real MariaDB, with the coordinator and the sidecars as processes of their own.
import { expect, onTestFinished, test } from 'vitest';
import { runTransaction } from '../../examples/unary-client.mjs';
import {
  type Concordat,
  type ConnectOptions,
  connect,
  StatementError,
  TransactionRolledBackError,
} from '../../src/client/index.ts';
import { DEPOSIT } from '../../src/dev/shop.ts';
import { settled, useSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { caught, deferred } from './fixture.ts';

const pair = useSystem('mariadb');

async function start(options: ConnectOptions = {}): Promise<Concordat> {
  const concordat = await connect(pair.system.cluster.address, options);
  onTestFinished(() => concordat.close());
  await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  return concordat;
}

const PAY = 'update customer set deposit = deposit - $1 where id = 1';
const ORDER = 'insert into customer_order (id, customer_id, amount) values (?, 1, ?)';

test('an order over both databases is committed, or leaves nothing', async () => {
  const concordat = await start();
  const order = (id: string, amount: number): Promise<void> =>
    concordat.transaction(async (tx) => {
      await Promise.all([
        tx.resource('accounts').query(PAY, [amount]),
        tx.resource('orders').query(ORDER, [id, amount]),
      ]);
    });
  await order('one', 30);
  const error = await caught(order('one', 40));
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ resource: 'orders', errno: 1062, sqlstate: '23000', retryable: false });
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 30, orders: 1, spent: 30 });
});

test('a branch that cannot be prepared is named as the cause, with the words of its database', async () => {
  const concordat = await start();
  await concordat.transaction((tx) =>
    tx.resource('orders').query('insert into customer_order (id, customer_id, amount) values (?, 1, 0)', ['first']),
  );
  const error = await caught(
    concordat.transaction(async (tx) => {
      // Noticed at PREPARE only: the promise that every statement had gone well is not enough.
      await tx.resource('accounts').query('create table late (id int unique deferrable initially deferred)');
      await tx.resource('accounts').query('insert into late values (1), (1)');
      await tx.resource('orders').query(ORDER, ['second', 0]);
    }),
  );
  expect(error).toBeInstanceOf(TransactionRolledBackError);
  expect(error).toMatchObject({
    code: 'BRANCH_VOTED_NO',
    branches: [{ bqual: 'accounts', resource: 'accounts', sqlstate: '23505', retryable: false }],
  });
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT, orders: 1, spent: 0 });
});

test('values survive the way to PostgreSQL and back', async () => {
  const concordat = await start();
  const moment = new Date('2026-11-20T10:00:00.123Z');
  const { rows } = await concordat.transaction((tx) =>
    tx.resource('accounts').query(
      `select $1::int8 as big, $2::int4 as small, $3::numeric as exact, $4::float8 as float, $5::text as words,
        $6::bytea as bytes, $7::timestamptz at time zone 'UTC' as moment, $8::jsonb as doc, $9::jsonb as list,
        $10::bool as yes, null::text as nothing, array[1,2] as many`,
      [
        2n ** 62n,
        42,
        '12345678901234567890.5',
        0.1,
        'Grüße',
        Buffer.from([0, 255]),
        moment,
        { a: [1, null] },
        [1, 'b'],
        true,
      ],
    ),
  );
  expect(rows[0]).toMatchObject({
    big: 2n ** 62n,
    small: 42,
    exact: '12345678901234567890.5',
    float: 0.1,
    words: 'Grüße',
    bytes: Buffer.from([0, 255]),
    moment: '2026-11-20 10:00:00.123',
    doc: { a: [1, null] },
    list: [1, 'b'],
    yes: true,
    nothing: null,
  });
});

test('values survive the way to MariaDB and back', async () => {
  const concordat = await start();
  const moment = new Date('2026-11-20T10:00:00.123Z');
  await concordat.transaction(async (tx) => {
    const orders = tx.resource('orders');
    const { rows } = await orders.query(
      `select cast(? as signed) as big, ? as words, cast(? as binary) as bytes, cast(? as datetime(3)) as moment,
        cast(? as decimal(30, 1)) as exact, json_extract(?, '$.a') as doc, ? as nothing`,
      [2n ** 62n, 'Grüße', Buffer.from([0, 255]), moment, '12345678901234567890.5', { a: [1, null] }, null],
    );
    expect(rows[0]).toMatchObject({
      big: 2n ** 62n,
      words: 'Grüße',
      bytes: Buffer.from([0, 255]),
      moment: '2026-11-20 10:00:00.123',
      exact: '12345678901234567890.5',
      nothing: null,
    });
    expect(JSON.stringify(rows[0]?.['doc'])).toContain('1');
  });
});

test('JSON at PostgreSQL keeps the numbers that JavaScript has not (field P18)', async () => {
  const concordat = await start();
  const sent = { id: 2n ** 60n + 1n, list: [-(2n ** 70n)] };
  const { rows } = await concordat.transaction((tx) =>
    tx.resource('accounts').query(
      `select '{"a": 9007199254740993, "b": 0.12345678901234567890, "c": 1.5}'::jsonb as stored, $1::jsonb as sent,
        '1e400'::json as far, 'NaN'::float8 as nan, '-Infinity'::float8 as low, $2::float8 as zero, 0.1::float4 as small,
        $3::timestamptz at time zone 'UTC' as old, $4::timestamptz at time zone 'UTC' as new, 1e-20::numeric as tiny`,
      [sent, -0, new Date('-000043-03-15T00:00:00Z'), new Date('+012026-01-02T03:04:05.006Z')],
    ),
  );
  expect(rows[0]).toEqual({
    stored: { a: 9007199254740993n, b: '0.12345678901234567890', c: 1.5 },
    sent,
    far: '1e400',
    nan: Number.NaN,
    low: Number.NEGATIVE_INFINITY,
    zero: -0,
    small: 0.1,
    old: '0044-03-15 00:00:00 BC',
    new: '12026-01-02 03:04:05.006',
    tiny: '0.00000000000000000001',
  });
});

test('unsigned integers, floats and JSON at MariaDB lose nothing, and an array is no list of IN (field P18)', async () => {
  const concordat = await start();
  const most = 2n ** 64n - 1n;
  await concordat.transaction(async (tx) => {
    const orders = tx.resource('orders');
    const { rows } = await orders.query(
      `select cast(? as unsigned) as most, cast(? as unsigned) = 18446744073709551615 as same, cast(0.1 as float) as small,
        json_compact('{"a": 18446744073709551615, "b": [0.12345678901234567890]}') as doc`,
      [most, most],
    );
    expect(rows[0]).toMatchObject({ most, same: 1, small: 0.1 });
    expect(rows[0]?.['doc']).toEqual({ a: most, b: ['0.12345678901234567890'] });
  });
  const error = await caught(
    concordat.transaction((tx) =>
      tx.resource('orders').query('select * from customer_order where id in (?)', [[1, 2]]),
    ),
  );
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ message: expect.stringContaining('write one ? for each of its 2 values') });
});

test('arrays as parameters are arrays at PostgreSQL where the statement says so, and documents elsewhere', async () => {
  const concordat = await start();
  await concordat.transaction(async (tx) => {
    const accounts = tx.resource('accounts');
    const ids = ['a "quoted" one', 'b,c', 'NULL', '{d}', 'e\\f', ''];
    const { rows } = await accounts.query(
      `select (select count(*) from unnest($1::text[]) as id where id = any($2)) as same, cardinality($3::int8[]) as many,
        $4::uuid[] as uuids, $5::jsonb as doc, cardinality($6::bytea[]) as blobs, $7::timestamptz[] as times`,
      [
        ids,
        ids,
        [1, 2n ** 62n, null],
        ['01890b2e-0000-7000-8000-000000000000'],
        ids,
        [Buffer.from([0])],
        [new Date(0)],
      ],
    );
    expect(rows[0]).toMatchObject({ same: ids.length, many: 3, doc: ids, blobs: 1 });
    expect(rows[0]).toMatchObject({
      uuids: '{01890b2e-0000-7000-8000-000000000000}',
      times: expect.stringContaining('1970'),
    });
  });
});

test.each([
  ['accounts', 'STATEMENT_FAILED', 'select $1::int + $2::int'],
  ['orders', 'FIELD_INVALID', 'select ? + ?'],
])(
  'one parameter too few at %s fails the statement, is not retryable, and the session goes on',
  async (resource, code, sql) => {
    const concordat = await start();
    const error = await caught(concordat.transaction((tx) => tx.resource(resource).query(sql, [1])));
    expect(error).toBeInstanceOf(StatementError);
    expect(error).toMatchObject({ code, retryable: false, gtrid: expect.any(String) });
    expect(await concordat.transaction(async (tx) => (await tx.resource(resource).query(sql, [1, 2])).rowCount)).toBe(
      1,
    );
  },
);

test('the isolation that a transaction asks for is the isolation that its branches have', async () => {
  const concordat = await start();
  await concordat.transaction(
    async (tx) => {
      const { rows } = await tx.resource('accounts').query('show transaction_isolation');
      expect(rows).toEqual([{ transaction_isolation: 'serializable' }]);
    },
    { isolation: 'serializable' },
  );
  const error = await caught(
    concordat.transaction((tx) => tx.resource('accounts').query(PAY, [1]), { readOnly: true }),
  );
  expect(error).toMatchObject({ code: 'STATEMENT_FAILED', sqlstate: '25006' });
  await settled(pair.system);
});

test('a deadlock of two transactions is retryable, and with retries both are committed', async () => {
  const concordat = await start();
  await concordat.transaction(async (tx) => {
    await tx.resource('orders').query(ORDER, ['a', 0]);
    await tx.resource('orders').query(ORDER, ['b', 0]);
  });
  const both = [deferred<void>(), deferred<void>()] as const;
  let runs = 0;
  const touch = (first: string, second: string, mine: 0 | 1): Promise<void> =>
    concordat.transaction(
      async (tx) => {
        runs++;
        await tx
          .resource('orders')
          .query('update customer_order set customer_id = customer_id + 1 where id = ?', [first]);
        both[mine].resolve();
        await both[mine === 0 ? 1 : 0].promise;
        await tx
          .resource('orders')
          .query('update customer_order set customer_id = customer_id + 1 where id = ?', [second]);
      },
      { retries: 5 },
    );
  await Promise.all([touch('a', 'b', 0), touch('b', 'a', 1)]);
  expect(runs).toBeGreaterThan(2);
  const { rows } = await concordat.transaction((tx) =>
    tx.resource('orders').query('select customer_id from customer_order order by id'),
  );
  expect(rows).toEqual([{ customer_id: 3 }, { customer_id: 3 }]);
  await settled(pair.system);
});

test('kill -9 of a sidecar under a running statement rejects it as retryable, and the next transaction finds the new one', async () => {
  const concordat = await start();
  const { cluster } = pair.system;
  const work = caught(
    concordat.transaction(async (tx) => {
      await tx.resource('orders').query(ORDER, ['lost', 10]);
      await tx.resource('accounts').query('select pg_sleep(60)');
    }),
  );
  await eventually('the statement runs', async () => {
    const { rows } = await concordat.transaction((tx) =>
      tx
        .resource('accounts')
        .query(
          "select count(*) as n from pg_stat_activity where query like '%pg_sleep(60)%' and state = 'active' and pid <> pg_backend_pid()",
        ),
    );
    return rows[0]?.['n'] === 1;
  });
  await cluster.sidecar('accounts').kill();
  const error = await work;
  expect(error).toBeInstanceOf(StatementError);
  expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true, resource: 'accounts' });
  await cluster.startSidecar('accounts');
  await concordat.transaction(
    async (tx) => {
      await tx.resource('accounts').query(PAY, [5]);
      await tx.resource('orders').query(ORDER, ['found', 5]);
    },
    { retries: 20 },
  );
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 5, orders: 1, spent: 5 });
}, 60_000);

test('kill -9 of the coordinator under load: every answer is true, and what was told lost is lost', async () => {
  const concordat = await start();
  const { cluster } = pair.system;
  const told = new Map<string, string>();
  let running = true;
  const worker = async (name: string): Promise<void> => {
    for (let n = 0; running; n++) {
      const id = `${name}-${n}`;
      const ending = concordat.transaction(async (tx) => {
        await tx.resource('accounts').query(PAY, [1]);
        await tx.resource('orders').query(ORDER, [id, 1]);
      });
      told.set(
        id,
        await ending.then(
          () => 'committed',
          (error: unknown) => (error instanceof Error ? error.name : 'what?'),
        ),
      );
    }
  };
  const committed = (): number => [...told.values()].filter((ending) => ending === 'committed').length;
  const workers = ['a', 'b', 'c', 'd'].map(worker);
  for (let kills = 0; kills < 2; kills++) {
    const before = committed();
    await eventually('work is done', () => committed() > before + 10);
    await cluster.coordinator.kill();
    await cluster.startCoordinator();
  }
  const before = committed();
  await eventually('work goes on', () => committed() > before + 10);
  running = false;
  await Promise.all(workers);
  await settled(pair.system);
  const { rows } = await concordat.transaction((tx) => tx.resource('orders').query('select id from customer_order'));
  const there = new Set(rows.map(({ id }) => String(id)));
  for (const [id, ending] of told) {
    expect(ending, id).not.toBe('OutcomeUnknownError');
    expect(there.has(id), `${id} was told ${ending}`).toBe(ending === 'committed');
  }
}, 90_000);

test('a client of nothing but the proto files moves money between both databases', async () => {
  await start();
  const { outcome } = await runTransaction(pair.system.cluster.address, [
    { resource: 'accounts', statements: [{ sql: PAY, parameters: [{ int: '100' }] }] },
    {
      resource: 'orders',
      statements: [
        { sql: ORDER, parameters: [{ text: 'one' }, { int: '40' }] },
        { sql: ORDER, parameters: [{ text: 'two' }, { int: '60' }] },
      ],
    },
  ]);
  expect(outcome).toBe('OUTCOME_COMMITTED');
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 100, orders: 2, spent: 100 });
});

test('a resource that comes twice in such a client has all of its statements done, alike or not (field R8)', async () => {
  await start();
  const pay = { resource: 'accounts', statements: [{ sql: PAY, parameters: [{ int: '50' }] }] };
  const order = (id: string) => ({ sql: ORDER, parameters: [{ text: id }, { int: '50' }] });
  const { outcome } = await runTransaction(pair.system.cluster.address, [
    pay,
    { resource: 'orders', statements: [order('three')] },
    pay,
    { resource: 'orders', statements: [order('four')] },
  ]);
  expect(outcome).toBe('OUTCOME_COMMITTED');
  expect(await settled(pair.system)).toEqual({ deposit: DEPOSIT - 100, orders: 2, spent: 100 });
});
