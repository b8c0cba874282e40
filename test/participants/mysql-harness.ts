// MySQL and MariaDB for the contract suite: their dialect, and an administrator's hands.
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { EngineServer } from '../../src/dev/engines/index.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { type MysqlOptions, openMysqlResourceManager } from '../../src/participants/mysql/resource-manager.ts';
import type { ResourceManager, SqlValue } from '../../src/participants/resource-manager.ts';
import type { EvidenceRow } from '../../src/xa/evidence.ts';
import { FORMAT_ID, type Xid } from '../../src/xa/xid.ts';
import { type ContractHarness, freshKey, type TypedCase, until } from './resource-manager-contract.ts';

export type HandRow = Readonly<Record<string, string | null>>;

export interface MysqlHarness extends ContractHarness {
  readonly server: EngineServer;
  /** One text in a session of the administrator, made for it; the rows of its last statement. Rejects with mysql2's error. */
  raw(sql: string): Promise<readonly HandRow[]>;
  /** A session of the administrator that stays. */
  hand(): Promise<Hand>;
  openWith(options?: Partial<MysqlOptions>): ResourceManager;
}

/** A session by hand. */
export interface Hand extends AsyncDisposable {
  readonly id: number;
  raw(sql: string): Promise<readonly HandRow[]>;
}

/** What mysql2 says of an error of the server. */
export interface HandError extends Error {
  readonly errno: number;
}

export function literal(xid: { readonly gtrid: string; readonly bqual: string }, formatId = FORMAT_ID): string {
  const hex = (text: string) => `X'${Buffer.from(text, 'latin1').toString('hex')}'`;
  return `${hex(xid.gtrid)},${hex(xid.bqual)},${formatId}`;
}

/** The name of one opening. */
export function rowLiteral({ gtrid, bqual, opening }: EvidenceRow): string {
  return literal({ gtrid, bqual: `${bqual}:${opening}` });
}

export async function openHand(server: EngineServer): Promise<Hand> {
  const connection = await createConnection({
    uri: server.url,
    multipleStatements: true,
    rowsAsArray: false,
    typeCast: (field) => field.string(),
  });
  connection.on('error', () => {
    // The server was killed under it; the next call says so.
  });
  return {
    id: connection.threadId,
    async raw(sql) {
      const [rows] = await connection.query<RowDataPacket[] | RowDataPacket[][]>(sql);
      const last = Array.isArray(rows) ? rows.findLast((row) => Array.isArray(row)) : undefined;
      return (last ?? (Array.isArray(rows) ? rows : [])) as HandRow[];
    },
    async [Symbol.asyncDispose]() {
      connection.destroy();
    },
  };
}

function unhex(_text: string, digits: string): string {
  return Buffer.from(digits, 'hex').toString('latin1');
}

const XA_NOTA = 1397;

/** Branches of others: [gtrid, bqual, formatID]. */
const FOREIGN: readonly (readonly [string, string, number])[] = [
  ['131077_AAAAAAAAAAAAAP', 'AAAAAA', 131077],
  ['aaaaaaaaaa.1.1', 'accounts', 1],
  // As versions before 0.2 named them.
  ['aaaaaaaaaa.1.2', 'accounts', FORMAT_ID],
  ['aaaaaaaaaa.1.2', 'Accounts:abcdefghijkl', FORMAT_ID],
  ['Aaaaaaaaaa.1.3', 'accounts:abcdefghijkl', FORMAT_ID],
  ['aaaaaaaaaa.1', 'accounts:abcdefghijkl', FORMAT_ID],
  ['aaaaaaaaaa.1.4', 'accounts:abcdefghijkl ', FORMAT_ID],
  ['aaaaaaaaaa.1.4', 'accounts:abcdefghijk1', FORMAT_ID],
  ['aaaaaaaaaa.1.01', 'accounts', FORMAT_ID],
  // The same bytes as aaaaaaaaaa.1.5 and accounts, cut elsewhere.
  ['aaaaaaaaaa.1.', '5accounts:abcdefghijkl', FORMAT_ID],
  ['aaaaaaaaaa.1.5:accounts', 'abcdefghijkl', FORMAT_ID],
  ['aaaaaaaaaa.1.6\0', 'accounts', FORMAT_ID],
  ['\0\xff\xfe\'"`\\', '\x01\x80', FORMAT_ID],
];

export async function openMysqlHarness(server: EngineServer): Promise<MysqlHarness> {
  const raw = async (sql: string) => {
    await using hand = await openHand(server);
    return await hand.raw(sql);
  };
  await raw('create table if not exists account (id varchar(40) primary key, value bigint not null) engine=InnoDB');
  const openWith = (options: Partial<MysqlOptions> = {}) =>
    openMysqlResourceManager({ url: server.url, clock: systemClock, instance: systemRandom.base32(8), ...options });

  /** Also while the session that prepared it is only just ending. */
  const finish = (verb: 'commit' | 'rollback', name: string) =>
    until(`${verb} by hand`, () =>
      raw(`xa ${verb} ${name}`).then(
        () => true,
        (error: HandError) => {
          if (error.errno === XA_NOTA) {
            return false;
          }
          throw error;
        },
      ),
    );
  const endSessions = async () => {
    await using hand = await openHand(server);
    const others = () =>
      hand.raw(
        `select id from information_schema.processlist where user = '${server.user}' and command <> 'Daemon' and id <> connection_id()`,
      );
    for (const { id } of await others()) {
      await hand.raw(`kill ${id}`).catch(() => undefined);
    }
    await until('the sessions are gone', async () => (await others()).length === 0);
  };

  return {
    server,
    raw,
    openWith,
    hand: () => openHand(server),
    engine: server.engine === 'mariadb' ? 'mariadb' : 'mysql',
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
    endSessions,
    async committed(key) {
      const value = (await raw(`select value from account where id = '${key}'`))[0]?.['value'];
      return value == null ? undefined : BigInt(value);
    },
    async finishByHand(xid: Xid, verb) {
      if (server.engine === 'mariadb') {
        // Only the session that prepared it could.
        await endSessions();
      }
      const rows = await raw(server.engine === 'mariadb' ? 'xa recover' : 'xa recover convert xid');
      const data = rows.map((row) => String(row['data'])).map((text) => text.replace(/^0x([0-9a-f]*)$/i, unhex));
      const name = data.find((text) => text.startsWith(`${xid.gtrid}${xid.bqual}:`));
      await finish(verb, literal({ gtrid: xid.gtrid, bqual: name?.slice(xid.gtrid.length) ?? '' }));
    },
    async prepareForeign() {
      for (const [gtrid, bqual, formatId] of FOREIGN) {
        const name = literal({ gtrid, bqual }, formatId);
        await raw(
          `xa start ${name}; insert into account values ('${freshKey()}', 1); xa end ${name}; xa prepare ${name}`,
        );
      }
      return FOREIGN.length;
    },
    async dropForeign() {
      for (const [gtrid, bqual, formatId] of FOREIGN) {
        await finish('rollback', literal({ gtrid, bqual }, formatId));
      }
    },
    sql: {
      put: (key, value) => ({
        sql: 'insert into account (id, value) values (?, ?)',
        parameters: [
          { kind: 'text', value: key },
          { kind: 'int', value },
        ],
      }),
      add: (key, value) => ({
        sql: 'update account set value = value + ? where id = ?',
        parameters: [
          { kind: 'int', value },
          { kind: 'text', value: key },
        ],
      }),
      get: (key) => ({ sql: 'select value from account where id = ?', parameters: [{ kind: 'text', value: key }] }),
      failing: { sql: 'select * from nowhere_at_all', parameters: [] },
      slow: { sql: 'select sleep(20)', parameters: [] },
      rows: (count) => ({
        sql: `select a.n from ${['a', 'b', 'c', 'd', 'e'].map((name) => `(${DIGITS}) ${name}`).join(',')} limit ?`,
        parameters: [{ kind: 'int', value: BigInt(count) }],
      }),
      bytes: (count) => ({ sql: `select repeat('x', ?)`, parameters: [{ kind: 'int', value: BigInt(count) }] }),
      refused: REFUSED,
    },
    typed: [...TYPED, ...FLOATS, ...(server.engine === 'mariadb' ? TYPED_MARIADB : TYPED_MYSQL)],
    wire: {
      port: server.port,
      prepare: 'XA PREPARE',
      commit: 'XA COMMIT',
      rollback: 'XA ROLLBACK',
      // MariaDB with its binary log makes one phase of two.
      onePhase: 'XA END',
    },
    can: { fenceOtherLives: true, tellBlocked: true },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const DIGITS = Array.from({ length: 10 }, (_, n) => `select ${n} n`).join(' union all ');

const REFUSED = [
  'begin',
  'START TRANSACTION',
  ' /* a */ commit',
  '-- a line\ncommit and chain',
  '# another\nrollback',
  'rollback work',
  "xa end X'61'",
  "/*!50000 xa end X'61' */",
  '/*M! commit */',
  "execute immediate 'commit'",
  "prepare s from 'commit'",
  'set autocommit = 1',
  'set @@session.`autocommit` = 1',
  'set session transaction isolation level serializable',
  'set statement max_statement_time = 1 for commit',
  'lock tables account write',
  'begin not atomic select 1; end',
  'select 1; select 2',
  `update account set value = 0; commit; select ';'`,
];

function cast(type: string, value: SqlValue, expected: SqlValue = value): TypedCase {
  return {
    name: `${type} ${value.kind}`,
    statement: { sql: `select cast(? as ${type})`, parameters: [value] },
    expected,
  };
}

function echo(value: SqlValue): TypedCase {
  return { name: `? ${value.kind}`, statement: { sql: 'select concat(?)', parameters: [value] }, expected: value };
}

const TYPED: readonly TypedCase[] = [
  cast('signed', { kind: 'null' }),
  cast('signed', { kind: 'bool', value: true }, { kind: 'int', value: 1n }),
  cast('signed', { kind: 'bool', value: false }, { kind: 'int', value: 0n }),
  cast('signed', { kind: 'int', value: -1n }),
  cast('signed', { kind: 'int', value: 2n ** 53n + 1n }),
  cast('signed', { kind: 'int', value: 2n ** 63n - 1n }),
  cast('signed', { kind: 'int', value: -(2n ** 63n) }),
  cast('unsigned', { kind: 'int', value: 2n ** 64n - 1n }),
  cast('double', { kind: 'double', value: 0.1 }),
  cast('double', { kind: 'double', value: Number.MAX_VALUE }),
  cast('double', { kind: 'double', value: 2.2250738585072014e-308 }),
  echo({ kind: 'text', value: `it's "quoted" \\ back ? :a $1` }),
  echo({ kind: 'text', value: 'ünïcödé \u{1f600} \u2028 日本' }),
  echo({ kind: 'text', value: '' }),
  echo({ kind: 'text', value: 'x'.repeat(70_000) }),
  cast('binary', { kind: 'bytes', value: Uint8Array.from({ length: 256 }, (_, i) => i) }),
  cast('binary', { kind: 'bytes', value: new Uint8Array(0) }),
  cast('decimal(38,18)', { kind: 'decimal', value: '12345678901234567890.000000000000000001' }),
  cast('decimal(10,2)', { kind: 'decimal', value: '-0.10' }),
  cast('datetime(6)', { kind: 'timestamp', value: '2026-11-20 10:00:00.123456' }),
  cast('datetime(3)', { kind: 'timestamp', value: '2026-11-20 10:00:00.120' }),
  cast('datetime', { kind: 'timestamp', value: '2026-11-20 00:00:00' }),
  cast('date', { kind: 'timestamp', value: '2026-11-20' }),
  cast('time(6)', { kind: 'timestamp', value: '-838:59:58.000001' }),
  cast('time', { kind: 'timestamp', value: '00:00:00' }),
];

/** A float as a column holds it, in the fewest digits that tell it. */
function float(literal: string, value: number): TypedCase {
  return {
    name: `float ${literal} (field P18)`,
    statement: { sql: `select f from (select cast(${literal} as float) f) x`, parameters: [] },
    expected: { kind: 'double', value },
  };
}

const FLOATS = [
  float('0.1', 0.1),
  float('-3.4e38', -3.4e38),
  float('16777216', 16777216),
  float('1234567.8', 1234567.8),
  float('1e-40', 1e-40),
  float('0.333333333', 0.33333334),
];

const TYPED_MYSQL: readonly TypedCase[] = [
  cast('json', { kind: 'json', value: '{"a": [1, "ü"]}' }),
  cast('year', { kind: 'int', value: 2026n }),
];

const TYPED_MARIADB: readonly TypedCase[] = [
  {
    name: 'json',
    statement: { sql: 'select json_compact(?)', parameters: [{ kind: 'json', value: '{"a":[1,"ü"]}' }] },
    expected: { kind: 'json', value: '{"a":[1,"ü"]}' },
  },
];
