// More callers at once than a sidecar has sessions: they wait for one another, and nobody is sent away.
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { useSystem } from '../e2e/system.ts';
import { eventually } from '../support/eventually.ts';
import { ORDER } from './enlist-application.ts';

const CALLERS = 200;

const pair = useSystem('mariadb');

test('200 callers at 64 sessions are all served (field P19)', async () => {
  const concordat = await connect(pair.system.cluster.address);
  onTestFinished(() => concordat.close());
  await eventually('both resources', () => concordat.resources().filter(({ available }) => available).length === 2);
  const calls = Array.from({ length: CALLERS }, (_, n) =>
    concordat.transaction(async (tx) => {
      await tx.resource('orders').query(ORDER, [`caller ${n}`]);
      await tx.resource('accounts').query('select pg_sleep(0.1)');
    }),
  );
  const ends = await Promise.allSettled(calls);
  expect(ends.filter(({ status }) => status === 'rejected')).toEqual([]);
  const [row] = (await concordat.transact([{ resource: 'orders', sql: 'select count(*) as n from customer_order' }]))
    .results;
  expect(row?.rows[0]?.['n']).toEqual(CALLERS);
  expect((await pair.system.shop.books()).orders).toBe(CALLERS);
});
