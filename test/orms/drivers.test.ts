// The ends of the range of drivers: what holds for lent connections holds at the oldest that are allowed, and older ones are refused by name.
// The newest are those of the other tests.
import type callbacks from 'mysql2';
import type mysql from 'mysql2/promise';
import type pg from 'pg';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { useDrivers } from '../client/enlist-application.ts';
import { commitFacts } from '../client/enlist-commit-facts.ts';
import { nestingFacts } from '../client/enlist-nesting-facts.ts';
import { rollbackFacts } from '../client/enlist-rollback-facts.ts';
import { caught } from '../client/fixture.ts';
import { useSystem } from '../e2e/system.ts';
import { library, useLibraries } from './libraries.ts';

useLibraries();
const pair = useSystem('mysql');

describe('pg 8.21 and mysql2 3.20', () => {
  beforeAll(() => {
    useDrivers({
      pg: library<typeof pg>('pg-oldest'),
      mysql: library<typeof mysql>('mysql2-oldest/promise'),
      callbacks: library<typeof callbacks>('mysql2-oldest'),
    });
  });
  commitFacts(pair);
  rollbackFacts(pair);
  nestingFacts(pair);
});

describe('drivers outside the range', () => {
  test('pg 8.20 is refused by name: an open transaction of the application would become part of the branch', async () => {
    const { Client } = library<typeof pg>('pg-refused');
    const client = new Client({ connectionString: pair.accounts.server.url });
    await client.connect();
    onTestFinished(() => client.end());
    const concordat = await connect(pair.system.cluster.address);
    onTestFinished(() => concordat.close());
    await client.query('begin');
    const error = await caught(concordat.transaction((tx) => tx.enlist('accounts', client)));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(/pg 8\.20 .*install pg 8\.21 or later/);
  });

  test('a mysql2 of another version is refused by name', async () => {
    const { createConnection } = library<typeof callbacks>('mysql2-oldest');
    const concordat = await connect(pair.system.cluster.address);
    onTestFinished(() => concordat.close());
    for (const version of ['3.19.1', '2.3.3', '4.0.0']) {
      const connection = createConnection({ uri: pair.orders.server.url });
      onTestFinished(() => connection.destroy());
      Object.assign(connection.config, { connectAttributes: { _client_version: version } });
      const error = await caught(concordat.transaction((tx) => tx.enlist('orders', connection)));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(
        `mysql2 ${version} is not one of those that are tested: install mysql2 3.20 or later`,
      );
    }
  });
});
