// The adapter's own table: the highest epoch of each log that this database has served (it refuses older copies of the log).
import type { LogIdentity } from '../../xa/xid.ts';
import { EngineError } from '../resource-manager.ts';
import { query } from './catalogue.ts';
import type { Control } from './finish.ts';

/** The name of the table, for findings and for people. */
export const EPOCH_TABLE = 'concordat.epoch';

const CREATE = [
  'create schema if not exists concordat',
  `create table if not exists ${EPOCH_TABLE} (identity text primary key, epoch bigint not null)`,
] as const;

/** What `createTables` executes, for an administrator to run where the participant's role may not; with the grants that it then needs. */
export function printPostgresSql(role = 'concordat'): string {
  const name = `"${role.replaceAll('"', '""')}"`;
  const grants = [
    `grant usage on schema concordat to ${name}`,
    `grant select, insert, update on ${EPOCH_TABLE} to ${name}`,
  ];
  return [...CREATE, ...grants].map((line) => `${line};\n`).join('');
}

/** @throws {EngineError} the role may not create it. */
export async function createPostgresTables(control: Control): Promise<void> {
  // Looked for first: CREATE … IF NOT EXISTS needs the right to create even where there is nothing to do.
  const [found] = await query(control, [{ text: `select to_regclass('${EPOCH_TABLE}')::text` }]);
  if (found?.rows[0]?.[0] != null) {
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
