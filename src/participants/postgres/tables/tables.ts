// The adapter's own tables: evidence rows, and the newest life of each log that this database has served.
import { EPOCH_LEAP_MAX, type LogIdentity, parseLogIdentity } from '../../../xa/xid.ts';
import { EngineError, type KnownLog, type RecordedLife } from '../../resource-manager.ts';
import { query, type RunInControl } from '../session/query.ts';

/** The names of the tables, for findings and for people. */
export const EPOCH_TABLE = 'concordat.epoch';
export const BRANCH_TABLE = 'concordat.branch';
/** A row of each participant, which the others of its resource read: see `showToken`. */
const PARTICIPANT_TABLE = 'concordat.participant';

/** What the participant's role needs of each. */
const TABLE_RIGHTS = {
  [EPOCH_TABLE]: ['select', 'insert', 'update'],
  [BRANCH_TABLE]: ['select', 'insert', 'update', 'delete'],
  [PARTICIPANT_TABLE]: ['select', 'insert', 'update', 'delete'],
} as const;

const CREATE = [
  'create schema if not exists concordat',
  `create table if not exists ${EPOCH_TABLE} (identity text primary key, epoch bigint not null, token text not null default '')`,
  // The key leaves the opening out: while one opening is prepared, or its row is there, another of the same name cannot be prepared.
  // Rows live for seconds and are never changed: what a vacuum has to clean is the whole table, so it comes by number and not by share.
  `create table if not exists ${BRANCH_TABLE} (
  gtrid text collate "C" not null, bqual text collate "C" not null, opening text collate "C" not null,
  primary key (gtrid, bqual)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 5000, autovacuum_vacuum_cost_delay = 0)`,
  `comment on table ${BRANCH_TABLE} is 'Concordat: written within each branch, so a row proves that its branch was committed'`,
  `create table if not exists ${PARTICIPANT_TABLE} (instance text primary key, token text not null, at timestamptz not null)`,
  // Tables of versions before 0.2 have no token.
  `alter table ${EPOCH_TABLE} add column if not exists token text not null default ''`,
] as const;

/** Whether the tables are there with all columns. By names: asking for them by `to_regclass` takes the right to use their schema. */
export const TABLES_COMPLETE = `(select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'concordat' and (c.relname, a.attname) in (('epoch', 'token'), ('participant', 'token'), ('branch', 'opening'))) = 3`;

/** Whether the role may use them. */
export const RIGHTS_COMPLETE = `(${Object.entries(TABLE_RIGHTS)
  .flatMap(([table, rights]) => rights.map((right) => `has_table_privilege('${table}', '${right}')`))
  .join(' and ')})`;

/**
 * What keeps the rows of branches from being what they are taken for, in words; null: nothing. A row that is not written, not shown, or gone
 * after a crash, would be taken for a branch that was not committed.
 */
export const ROWS_UNRELIABLE = `(select case when c.relkind not in ('r', 'p') then 'is not a table'
    when c.relpersistence <> 'p' then 'is unlogged, so that a crash or a failover empties it'
    when exists (select from pg_rewrite w where w.ev_class = c.oid) then 'has rules, which may keep its rows from being written'
    when exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgtype & 2 <> 0 and t.tgenabled <> 'D')
      then 'has a trigger before its rows, which may keep them from being written'
    when row_security_active(c.oid) then 'has row-level security, which may hide its rows from this role' end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'concordat' and c.relname = 'branch')`;

/** What `createTables` executes, for an administrator to run where the participant's role may not; with the grants that it then needs. */
export function printPostgresSql(role = 'concordat'): string {
  const name = `"${role.replaceAll('"', '""')}"`;
  const grants = [
    `grant usage on schema concordat to ${name}`,
    ...Object.entries(TABLE_RIGHTS).map(([table, rights]) => `grant ${rights.join(', ')} on ${table} to ${name}`),
  ];
  return [...CREATE, ...grants].map((line) => `${line};\n`).join('');
}

/** @throws {EngineError} the role may not create them. */
export async function createPostgresTables(control: RunInControl): Promise<void> {
  // Looked for first: CREATE … IF NOT EXISTS needs the right to create even where there is nothing to do.
  const [found] = await query(control, [{ text: `select (${TABLES_COMPLETE})::text` }]);
  if (found?.rows[0]?.[0] === 'true') {
    return;
  }
  // Two lives may start at once, and IF NOT EXISTS is not atomic (23505): the lock makes the second one wait and find the table.
  await query(control, [
    { text: 'begin' },
    { text: `select pg_advisory_xact_lock(hashtext('${EPOCH_TABLE}'))` },
    ...CREATE.map((text) => ({ text })),
    { text: 'commit' },
  ]);
}

/** Durable before it answers, whatever `synchronous_commit` the role has. @throws {EngineError} */
export async function raiseEpoch(
  control: RunInControl,
  identity: LogIdentity,
  epoch: number,
  token: string,
  previous: RecordedLife | undefined,
): Promise<RecordedLife> {
  const results = await epochQuery(control, [
    { text: 'begin' },
    { text: 'set local synchronous_commit = on' },
    {
      // The condition of the update is judged on the row as it is when it is locked: of two lives that come at once one is second.
      text: `insert into ${EPOCH_TABLE} as known (identity, epoch, token)
        select $1, $2::bigint, $3 where exists (select from ${EPOCH_TABLE} where identity = $1)
          or $2::bigint <= ${EPOCH_LEAP_MAX} and coalesce($4::bigint, 0) = 0
        on conflict (identity) do update set epoch = excluded.epoch, token = excluded.token
        where excluded.epoch > known.epoch and excluded.epoch <= known.epoch + ${EPOCH_LEAP_MAX}
          and ($4::bigint is null or (known.epoch = $4::bigint and known.token = $5))`,
      values: [
        identity,
        String(epoch),
        token,
        previous === undefined ? null : String(previous.epoch),
        previous?.token ?? '',
      ],
    },
    { text: `select epoch::text, token from ${EPOCH_TABLE} where identity = $1`, values: [identity] },
    { text: 'commit' },
  ]);
  const [known, itsToken] = results[3]?.rows[0] ?? [];
  return { epoch: Number(known ?? 0), token: itsToken ?? '' };
}

/** @throws {EngineError} */
export async function knownLogs(control: RunInControl): Promise<readonly KnownLog[]> {
  const [result] = await epochQuery(control, [
    { text: `select identity, epoch::text, token from ${EPOCH_TABLE} order by identity` },
  ]);
  return (result?.rows ?? []).flatMap(([text, epoch, token]) => {
    const identity = parseLogIdentity(text ?? '');
    return identity === undefined ? [] : [{ identity, epoch: Number(epoch), token: token ?? '' }];
  });
}

/** @throws {EngineError} with the statements that make the table as it must be, where it is not. */
async function epochQuery(control: RunInControl, steps: Parameters<typeof query>[1]): ReturnType<typeof query> {
  try {
    return await query(control, steps);
  } catch (error) {
    if (error instanceof EngineError && TABLE_STATES.includes(error.reason.sqlstate ?? '')) {
      const message = `${error.reason.message}; run as an administrator: ${printPostgresSql().replaceAll('\n', ' ')}`;
      throw new EngineError(
        { ...error.reason, code: 'PREFLIGHT_FAILED', message },
        { sessionLost: false, cause: error },
      );
    }
    throw error;
  }
}

/** @throws {EngineError} */
export async function showToken(control: RunInControl, instance: string, token: string): Promise<void> {
  await query(control, [
    {
      text: `insert into ${PARTICIPANT_TABLE} (instance, token, at) values ($1, $2, now())
        on conflict (instance) do update set token = excluded.token, at = excluded.at`,
      values: [instance, token],
    },
    { text: `delete from ${PARTICIPANT_TABLE} where at < now() - interval '1 day'` },
  ]);
}

/** @throws {EngineError} */
export async function readToken(control: RunInControl, instance: string): Promise<string | undefined> {
  const text = `select token from ${PARTICIPANT_TABLE} where instance = $1`;
  const [found] = await query(control, [{ text, values: [instance] }]);
  return found?.rows[0]?.[0] ?? undefined;
}

/** No such table, no such column, not allowed. */
const TABLE_STATES = ['42P01', '42703', '42501'];
