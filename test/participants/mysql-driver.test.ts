// What is used of mysql2 beyond its documentation: a driver that lacks any of it is refused at connect, with its version and what to install.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  lentAnswerProblem,
  lentDriverProblem,
  type MysqlConnection,
  OWN_DRIVER,
  ownDriverProblem,
} from '../../src/participants/mysql/protocol/driver.ts';

const nothing = (): void => undefined;

class Query {
  sql = '';
  onResult = nothing;
  start = nothing;
  execute = nothing;
  emit = nothing;
  on = nothing;
  once = nothing;
}

class ResultSetHeader {
  serverStatus = 2;
}

class Renamed extends Query {}

type Callback = (error: unknown, result?: unknown) => void;
interface Sent {
  execute(packet: object | undefined, connection: unknown): unknown;
}

/** A connection that has all of it, and answers one query with these packets and this result. */
class Driver {
  static createQuery: (() => object) | undefined = () => new Query();
  addCommand = nothing;
  destroy = nothing;
  on = nothing;
  off = nothing;
  write = nothing;
  stream = {};
  sequenceId = 0;
  threadId = 7;
  _mariadbExtendedMetadata = false;
  config: object = { connectAttributes: { _client_version: '3.23.0' } };
  packet: object = { isError: nothing, isEOF: nothing, eofStatusFlags: nothing };
  result: object = new ResultSetHeader();

  query(_options: unknown, callback: Callback): object {
    const command: Sent = { execute: () => callback(null, this.result) };
    setImmediate(() => command.execute(this.packet, this));
    return command;
  }
}

const lent = (driver: object): MysqlConnection => driver as unknown as MysqlConnection;

function without(name: string, driver = new Driver()): Driver {
  return Object.assign(driver, { [name]: undefined });
}

test('the version of our own connections is the one that package.json pins', () => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  expect((JSON.parse(text) as { dependencies: { mysql2: string } }).dependencies.mysql2).toBe(OWN_DRIVER);
});

describe('our own connection', () => {
  test('has all that is used of it', () => {
    expect(ownDriverProblem(new Driver())).toBeUndefined();
  });

  test.each(['addCommand', 'write', 'destroy', 'stream', 'sequenceId', 'threadId', '_mariadbExtendedMetadata'])(
    'without %s it is refused',
    (name) => {
      expect(ownDriverProblem(without(name))).toBe(
        `mysql2 3.23.0 has no ${name}, which Concordat relies on: install mysql2 ${OWN_DRIVER}`,
      );
    },
  );
});

describe('_mariadbExtendedMetadata, which mysql2 has since 3.23', () => {
  test.each([
    ['3.20.0', undefined],
    ['3.22.9', undefined],
    ['4.0.0', /has no _mariadbExtendedMetadata/],
  ])('is asked for or not: %s', (version, problem) => {
    const driver = without('_mariadbExtendedMetadata');
    driver.config = { connectAttributes: { _client_version: version } };
    const found = ownDriverProblem(driver);
    problem === undefined ? expect(found).toBeUndefined() : expect(found).toMatch(problem);
  });
});

describe('the connection of an application', () => {
  test('has all that is used of it', async () => {
    expect(lentDriverProblem(lent(new Driver()))).toBeUndefined();
    expect(await lentAnswerProblem(lent(new Driver()))).toBeUndefined();
  });

  test.each(['addCommand', 'query', 'destroy', 'on', 'off', 'threadId'])('without %s it is refused', (name) => {
    expect(lentDriverProblem(lent(without(name)))).toMatch(
      `mysql2 3.23.0 has no ${name}, which Concordat relies on: install mysql2 3.20 or later, below 4`,
    );
  });

  test.each(['start', 'execute', 'onResult', 'emit', 'on', 'once', 'sql'])(
    'without %s of a command it is refused',
    (name) => {
      class Changed extends Driver {
        static override createQuery = () => Object.assign(new Query(), { [name]: undefined });
      }
      expect(lentDriverProblem(lent(new Changed()))).toMatch(`mysql2 3.23.0 has no ${name} of a command`);
    },
  );

  test.each(['isError', 'isEOF', 'eofStatusFlags'])('without %s of a packet it is refused', async (name) => {
    const driver = new Driver();
    driver.packet = { ...driver.packet, [name]: undefined };
    expect(await lentAnswerProblem(lent(driver))).toMatch(`mysql2 3.23.0 has no ${name} of a packet`);
  });

  test('without the status of an answer it is refused', async () => {
    const driver = Object.assign(new Driver(), { result: {} });
    expect(await lentAnswerProblem(lent(driver))).toMatch('mysql2 3.23.0 has no serverStatus of an answer');
  });

  test('with classes that a bundler renamed it is refused', () => {
    class Bundled extends Driver {
      static override createQuery = () => new Renamed();
    }
    expect(lentDriverProblem(lent(new Bundled()))).toMatch('renamed by a bundler');
  });

  test('of a version that is not tested it is refused', () => {
    for (const version of ['3.19.9', '2.0.0', '4.0.0']) {
      const driver = Object.assign(new Driver(), { config: { connectAttributes: { _client_version: version } } });
      expect(lentDriverProblem(lent(driver))).toBe(
        `mysql2 ${version} is not one of those that are tested: install mysql2 3.20 or later, below 4`,
      );
    }
  });
});
