// What the process says when it ends: every error of the catalogue has one exit code, and only this file knows which.
import { CATALOGUE, type ErrorCode, EXIT, isErrorCode, type StatusName } from '../../xa/errors.ts';

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes whose gRPC status does not tell enough for a runbook. */
const BY_CODE: Partial<Readonly<Record<ErrorCode, ExitCode>>> = {
  HEURISTIC_OUTCOME: EXIT.heuristic,
  LOG_DAMAGED: EXIT.logDamaged,
  LOG_FOREIGN: EXIT.logDamaged,
  LOG_NEWER: EXIT.logDamaged,
  // An old copy of the log: as dangerous to restart as a damaged one.
  EPOCH_STALE: EXIT.logDamaged,
  LOG_LOCKED: EXIT.logLocked,
  LOG_FAILED: EXIT.logFailed,
};

const BY_STATUS: Readonly<Record<StatusName, ExitCode>> = {
  CANCELLED: EXIT.unavailable,
  UNKNOWN: EXIT.inDoubt,
  INVALID_ARGUMENT: EXIT.usage,
  DEADLINE_EXCEEDED: EXIT.unavailable,
  NOT_FOUND: EXIT.notFound,
  ALREADY_EXISTS: EXIT.conflict,
  PERMISSION_DENIED: EXIT.notAllowed,
  RESOURCE_EXHAUSTED: EXIT.unavailable,
  FAILED_PRECONDITION: EXIT.conflict,
  ABORTED: EXIT.conflict,
  INTERNAL: EXIT.unexpected,
  UNAVAILABLE: EXIT.unavailable,
  DATA_LOSS: EXIT.logDamaged,
};

export function exitOf(code: ErrorCode): ExitCode {
  return BY_CODE[code] ?? BY_STATUS[CATALOGUE[code].status];
}

/** For an alarm of the coordinator: branches in doubt, unless the catalogue knows better. */
export function exitOfAlarm({ code }: { readonly code: string }): ExitCode {
  return isErrorCode(code) ? exitOf(code) : EXIT.inDoubt;
}

/** The table of the main help and of docs/cli.md. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.unexpected, 'unexpected error'],
  [EXIT.usage, 'usage or configuration error'],
  [EXIT.notFound, 'not found'],
  [EXIT.conflict, 'wrong state or conflict'],
  [EXIT.notAllowed, 'not allowed'],
  [EXIT.unavailable, 'unavailable or timed out; a retry is safe'],
  [EXIT.inDoubt, 'outcome unknown, or transactions in doubt for more than 60 s'],
  [EXIT.heuristic, 'heuristic outcome found'],
  [EXIT.logDamaged, 'log damaged, foreign, newer or an old copy; do not restart'],
  [EXIT.confirmationMissing, 'confirmation missing'],
  [EXIT.logLocked, 'another coordinator holds the log'],
  [EXIT.logFailed, 'a forced write failed; a restart reads the truth'],
  [EXIT.interrupted, 'interrupted (Ctrl-C); the message says what was sent'],
];
