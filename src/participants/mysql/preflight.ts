// Everything at the server that would break later, found when the participant starts: each with its reason and its fix.
import type { PreflightFinding } from '../resource-manager.ts';
import { missingColumns, missingTables } from './finish/bookkeeping.ts';
import type { ControlSessions } from './finish/control.ts';
import { readRecoverRow } from './finish/listing.ts';
import { type Engine, isAtLeast } from './protocol/engine.ts';
import { ERRNO } from './protocol/errors.ts';
import { cellsOf, errorOf } from './protocol/exchange.ts';
import { printSql, tableNames } from './sql/tables.ts';
import { BRANCH_TABLE, recoverText } from './sql/texts.ts';

/** MySQL: the hole between binary log and engine is closed. MariaDB: prepared branches outlive their session; RELEASE_ALL_LOCKS. */
const FLOOR = { mysql: [8, 0, 30], mariadb: [10, 5, 2] } as const;

const VARIABLES = [
  ...['innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'binlog_format', 'read_only', 'super_read_only'],
  ...['default_storage_engine', 'wsrep_on', 'xa_detach_on_prepare', 'replicate_do_db', 'replicate_ignore_db'],
];

interface Server {
  readonly engine: Engine;
  readonly settings: ReadonlyMap<string, string>;
  /** MariaDB: the participant was told to detach prepared branches. */
  readonly detach: boolean;
}

type Check = (server: Server) => PreflightFinding | undefined;

/** @throws {EngineError} the engine cannot be reached. */
export async function preflight(
  control: ControlSessions,
  engine: Engine,
  detach: boolean,
): Promise<readonly PreflightFinding[]> {
  const names = VARIABLES.map((name) => `'${name}'`).join(',');
  const [rows] = await control.rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  const settings = new Map(
    (rows ?? []).map(([name, value]) => [
      (name?.toString('latin1') ?? '').toLowerCase(),
      value?.toString('utf8') ?? '',
    ]),
  );
  const checked = CHECKS.map((check) => check({ engine, settings, detach }));
  const looked = [await checkRecover(control, engine), await checkTables(control, engine), await checkEngines(control)];
  return [...checked, ...looked].filter((finding) => finding !== undefined);
}

function fatal(check: string, message: string, fix: string): PreflightFinding {
  return { fatal: true, check, message, fix };
}

function warning(check: string, message: string, fix: string): PreflightFinding {
  return { fatal: false, check, message, fix };
}

function isOn(value: string | undefined): boolean {
  return value === 'ON' || value === '1';
}

const CHECKS: readonly Check[] = [
  ({ engine }) => {
    const floor = FLOOR[engine.kind];
    return isAtLeast(engine.version, floor)
      ? undefined
      : fatal(
          'version',
          `${engine.version} may lose prepared branches when their session ends, or in a crash`,
          `upgrade ${engine.kind} to ${floor.join('.')} or later`,
        );
  },
  ({ settings }) =>
    isOn(settings.get('wsrep_on'))
      ? fatal('wsrep_on', 'Galera replication does not support XA', 'use a server outside of the Galera cluster')
      : undefined,
  ({ settings }) =>
    isOn(settings.get('read_only')) || isOn(settings.get('super_read_only'))
      ? fatal(
          'read_only',
          'the server takes no writes',
          'point the participant at the primary, or SET GLOBAL read_only=OFF',
        )
      : undefined,
  ({ settings }) =>
    settings.get('innodb_flush_log_at_trx_commit') === '1'
      ? undefined
      : fatal(
          'innodb_flush_log_at_trx_commit',
          'a prepared branch may be lost in a crash after the vote',
          'SET GLOBAL innodb_flush_log_at_trx_commit=1, and in the option file',
        ),
  ({ settings }) =>
    settings.get('default_storage_engine')?.toLowerCase() === 'innodb'
      ? undefined
      : warning(
          'default_storage_engine',
          'tables that are created without an engine take no part in branches',
          'SET GLOBAL default_storage_engine=InnoDB, and in the option file',
        ),
  ({ engine, settings }) =>
    engine.kind === 'mysql' && !isOn(settings.get('xa_detach_on_prepare'))
      ? warning(
          'xa_detach_on_prepare',
          'each prepared branch keeps its session until phase two',
          'SET GLOBAL xa_detach_on_prepare=ON, and in the option file',
        )
      : undefined,
  ({ engine, detach }) =>
    engine.kind === 'mariadb' && detach
      ? warning(
          'detach',
          'branches are detached with pseudo_slave_mode, which is meant for replication',
          'leave the participant’s detach setting off unless connections are short',
        )
      : undefined,
  ({ settings }) =>
    isOn(settings.get('log_bin')) && settings.get('binlog_format')?.toUpperCase() === 'STATEMENT'
      ? fatal(
          'binlog_format',
          'XA is not safe with statement-based replication, and READ COMMITTED is refused there',
          'SET GLOBAL binlog_format=ROW, and in the option file',
        )
      : undefined,
  ({ settings }) =>
    isOn(settings.get('log_bin')) && settings.get('sync_binlog') !== '1'
      ? warning(
          'sync_binlog',
          'after a power loss the binary log may lack prepares and commits that the engine has',
          'SET GLOBAL sync_binlog=1, and in the option file',
        )
      : undefined,
  ({ engine, settings }) =>
    engine.kind === 'mariadb' && isOn(settings.get('log_bin'))
      ? warning(
          'log_bin',
          'replicas of MariaDB apply a branch at its prepare: replication may break, and a dump taken meanwhile cannot seed a replica (MDEV-32020)',
          'watch the replicas, and take backups from them only while no branch is prepared',
        )
      : undefined,
  ({ settings }) =>
    settings.get('replicate_do_db') || settings.get('replicate_ignore_db')
      ? warning('replicate_do_db', 'XA does not work with replication filters', 'replicate the whole server')
      : undefined,
];

/** Listing needs a privilege on MySQL, and what is listed may be somebody's leftover. */
async function checkRecover(control: ControlSessions, engine: Engine): Promise<PreflightFinding | undefined> {
  const answer = await control.run(recoverText(engine.kind));
  const error = errorOf(answer);
  if (error !== undefined) {
    const why = error.errno === ERRNO.xaRmErr ? 'the account may not list prepared branches' : error.message;
    return fatal('XA_RECOVER_ADMIN', why, 'GRANT XA_RECOVER_ADMIN ON *.* TO the account of the participant');
  }
  const foreign = answer.flatMap(cellsOf).map((row) => readRecoverRow(engine.kind, row));
  const strangers = foreign.filter((branch) => branch.xid === undefined);
  return strangers.length === 0
    ? undefined
    : warning(
        'prepared branches',
        `${strangers.length} prepared branches are not Concordat’s; they hold their locks`,
        `if nobody finishes them: XA ROLLBACK ${strangers[0]?.raw}`,
      );
}

async function checkTables(control: ControlSessions, engine: Engine): Promise<PreflightFinding | undefined> {
  const missing = await missingTables(control, engine);
  if (missing.length === 0) {
    const outdated = await missingColumns(control);
    if (outdated.length > 0) {
      const message = 'a table is of an older version, and the account could not change it';
      return fatal('tables', message, outdated.map((statement) => `${statement};`).join(' '));
    }
    const reads = tableNames(engine.kind).map((name) => `DELETE FROM ${name} WHERE 1=0`);
    const error = await control.refusal(reads.join(';'));
    return error === undefined ? undefined : fatal('tables', error.message, printSql(engine.kind));
  }
  // Whether the account may create is known by asking for it: grants can be had in too many ways to read them.
  const error = await control.refusal('CREATE TABLE IF NOT EXISTS concordat_preflight (n INT) ENGINE=InnoDB');
  if (error === undefined) {
    await control.refusal('DROP TABLE concordat_preflight');
    return undefined;
  }
  return fatal('tables', `${missing.join(', ')} do not exist, and ${error.message}`, printSql(engine.kind));
}

async function checkEngines(control: ControlSessions): Promise<PreflightFinding | undefined> {
  const [rows] = await control.rows(
    "SELECT TABLE_NAME,ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE='BASE TABLE' AND ENGINE<>'InnoDB' " +
      `ORDER BY TABLE_NAME<>'${BRANCH_TABLE}' LIMIT 5`,
  );
  const names = (rows ?? []).map((row) => row.map((cell) => cell?.toString('utf8')).join(' is '));
  const ours = names.find((name) => name.startsWith(`${BRANCH_TABLE} `));
  if (ours !== undefined) {
    return fatal(
      'evidence',
      `${ours}: its rows stay when their branch is rolled back, and prove nothing`,
      `ALTER TABLE ${BRANCH_TABLE} ENGINE=InnoDB`,
    );
  }
  return names.length === 0
    ? undefined
    : warning(
        'storage engine',
        `writes to these tables cannot be rolled back: ${names.join(', ')}`,
        'ALTER TABLE … ENGINE=InnoDB',
      );
}
