// The server's error numbers, as the reasons that the rest of Concordat understands.
import type { Reason } from '../../../xa/vocabulary.ts';
import { EngineError } from '../../resource-manager.ts';
import type { ServerError } from './packets.ts';

/** Numbers that the adapter acts on. */
export const ERRNO = {
  lockWaitTimeout: 1205,
  deadlock: 1213,
  unsupportedPrepared: 1295,
  syntax: 1064,
  columnNull: 1048,
  duplicateColumn: 1060,
  noSuchThread: 1094,
  killDenied: 1095,
  noSuchTable: 1146,
  unknownSystemVariable: 1193,
  /** XAER_NOTA: this session cannot finish the branch. It says nothing about how the branch ended, or whether it did. */
  xaNotA: 1397,
  xaRmFail: 1399,
  /** A transaction that is none of ours is open. */
  xaOutside: 1400,
  /** SET TRANSACTION within a transaction. */
  transactionInProgress: 1568,
  xaRmErr: 1401,
  xaRbRollback: 1402,
  xaDupId: 1440,
  /** What `ownText` fails with when a lock is taken. */
  outOfRange: 1690,
  xaRbTimeout: 1613,
  xaRbDeadlock: 1614,
  noWait: 3572,
} as const;

/** The engine has rolled the branch back by itself. */
export const ROLLED_BACK_ERRNOS: readonly number[] = [ERRNO.xaRbRollback, ERRNO.xaRbTimeout, ERRNO.xaRbDeadlock];

/** The same work, as a new transaction, may succeed. */
const RETRYABLE: ReadonlySet<number> = new Set([
  1020, // the row changed since the snapshot (MariaDB with innodb_snapshot_isolation)
  1040, // too many connections
  1205,
  1213,
  1317, // interrupted: KILL QUERY
  1461, // too many prepared statements
  1613,
  1614,
  1637, // too many active transactions
  1969, // MariaDB: max_statement_time
  3024, // MySQL: max_execution_time
  3572,
]);

/**
 * With these the server rolls back everything that the transaction did, savepoints and all, or may (a lock that was waited for too long,
 * with innodb_rollback_on_timeout): there is nothing to go back to.
 */
const WHOLE: ReadonlySet<number> = new Set([
  1020, // the row changed since the snapshot
  1180, // an error during COMMIT
  1181, // an error during ROLLBACK
  1205,
  1206, // the table of locks is full
  1213,
  ...ROLLED_BACK_ERRNOS,
]);

/** The statement alone was undone: a savepoint that was set before it is there, and what was done since can be undone with it. */
export function isOfStatement({ reason, sessionLost, damage }: EngineError): boolean {
  const { code, errno } = reason;
  const isRefused =
    code === 'FIELD_INVALID' || (code === 'STATEMENT_FAILED' && errno !== undefined && !WHOLE.has(errno));
  return isRefused && !sessionLost && damage === undefined;
}

/** Sent just before the server closes the connection. */
const SESSION_ENDS: ReadonlySet<number> = new Set([
  1053, // shutdown
  1152, // aborted connection
  1927, // MariaDB: connection was killed
  3169, // MySQL: session was killed
  4031, // MySQL: idle for wait_timeout
]);

/** The server refused a statement or a call. */
export function refusedReason(error: ServerError, code: Reason['code'] = 'STATEMENT_FAILED'): Reason {
  return {
    code: SESSION_ENDS.has(error.errno) ? 'ENGINE_UNAVAILABLE' : code,
    message: error.message,
    sqlstate: error.sqlstate,
    errno: error.errno,
    retryable: RETRYABLE.has(error.errno) || SESSION_ENDS.has(error.errno),
  };
}

export function refusedError(error: ServerError, code?: Reason['code']): EngineError {
  return new EngineError(refusedReason(error, code), { sessionLost: SESSION_ENDS.has(error.errno) });
}

/** The connection is gone, or was never made. */
export function lostReason(error: Error | undefined): Reason {
  const known = error as (Error & { readonly errno?: unknown; readonly sqlState?: unknown }) | undefined;
  const message = known?.message || 'the connection to the database ended';
  return {
    code: 'ENGINE_UNAVAILABLE',
    message,
    retryable: true,
    ...(typeof known?.sqlState === 'string' ? { sqlstate: known.sqlState } : {}),
    ...(typeof known?.errno === 'number' && known.errno > 0 ? { errno: known.errno } : {}),
  };
}

/** The reason behind anything that was thrown by this adapter. */
export function thrownReason(error: unknown): Reason {
  return error instanceof EngineError ? error.reason : lostReason(error instanceof Error ? error : undefined);
}
