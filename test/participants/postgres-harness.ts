// PostgreSQL for the contract suite: its dialect, and a superuser's hands.
import { Client } from 'pg';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { openPostgresResourceManager, type PostgresOptions } from '../../src/participants/postgres/resource-manager.ts';
import type { ResourceManager, SqlValue } from '../../src/participants/resource-manager.ts';
import { type ContractHarness, freshKey, type TypedCase } from './resource-manager-contract.ts';

export interface PostgresHarness extends ContractHarness {
  readonly server: EngineServer;
  /** One statement in a session of the superuser, made for it. */
  raw(sql: string, parameters?: readonly string[]): Promise<readonly Record<string, string | null>[]>;
  openWith(options: Partial<PostgresOptions>): ResourceManager;
}

export async function rawQuery(
  url: string,
  sql: string,
  parameters: readonly string[] = [],
): Promise<readonly Record<string, string | null>[]> {
  const client = new Client({
    connectionString: url,
    application_name: 'by hand',
    types: { getTypeParser: () => String },
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, string | null>>(sql, [...parameters])).rows;
  } finally {
    await client.end();
  }
}

const FOREIGN = [
  '131077_AAAAAAAAAAAAAP_AAAAAA',
  // As versions before 0.2 named them.
  'concordat:aaaaaaaaaa.1.1:accounts',
  'concordat:aaaaaaaaaa.1.1:Accounts:abcdefghijkl',
  'concordat:aaaaaaaaaa.1:accounts:abcdefghijkl',
  'concordat:aaaaaaaaaa.1.1:accounts:2',
  'concordat:aaaaaaaaaa.1.01:accounts:abcdefghijkl',
  'concordat:aaaaaaaaaa.1.1:accounts:abcdefghijk',
  'concordat:aaaaaaaaaa.1.1:accounts:abcdefghijk1',
  'Concordat:aaaaaaaaaa.1.1:accounts',
  'concordat2:aaaaaaaaaa.1.1:accounts',
  'concordat:ä"\'\\\t',
  '',
];

export async function openPostgresHarness(server: EngineServer): Promise<PostgresHarness> {
  const raw = (sql: string, parameters: readonly string[] = []) => rawQuery(server.url, sql, parameters);
  await raw('create table if not exists account (key text primary key, value bigint not null)');
  const openWith = (options: Partial<PostgresOptions>) =>
    openPostgresResourceManager({ url: server.url, clock: systemClock, instance: systemRandom.base32(8), ...options });
  return {
    server,
    raw,
    openWith,
    engine: 'postgresql',
    async open(options = {}) {
      const manager = openWith({
        poolMax: options.poolMax ?? 8,
        ...(options.lockTimeoutMs === undefined ? {} : { lockTimeoutMs: options.lockTimeoutMs }),
        ...(options.port === undefined ? {} : { url: server.url.replace(`:${server.port}/`, `:${options.port}/`) }),
      });
      await manager.createTables();
      return manager;
    },
    kill: () => server.kill('SIGKILL'),
    start: () => server.start(),
    async endSessions() {
      await raw(
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name like 'concordat%'`,
      );
    },
    async committed(key) {
      const value = (await raw('select value from account where key = $1', [key]))[0]?.['value'];
      return value == null ? undefined : BigInt(value);
    },
    async finishByHand(xid, verb) {
      const name = `concordat:${xid.gtrid}:${xid.bqual}:`;
      const [found] = await raw('select gid from pg_prepared_xacts where starts_with(gid, $1)', [name]);
      await raw(`${verb} prepared '${found?.['gid']}'`);
    },
    async prepareForeign() {
      for (const gid of FOREIGN) {
        // The simple protocol takes several statements in one text.
        const literal = `'${gid.replaceAll("'", "''")}'`;
        await raw(`begin; insert into account values ('${freshKey()}', 1); prepare transaction ${literal}`);
      }
      return FOREIGN.length;
    },
    async dropForeign() {
      for (const gid of FOREIGN) {
        await raw(`rollback prepared '${gid.replaceAll("'", "''")}'`);
      }
    },
    sql: {
      put: (key, value) => ({
        sql: 'insert into account (key, value) values ($1, $2)',
        parameters: [
          { kind: 'text', value: key },
          { kind: 'int', value },
        ],
      }),
      add: (key, value) => ({
        sql: 'update account set value = value + $2 where key = $1',
        parameters: [
          { kind: 'text', value: key },
          { kind: 'int', value },
        ],
      }),
      get: (key) => ({ sql: 'select value from account where key = $1', parameters: [{ kind: 'text', value: key }] }),
      failing: { sql: 'select 1 / 0', parameters: [] },
      slow: { sql: 'select pg_sleep(20)', parameters: [] },
      rows: (count) => ({
        sql: 'select generate_series(1, $1::int)',
        parameters: [{ kind: 'int', value: BigInt(count) }],
      }),
      bytes: (count) => ({ sql: `select repeat('x', $1::int)`, parameters: [{ kind: 'int', value: BigInt(count) }] }),
      refused: REFUSED,
    },
    typed: TYPED,
    wire: {
      port: server.port,
      prepare: 'prepare transaction',
      commit: 'commit prepared',
      rollback: 'rollback prepared',
      onePhase: 'commit',
    },
    can: { fenceOtherLives: true, tellBlocked: true },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const REFUSED = [
  'begin',
  'START TRANSACTION',
  ' /* a /* nested */ comment */ commit',
  '-- a line\ncommit and chain',
  'end',
  'rollback',
  'rollback work',
  'abort',
  `prepare transaction 'concordat:x'`,
  `commit prepared 'x'`,
  'set transaction isolation level serializable',
  'set session characteristics as transaction read only',
  'set local session authorization default',
  'set role none',
  'reset role',
  'set "role" = none',
  'select 1; select 2',
  `update account set value = 0; commit; select ';'`,
  'copy account to stdout',
  'select 1\0; commit',
];

function cast(type: string, value: SqlValue, expected: SqlValue = value): TypedCase {
  return { name: `${type} ${value.kind}`, statement: { sql: `select $1::${type}`, parameters: [value] }, expected };
}

const TYPED: readonly TypedCase[] = [
  cast('int8', { kind: 'null' }),
  cast('bool', { kind: 'bool', value: true }),
  cast('bool', { kind: 'bool', value: false }),
  cast('int2', { kind: 'int', value: -32768n }),
  cast('int4', { kind: 'int', value: 2n ** 31n - 1n }),
  cast('int8', { kind: 'int', value: 2n ** 63n - 1n }),
  cast('int8', { kind: 'int', value: -(2n ** 63n) }),
  cast('float8', { kind: 'double', value: 0.1 }),
  cast('float8', { kind: 'double', value: -0 }),
  cast('float8', { kind: 'double', value: Number.NaN }),
  cast('float8', { kind: 'double', value: Number.NEGATIVE_INFINITY }),
  cast('float8', { kind: 'double', value: Number.MIN_VALUE }),
  cast('text', { kind: 'text', value: `it's "quoted" \\ back $1 :a ?` }),
  cast('text', { kind: 'text', value: 'ünïcödé \u{1f600} \u2028 日本' }),
  cast('text', { kind: 'text', value: '' }),
  cast('bytea', { kind: 'bytes', value: Uint8Array.from({ length: 256 }, (_, i) => i) }),
  cast('bytea', { kind: 'bytes', value: new Uint8Array(0) }),
  cast('json', { kind: 'json', value: '{"a": [1, "x"]}' }),
  cast('jsonb', { kind: 'json', value: '{"b":2}' }, { kind: 'json', value: '{"b": 2}' }),
  cast('timestamp', { kind: 'timestamp', value: '2026-11-20 10:00:00.123456' }),
  cast('date', { kind: 'timestamp', value: '2026-11-20' }),
  cast('numeric', { kind: 'decimal', value: '12345678901234567890.000000000000000001' }),
  cast('uuid', { kind: 'text', value: '0e37df36-f698-11e6-8dd4-cb9ced3df976' }),
];
