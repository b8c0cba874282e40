// What a session is when a branch gets it, and how it becomes that again behind the branch, whatever the branch's functions did (P7).
import type { BatchStep, StepResult } from '../protocol/batch.ts';

export interface SessionState {
  /** The role that works: `none` where it is the one that logged in. */
  readonly role: string;
  /** Of texts, before the branch began. */
  readonly encoding: string;
  /** Settings of ours that `RESET ALL` would take away, for they were not there at the start; undefined: it brings them back. */
  readonly settings: Readonly<Record<string, string>> | undefined;
}

/**
 * The formats that the value decoder reads, whatever the role's defaults are; UTC, in which a Date of the client is written; no limit on
 * idle pooled sessions; and warnings are heard, for one of them is all that tells that a wait for the synchronous standby was cut off (P17).
 */
export const FORMATS: Readonly<Record<string, string>> = {
  client_min_messages: 'warning',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  TimeZone: 'UTC',
  idle_session_timeout: '0',
};

/**
 * Of sessions that finish and prove, whatever the role's defaults are: the server's own catalogue is asked and no object of that name in another
 * schema, a row that a policy hides is an error and not absent, and what they read is no part of an application's serializable transactions.
 */
export const CONTROL_SETTINGS: Readonly<Record<string, string>> = {
  search_path: 'pg_catalog,pg_temp',
  row_security: 'off',
  default_transaction_isolation: 'read committed',
};

/** Settings as the server takes them when a session starts: they are then what RESET goes back to. */
export function startupOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`)
    .join(' ');
}

/** `set_config` for each, as columns of a SELECT, with the values from parameter `first` on. */
export function setConfigColumns(settings: Readonly<Record<string, string>>, first: number): readonly string[] {
  return Object.keys(settings).map((name, index) => `pg_catalog.set_config('${name}', $${first + index}, false)`);
}

/**
 * To be executed within the branch, ahead of what prepares or commits it: the role that owns it is ours again, for the evidence and for
 * who may finish it, and no limit that the application set for its own statements ends it. First the deferred triggers, which are the
 * application's: they run as its own role and with its settings, as at a COMMIT. Null is what the session started with: for whose it
 * is, and for what a commit waits, which an application may change for commits that are not part of a whole.
 * @param tag the name that the session must still carry: the step at `RESTORE_CHECKS_AT` divides by zero if it does not, or if texts
 * are in another encoding than before.
 */
export function restoreSteps({ role, encoding }: SessionState, tag: string): readonly BatchStep[] {
  return [
    { text: 'set local statement_timeout = 0', values: [] },
    { text: 'set constraints all immediate', values: [] },
    {
      text: `select pg_catalog.set_config('session_authorization', null, true), pg_catalog.set_config('role', $1, true),
        pg_catalog.set_config('synchronous_commit', null, true), pg_catalog.set_config('client_min_messages', 'warning', true),
        pg_catalog.set_config('search_path', 'pg_catalog,pg_temp', true), 1 operator(pg_catalog./) case
          when pg_catalog.current_setting('application_name') operator(pg_catalog.<>) $2::pg_catalog.text then 0
          when pg_catalog.current_setting('client_encoding') operator(pg_catalog.<>) $3::pg_catalog.text then 0 else 1 end`,
      values: [role, tag, encoding],
    },
  ];
}

export const RESTORE_CHECKS_AT = 2;

/** How a branch ended: `prepared` also if PREPARE TRANSACTION was answered with a rollback. */
export type BranchEnd = 'prepared' | 'rolled-back' | 'committed';

/**
 * To be executed behind the end of a branch, outside of any transaction. What `DISCARD ALL` does, but for the statements and plans that
 * the adapter keeps in the session: whether there are others is asked, and `isClean` reads the answer. Cursors WITH HOLD, LISTEN and
 * temporary tables are left by a commit alone: a rollback takes them back, and PREPARE TRANSACTION refuses a transaction that had any.
 */
export function cleanSteps(state: SessionState, end: BranchEnd): readonly BatchStep[] {
  let known = cleaning.get(state);
  if (known === undefined) {
    const always = [...['discard sequences', 'reset all'].map(utility), lastStep(state)];
    const committed = [...['close all', 'unlisten *', 'discard temp'].map(utility), ...always];
    known = { always, committed };
    cleaning.set(state, known);
  }
  return end === 'committed' ? known.committed : known.always;
}

/** The steps are made once for each session. */
const cleaning = new WeakMap<SessionState, Readonly<Record<'always' | 'committed', readonly BatchStep[]>>>();

function utility(text: string): BatchStep {
  return { text, values: [] };
}

function lastStep({ role, settings = {} }: SessionState): BatchStep {
  const columns = [
    `pg_catalog.set_config('session_authorization', null, false)`,
    `pg_catalog.set_config('role', $1, false)`,
    'pg_catalog.pg_advisory_unlock_all()',
    ...setConfigColumns(settings, 2),
  ];
  return {
    text: `select exists (select from pg_catalog.pg_prepared_statement() where from_sql), ${columns.join(', ')}`,
    values: [role, ...Object.values(settings)],
  };
}

/** Nothing of the branch is left. By the answers to `steps`, which are those of `cleanSteps`. */
export function isClean(steps: readonly BatchStep[], results: readonly StepResult[]): boolean {
  return results.length === steps.length && results.at(-1)?.rows[0]?.[0] === 'f';
}
