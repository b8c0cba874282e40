// Which engine an application's connection belongs to, who that engine is, and how a branch is opened on it.
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Xid } from '../../xa/xid.ts';
import type { ApplicationBranch, BranchTools } from '../lent/application-branch.ts';
import { MysqlApplicationBranch } from '../mysql/lent/branch.ts';
import { mysqlAddress, mysqlCell, mysqlTableCell } from '../mysql/lent/connection.ts';
import {
  lentAnswerProblem,
  lentDriverProblem,
  type MysqlConnection,
  mysqlConnection,
} from '../mysql/protocol/driver.ts';
import { type Engine, engineKind } from '../mysql/protocol/engine.ts';
import { openMysqlResourceManager } from '../mysql/resource-manager.ts';
import { identityText } from '../mysql/session/identity.ts';
import { LentPgBranch } from '../postgres/lent/branch.ts';
import { pgConfig, pgValue } from '../postgres/lent/connection.ts';
import { isPgClient, type PgClient, pgProblem } from '../postgres/protocol/driver-insides.ts';
import { openPostgresResourceManager } from '../postgres/resource-manager.ts';
import { IDENTITY } from '../postgres/session/connect.ts';
import type { BranchOptions, ResourceManager } from '../resource-manager.ts';

/** The application's connection, of whichever driver. */
export interface ApplicationConnection {
  /**
   * What the engine says it is, in the words of the resource manager. Undefined: it does not answer as it should.
   * @throws {TypeError} its driver is none that can take part, and why.
   * @throws {EngineError} the application has a transaction open on it.
   */
  identify(): Promise<string | undefined>;
  /**
   * Why the resource's sidecar could not end what is prepared here, if the application dies; undefined: it can, or none is known.
   * @throws {EngineError} as `identify` does.
   */
  ownerProblem(): Promise<string | undefined>;
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

/** By this the sessions of embedded participants are told from a sidecar's. */
const EMBEDDED = 'app-';

/** Whose the sidecars' sessions are, if none of them may finish what this session's role prepares. Names are visible to every role. */
const PG_OTHER_ROLES = `select string_agg(distinct a.usename, ', ')
  from pg_catalog.pg_stat_activity a join pg_catalog.pg_roles r on r.oid = a.usesysid
  where a.datname = current_database() and a.application_name like 'concordat %'
    and a.application_name not like 'concordat ${EMBEDDED}%'
  having bool_and(a.usename <> session_user and not r.rolsuper)`;

/** The same of accounts: a sidecar has to end the session that MariaDB binds a prepared branch to. */
const MYSQL_OTHER_ACCOUNTS = `SELECT IF(SUM(account=CURRENT_USER())=0 AND SUM(account='')=0,MIN(account),NULL)
  FROM concordat_participant WHERE account IS NOT NULL`;

function cannotFinish(other: string | undefined, how: string): string | undefined {
  return other === undefined
    ? undefined
    : `its sidecar works as ${other}, and could not end what this connection prepares if the application died. Next: run the sidecar ${how}`;
}

/** @throws {TypeError} it is none that can take part, and why. */
export function recognise(connection: object, ports: Ports): ApplicationConnection {
  if (isPgClient(connection)) {
    refuse(pgProblem(connection));
    return ofPostgres(connection, ports);
  }
  const mysql = mysqlConnection(connection);
  if (mysql !== undefined) {
    refuse(lentDriverProblem(mysql));
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
  const ask = (text: string) => pgValue(client, text, clock);
  return {
    identify: () => ask(`select ${IDENTITY}`),
    ownerProblem: async () =>
      cannotFinish(await ask(PG_OTHER_ROLES), 'as the role of the connection, or as a superuser'),
    openManager: async (url) =>
      // Only the role that prepares a branch may finish it: the one that logged in, whatever role works meanwhile.
      openPostgresResourceManager({
        ...(url === undefined ? { connection: pgConfig(client) } : { url }),
        poolMax: POOL_MAX,
        clock,
        instance: `${EMBEDDED}${random.base32(12)}`,
      }),
    openBranch: (xid, options, tools) => new LentPgBranch({ connection: client, xid, options, tools, clock }),
  };
}

function ofMysql(connection: MysqlConnection, { clock, random }: Ports): ApplicationConnection {
  const cell = (text: string) => mysqlCell(connection, text, clock);
  const tableCell = (text: string) => mysqlTableCell(connection, text, { clock, random });
  let engine: Engine = { kind: 'mysql', version: '', database: '' };
  return {
    identify: async () => {
      const [version, database] = [await cell('SELECT VERSION()'), await cell('SELECT DATABASE()')];
      if (version === undefined || database === undefined) {
        return undefined;
      }
      refuse(await lentAnswerProblem(connection));
      engine = { kind: engineKind(version), version, database };
      return await tableCell(identityText(engine.kind));
    },
    ownerProblem: async () =>
      cannotFinish(
        await tableCell(MYSQL_OTHER_ACCOUNTS),
        'with the account of the connection, or grant its own CONNECTION ADMIN',
      ),
    openManager: async (url) =>
      openMysqlResourceManager({
        url: url ?? { ...mysqlAddress(connection), database: (await cell('SELECT DATABASE()')) ?? '' },
        poolMax: POOL_MAX,
        clock,
        instance: `${EMBEDDED}${random.base32(12)}`,
        embedded: true,
      }),
    openBranch: (xid, options, tools) => new MysqlApplicationBranch({ connection, xid, options, tools, clock }, engine),
  };
}
