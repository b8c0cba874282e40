// What would break later, found at registration: each finding with its reason and the command that fixes it.
import type { PreflightFinding } from '../resource-manager.ts';
import type { Pooler } from './pooler.ts';
import { query, type RunInControl } from './session/query.ts';
import { parseGid } from './sql/gid.ts';
import {
  BRANCH_TABLE,
  EPOCH_TABLE,
  printPostgresSql,
  RIGHTS_COMPLETE,
  ROWS_UNRELIABLE,
  TABLES_COMPLETE,
} from './tables/tables.ts';

/** `pg_terminate_backend` with a wait, which fencing needs, came with 14. */
const VERSION_FLOOR = 140_000;

interface PreflightSubject {
  readonly poolMax: number;
  readonly controlSessions: number;
  readonly pooler: Pooler;
}

const EPOCH_TABLE_STATES = ['usable', 'forbidden', 'creatable', 'missing', 'outdated'] as const;

interface Facts {
  readonly setting: (name: string) => string;
  readonly inRecovery: boolean;
  readonly slotsUsed: number;
  readonly role: string;
  readonly superuser: boolean;
  readonly epochTable: (typeof EPOCH_TABLE_STATES)[number];
  /** See `ROWS_UNRELIABLE`. */
  readonly unreliable: string | undefined;
  /** Owners of prepared branches in our grammar that this role cannot finish, with their number. */
  readonly strangers: ReadonlyMap<string, number>;
}

const SETTINGS = [
  'server_version_num',
  'server_version',
  'max_prepared_transactions',
  'max_connections',
  'superuser_reserved_connections',
  'synchronous_commit',
  'fsync',
  'full_page_writes',
  'default_transaction_read_only',
];

/** @throws {EngineError} */
export async function preflight(
  control: RunInControl,
  subject: PreflightSubject,
): Promise<readonly PreflightFinding[]> {
  const facts = await askFacts(control);
  return [...serverFindings(facts, subject), ...capacityFindings(facts, subject), ...roleFindings(facts)];
}

function serverFindings(facts: Facts, subject: PreflightSubject): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const version = Number(facts.setting('server_version_num'));
  if (version < VERSION_FLOOR) {
    findings.push({
      fatal: true,
      check: 'version',
      message: `PostgreSQL ${facts.setting('server_version')} is older than 14, the first that can end a session and wait until it is gone`,
      fix: 'upgrade the server to PostgreSQL 14 or later',
    });
  }
  if (facts.inRecovery) {
    findings.push({
      fatal: true,
      check: 'primary',
      message: 'the server is a standby: it can neither prepare nor finish branches',
      fix: 'point the participant at the primary',
    });
  }
  if (facts.setting('fsync') !== 'on' || facts.setting('full_page_writes') !== 'on') {
    findings.push({
      fatal: false,
      check: 'fsync',
      message:
        'fsync or full_page_writes is off: a crash of the machine may lose branches that voted prepared, and commits with them',
      fix: 'alter system set fsync = on; alter system set full_page_writes = on; select pg_reload_conf();',
    });
  }
  if (facts.setting('synchronous_commit') === 'off') {
    findings.push({
      fatal: false,
      check: 'synchronous_commit',
      message:
        'synchronous_commit is off: a crash may lose one-phase commits that were acknowledged (prepared branches are not affected)',
      fix: `alter role ${quoted(facts.role)} set synchronous_commit = on;`,
    });
  }
  if (facts.setting('default_transaction_read_only') === 'on') {
    findings.push({
      fatal: true,
      check: 'read-only',
      message: `every transaction of the role ${facts.role} is read-only (default_transaction_read_only): it can neither prepare nor finish branches`,
      fix: `alter role ${quoted(facts.role)} set default_transaction_read_only = off;`,
    });
  }
  const needed = subject.poolMax + subject.controlSessions;
  if (subject.pooler === 'transaction') {
    findings.push({
      fatal: true,
      check: 'pooler',
      message:
        'a connection pooler that shares server sessions by transaction or statement stands in between: a branch and its prepare would meet different sessions, and settings of one client would reach another',
      fix: `set pool_mode = session for this database in pgbouncer.ini, with a pool_size of at least ${needed}; or connect to the server directly`,
    });
  } else if (subject.pooler === 'session') {
    findings.push({
      fatal: false,
      check: 'pooler',
      message: `a connection pooler in session mode stands in between: it must have a server connection for each of the ${needed} that the participant may need`,
      fix: `set pool_size to at least ${needed} for this database in pgbouncer.ini; or connect to the server directly`,
    });
  }
  return findings;
}

function capacityFindings(facts: Facts, subject: PreflightSubject): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const slots = Number(facts.setting('max_prepared_transactions'));
  const wanted = Math.max(subject.poolMax, Number(facts.setting('max_connections')));
  const fix = `alter system set max_prepared_transactions = ${wanted}; then restart the server: a reload does not change it`;
  if (slots === 0) {
    const message =
      'max_prepared_transactions is 0: PREPARE TRANSACTION is disabled, and no branch could ever be prepared';
    findings.push({ fatal: true, check: 'max_prepared_transactions', message, fix });
    return findings;
  }
  if (slots < subject.poolMax) {
    const message = `max_prepared_transactions is ${slots}, below the ${subject.poolMax} branches that this participant may hold: prepares fail with 53200 when they are used up`;
    findings.push({ fatal: false, check: 'max_prepared_transactions', message, fix });
  }
  if (facts.slotsUsed > slots / 2) {
    const message = `${facts.slotsUsed} of ${slots} prepared-transaction slots of the server are in use`;
    const look = 'select gid, prepared, owner, database from pg_prepared_xacts order by prepared;';
    findings.push({ fatal: false, check: 'prepared-slots', message, fix: look });
  }
  const available = Number(facts.setting('max_connections')) - Number(facts.setting('superuser_reserved_connections'));
  const needed = subject.poolMax + subject.controlSessions;
  if (needed > available) {
    const message = `the participant may need ${needed} connections, and the server gives ${available} to all its clients`;
    const raise = `lower the participant's limit, or: alter system set max_connections = ${needed + 20}; then restart the server`;
    findings.push({ fatal: false, check: 'max_connections', message, fix: raise });
  }
  return findings;
}

function roleFindings(facts: Facts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const sql = printPostgresSql(facts.role).trimEnd().replaceAll('\n', ' ');
  if (facts.epochTable === 'missing') {
    const message = `tables of the schema concordat are missing, and the role ${facts.role} may not create them`;
    findings.push({ fatal: true, check: 'tables', message, fix: sql });
  }
  if (facts.epochTable === 'outdated') {
    const message = `the tables of the schema concordat are of an older version, and the role ${facts.role} may not change them`;
    findings.push({ fatal: true, check: 'tables', message, fix: sql });
  }
  if (facts.epochTable === 'forbidden') {
    const message = `the role ${facts.role} may not read and write the tables of the schema concordat`;
    findings.push({ fatal: true, check: 'tables', message, fix: sql });
  }
  if (facts.unreliable !== undefined) {
    findings.push({
      fatal: true,
      check: 'evidence',
      message: `the table ${BRANCH_TABLE} ${facts.unreliable}: a branch that was committed could be reported as not committed`,
      fix: `make it a table as \`concordat participant --print-sql postgresql\` has it: look at \\d+ ${BRANCH_TABLE}, then alter table ${BRANCH_TABLE} set logged, disable row level security, or drop the trigger or rule`,
    });
  }
  for (const [owner, count] of facts.superuser ? [] : facts.strangers) {
    findings.push({
      fatal: false,
      check: 'owner',
      message: `${count} prepared branches belong to the role ${owner}; ${facts.role} may not finish them (42501)`,
      fix: `run the participant as ${owner}, or finish them by hand as that role`,
    });
  }
  return findings;
}

/** @throws {EngineError} */
async function askFacts(control: RunInControl): Promise<Facts> {
  const [settings, state, prepared] = await query(control, [
    { text: 'select name, setting from pg_settings where name = any($1::text[])', values: [`{${SETTINGS.join(',')}}`] },
    {
      text: `select pg_is_in_recovery()::text, (select count(*) from pg_prepared_xacts)::text, current_user::text,
        (select rolsuper from pg_roles where rolname = current_user)::text,
        case when to_regnamespace('concordat') is null then
          case when has_database_privilege(current_database(), 'create') then 'creatable' else 'missing' end
        when not has_schema_privilege('concordat', 'usage') then 'forbidden'
        when to_regclass('${EPOCH_TABLE}') is null then
          case when has_schema_privilege('concordat', 'create') then 'creatable' else 'missing' end
        when not ${TABLES_COMPLETE} then 'outdated'
        when ${RIGHTS_COMPLETE} then 'usable' else 'forbidden' end, ${ROWS_UNRELIABLE}`,
    },
    {
      text: `select gid, owner::text from pg_prepared_xacts where database = current_database() and owner <> current_user`,
    },
  ]);
  const values = new Map(settings?.rows.map(([name, value]) => [name, value ?? '']));
  const [inRecovery, slotsUsed, role, superuser, epochTable, unreliable] = state?.rows[0] ?? [];
  const strangers = new Map<string, number>();
  for (const [gid, owner] of prepared?.rows ?? []) {
    if (parseGid(gid ?? '') !== undefined) {
      strangers.set(owner ?? '', (strangers.get(owner ?? '') ?? 0) + 1);
    }
  }
  return {
    setting: (name) => values.get(name) ?? '',
    inRecovery: inRecovery === 'true',
    slotsUsed: Number(slotsUsed),
    role: role ?? '',
    superuser: superuser === 'true',
    epochTable: EPOCH_TABLE_STATES.find((state) => state === epochTable) ?? 'missing',
    unreliable: unreliable ?? undefined,
    strangers,
  };
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
