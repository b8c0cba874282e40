// PostgreSQL's errors in our words: which code of the catalogue, and whether the same work may succeed another time.
import { REASON_CHARS_MAX } from '../../../xa/limits.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { EngineError } from '../../resource-manager.ts';
import type { PgError } from './batch.ts';

/** Serialization failure, deadlock, lock timeout, prepared slots or connections exhausted: another time it may work. */
const RETRYABLE = new Set(['40001', '40P01', '55P03', '53200', '53300', '53400', '25P03', '25P04']);
/** The session ended: shutdown, crash, start-up, idle limits. Almost every code of class 08 belongs to them, too. */
const SESSION_ENDED = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '25P03', '25P04']);

/** Stands for the engine's answer to a statement that took from the session what others find it by, or how its texts are read. */
export const DISGUISED: PgError = {
  message:
    'a statement or a function of the branch changed application_name, by which an unfinished branch is found and ended, or ' +
    'client_encoding, in which its texts are read. Next: leave both as they are',
  ...{ code: '55000', hint: undefined, routine: undefined, severity: 'ERROR' },
};

/** PostgreSQL has committed, and somebody cut off its wait for the synchronous standby: after a failover it may be gone. */
export const UNREPLICATED: Reason = {
  code: 'ENGINE_UNAVAILABLE',
  message: 'the wait for the synchronous standby was cut off; look at pg_stat_replication',
  retryable: true,
};

export function isPgError(error: unknown): error is PgError & { readonly code: string } {
  return error instanceof Error && /^[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code));
}

/** Why a statement was refused. The hint is kept (it names settings), the detail is not (it names values). */
export function statementReason(error: PgError): Reason {
  const sqlstate = error.code ?? '';
  const ended = SESSION_ENDED.has(sqlstate) || (sqlstate.startsWith('08') && !isOfStatement(error));
  // The engine's own answer to several statements in one: the same SQLSTATE as any syntax error, told apart by its origin.
  const refused = error === DISGUISED || (sqlstate === '42601' && error.routine === 'exec_parse_message');
  return {
    code: ended ? 'ENGINE_UNAVAILABLE' : refused ? 'STATEMENT_REFUSED' : 'STATEMENT_FAILED',
    message: words(error),
    sqlstate,
    // A table was altered between two uses of a plan that the session keeps; the next use makes a new one.
    retryable: ended || RETRYABLE.has(sqlstate) || error.message === 'cached plan must not change result type',
  };
}

/** The wrong number of parameters has a code of class 08 (08P01), and the session goes on. */
function isOfStatement({ code, severity }: PgError): boolean {
  return code === '08P01' && severity === 'ERROR';
}

/** Why a session ended by itself. */
export function lostReason(error: unknown): Reason {
  if (error instanceof EngineError) {
    return error.reason;
  }
  return unavailable(isPgError(error) ? error : undefined, error);
}

/** Why a connection could not be made. A wrong password or role does not fix itself. */
export function connectReason(error: unknown): Reason {
  const known = isPgError(error) ? error : undefined;
  const permanent = known !== undefined && /^(28|3D|42|22)/.test(known.code);
  return { ...unavailable(known, error), retryable: !permanent };
}

function unavailable(known: (PgError & { readonly code: string }) | undefined, error: unknown): Reason {
  return {
    code: 'ENGINE_UNAVAILABLE',
    message: known === undefined ? plain(error) : words(known),
    ...(known === undefined ? {} : { sqlstate: known.code }),
    retryable: true,
  };
}

function words(error: PgError): string {
  return clip(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
}

function plain(error: unknown): string {
  if (error instanceof AggregateError) {
    return clip(error.errors.map(String).join('; '));
  }
  return clip(error instanceof Error ? error.message : String(error));
}

function clip(text: string): string {
  return text.length <= REASON_CHARS_MAX ? text : `${text.slice(0, REASON_CHARS_MAX - 1)}…`;
}
