// The adapter's own table: the highest epoch of each log that this database has served (it refuses older copies of the log).
import type { LogIdentity } from '../../xa/xid.ts';
import { EngineError } from '../resource-manager.ts';
import { query } from './catalogue.ts';
import type { Control } from './finish.ts';

/** The name of the table, for findings and for people. */
export const EPOCH_TABLE = 'concordat.epoch';
/** A row of each participant, which the others of its resource read: see `showToken`. */
export const PARTICIPANT_TABLE = 'concordat.participant';

const CREATE = [
  'create schema if not exists concordat',
  `create table if not exists ${EPOCH_TABLE} (identity text primary key, epoch bigint not null)`,
  `create table if not exists ${PARTICIPANT_TABLE} (instance text primary key, token text not null, at timestamptz not null)`,
] as const;

/** What `createTables` executes, for an administrator to run where the participant's role may not; with the grants that it then needs. */
export function printPostgresSql(role = 'concordat'): string {
  const name = `"${role.replaceAll('"', '""')}"`;
  const grants = [
    `grant usage on schema concordat to ${name}`,
    `grant select, insert, update on ${EPOCH_TABLE} to ${name}`,
    `grant select, insert, update, delete on ${PARTICIPANT_TABLE} to ${name}`,
  ];
  return [...CREATE, ...grants].map((line) => `${line};\n`).join('');
}

/** @throws {EngineError} the role may not create it. */
export async function createPostgresTables(control: Control): Promise<void> {
  // Looked for first: CREATE … IF NOT EXISTS needs the right to create even where there is nothing to do.
  const names = `to_regclass('${EPOCH_TABLE}')::text, to_regclass('${PARTICIPANT_TABLE}')::text`;
  const [found] = await query(control, [{ text: `select ${names}` }]);
  if (found?.rows[0]?.every((name) => name !== null)) {
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
export async function raiseEpoch(control: Control, identity: LogIdentity, epoch: number): Promise<number> {
  let results: Awaited<ReturnType<typeof query>>;
  try {
    results = await query(control, [
      { text: 'begin' },
      { text: 'set local synchronous_commit = on' },
      {
        text: `insert into ${EPOCH_TABLE} as known (identity, epoch) values ($1, $2::bigint)
          on conflict (identity) do update set epoch = greatest(known.epoch, excluded.epoch) returning epoch::text`,
        values: [identity, String(epoch)],
      },
      { text: 'commit' },
    ]);
  } catch (error) {
    if (error instanceof EngineError && (error.reason.sqlstate === '42P01' || error.reason.sqlstate === '42501')) {
      const message = `${error.reason.message}; run as an administrator: ${printPostgresSql().replaceAll('\n', ' ')}`;
      throw new EngineError(
        { ...error.reason, code: 'PREFLIGHT_FAILED', message },
        { sessionLost: false, cause: error },
      );
    }
    throw error;
  }
  return Number(results[2]?.rows[0]?.[0]);
}

/** @throws {EngineError} */
export async function showToken(control: Control, instance: string, token: string): Promise<void> {
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
export async function readToken(control: Control, instance: string): Promise<string | undefined> {
  const text = `select token from ${PARTICIPANT_TABLE} where instance = $1`;
  const [found] = await query(control, [{ text, values: [instance] }]);
  return found?.rows[0]?.[0] ?? undefined;
}
