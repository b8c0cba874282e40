// Which engine an application's connection belongs to, who that engine is, and how a branch is opened on it.
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { openMysqlResourceManager } from '../../participants/mysql/resource-manager.ts';
import { openPostgresResourceManager } from '../../participants/postgres/resource-manager.ts';
import type { BranchOptions, ResourceManager } from '../../participants/resource-manager.ts';
import type { Xid } from '../../xa/xid.ts';
import type { ApplicationBranch, BranchTools } from './application-branch.ts';
import { MysqlApplicationBranch } from './mysql-branch.ts';
import { askMysql, type MysqlConnection, mysqlAddress, mysqlConnection, mysqlProblem } from './mysql-connection.ts';
import { PostgresApplicationBranch } from './postgres-branch.ts';
import { askPg, isPgClient, type PgClient, pgCell, pgConfig, pgProblem } from './postgres-connection.ts';

/** The application's connection, of whichever driver. */
export interface ApplicationConnection {
  /** What the engine says it is, in the words of the resource manager. Undefined: it does not answer as it should. */
  identify(): Promise<string | undefined>;
  /** A manager with connections of its own to the same engine. `url` wins over where the connection goes. */
  openManager(url: string | undefined): Promise<ResourceManager>;
  openBranch(xid: Xid, options: BranchOptions, tools: BranchTools): ApplicationBranch;
}

interface Ports {
  readonly clock: Clock;
  readonly random: Random;
}

/** Phase two needs few connections; branches are the application's. */
const POOL_MAX = 1;

/** @throws {TypeError} it is none that can take part, and why. */
export function recognise(connection: object, ports: Ports): ApplicationConnection {
  if (isPgClient(connection)) {
    refuse(pgProblem(connection));
    return ofPostgres(connection, ports);
  }
  const mysql = mysqlConnection(connection);
  if (mysql !== undefined) {
    refuse(mysqlProblem(mysql));
    return ofMysql(mysql, ports);
  }
  const isPool = 'getConnection' in connection || 'totalCount' in connection;
  throw new TypeError(
    isPool
      ? 'a pool cannot take part in a transaction: take a connection from it and enlist that'
      : 'enlist() wants a connected client of pg, or a connection of mysql2, and this is neither',
  );
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) {
    throw new TypeError(problem);
  }
}

function ofPostgres(client: PgClient, { clock, random }: Ports): ApplicationConnection {
  const ask = (text: string) => askPg(client, text, clock);
  return {
    identify: async () => {
      const answer = await ask(
        "select 'postgresql:' || system_identifier || ':' || (select oid from pg_database where datname = current_database()) from pg_control_system()",
      );
      return pgCell(answer, 0);
    },
    openManager: async (url) => {
      // Only the role that prepares a branch may finish it.
      const answer = await ask('select current_user where current_user <> session_user');
      const role = pgCell(answer, 0);
      return openPostgresResourceManager({
        ...(url === undefined ? { connection: pgConfig(client) } : { url }),
        ...(role === undefined ? {} : { role }),
        poolMax: POOL_MAX,
        clock,
        instance: random.base32(12),
      });
    },
    openBranch: (xid, options, tools) =>
      new PostgresApplicationBranch({ connection: client, xid, options, tools, clock }),
  };
}

function ofMysql(connection: MysqlConnection, { clock, random }: Ports): ApplicationConnection {
  let database = '';
  let isMariadb = false;
  const cell = async (text: string): Promise<string | undefined> => {
    const answer = await askMysql(connection, [text], clock);
    const value = answer.kind === 'answered' ? answer.results[0]?.rows[0]?.[0] : undefined;
    return value === undefined || value === null ? undefined : String(value);
  };
  return {
    identify: async () => {
      database = (await cell('SELECT DATABASE()')) ?? '';
      isMariadb = /mariadb/i.test((await cell('SELECT VERSION()')) ?? '');
      const id = isMariadb
        ? await cell("SELECT CONCAT(identity,':',@@GLOBAL.server_id) FROM concordat_identity")
        : await cell('SELECT @@GLOBAL.server_uuid');
      return id === undefined ? undefined : `${isMariadb ? 'mariadb' : 'mysql'}:${id}:${database}`;
    },
    openManager: async (url) => {
      const address = {
        ...(url === undefined ? mysqlAddress(connection) : {}),
        database: await cell('SELECT DATABASE()'),
      };
      return openMysqlResourceManager({
        url: url ?? ({ ...address, database: address.database ?? '' } as ReturnType<typeof mysqlAddress>),
        poolMax: POOL_MAX,
        clock,
        instance: random.base32(12),
      });
    },
    openBranch: (xid, options, tools) =>
      new MysqlApplicationBranch({ connection, xid, options, tools, clock }, { database, isMariadb }),
  };
}
