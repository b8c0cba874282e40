// A driver whose insides are not what they were is refused by name, before anything is begun.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg, { type Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { checkOwnDriver, type PgClient, pgProblem } from '../../src/participants/postgres/protocol/driver-insides.ts';

const PINNED = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).dependencies.pg;
const RANGE = 'install pg 8.21 or later, below 9';

/** A client as it is when it is connected. */
function connected(): Client & PgClient {
  return Object.assign(new pg.Client(), { processID: 1, readyForQuery: true }) as unknown as Client & PgClient;
}

describe('the insides of pg', () => {
  test('are there in the version that is pinned', () => {
    expect(() => checkOwnDriver(connected())).not.toThrow();
    expect(pgProblem(connected())).toBeUndefined();
  });

  test.each(['parse', 'bind', 'sync', 'query', 'sendCopyFail'])('without connection.%s it is refused', (name) => {
    const client = connected();
    Object.assign(client.connection, { [name]: undefined });
    expect(() => checkOwnDriver(client)).toThrow(
      `pg ${PINNED} has no connection.${name}, which Concordat uses: ${RANGE}`,
    );
    expect(pgProblem(client)).toBe(
      `this pg has no connection.${name}, so it is not one of those that are tested: ${RANGE}`,
    );
  });

  test('of pg 8.20 do not tell whether a transaction is open', () => {
    const client = connected();
    Object.assign(client, { getTransactionStatus: undefined });
    expect(pgProblem(client)).toMatch(/pg 8\.20 and older.*install pg 8\.21 or later/);
  });

  test('of a client that is not connected, or pipelines, are of no use', () => {
    expect(pgProblem(new pg.Client() as unknown as PgClient)).toMatch(/not connected: await its connect\(\) first/);
    expect(pgProblem(Object.assign(connected(), { pipeline: true }))).toMatch(/pipeline: true/);
  });
});
