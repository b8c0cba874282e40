// One statement of a branch on its way to the server and back: what goes with it in the same write, and what the answers mean.
import { assert } from '../../../lib/assert.ts';
import { PARAMETERS_MAX } from '../../../xa/limits.ts';
import { EngineError, type Statement, type StatementResult } from '../../resource-manager.ts';
import { ERRNO, refusedError, refusedReason } from '../protocol/errors.ts';
import type { CommandRequest, ResultList } from '../protocol/exchange.ts';
import { executeFrame, ParameterError, queryFrame } from '../protocol/frames.ts';
import type { ServerError } from '../protocol/packets.ts';
import { typeName } from '../protocol/types.ts';
import { isMisread } from '../protocol/values.ts';
import type { Session } from '../session/session.ts';
import { hasSeveralStatements } from '../sql/guard.ts';

/**
 * Makes a statement ready to be sent: prepared, so that the server itself takes one statement and no value is ever pasted into
 * it. Only a kind of statement that the server does not prepare goes as text.
 * @throws {EngineError} the server, or this function, refuses the statement; nothing was executed.
 */
export async function prepareWork(session: Session, statement: Statement): Promise<CommandRequest> {
  const preparation = await session.statements.prepare(statement.sql);
  if (preparation.kind === 'prepared') {
    const { id, parameters } = preparation.statement;
    if (parameters !== statement.parameters.length || parameters > PARAMETERS_MAX) {
      const got = statement.parameters.length;
      throw refusal(
        'FIELD_INVALID',
        `the statement takes ${parameters} parameters (at most ${PARAMETERS_MAX}) and got ${got}`,
      );
    }
    return { frame: encode(id, statement), answer: 'binary-values' };
  }
  const { error } = preparation;
  if (error.errno === ERRNO.unsupportedPrepared && statement.parameters.length === 0) {
    // The server has parsed it as one statement; it only does not execute this kind in the other protocol.
    return { frame: queryFrame(statement.sql), answer: 'text-values' };
  }
  if (error.errno === ERRNO.syntax && hasSeveralStatements(statement.sql)) {
    throw refusal('STATEMENT_REFUSED', 'the text holds more than one statement');
  }
  throw refusedError(error);
}

function encode(id: number, statement: Statement): Buffer {
  try {
    return executeFrame(id, statement.parameters);
  } catch (error) {
    if (error instanceof ParameterError) {
      throw refusal('FIELD_INVALID', error.message);
    }
    throw error;
  }
}

export function refusal(code: 'FIELD_INVALID' | 'STATEMENT_REFUSED' | 'BRANCH_STATE', message: string): EngineError {
  return new EngineError({ code, message, retryable: false }, { sessionLost: false });
}

const MISREAD =
  'a routine of the branch changed character_set_results (or SET NAMES), in which texts come back: they would be read as other texts. ' +
  'Next: leave it utf8mb4';

/** What a statement's answer says besides its rows. */
interface StatementOutcome {
  readonly result: StatementResult;
  /** It certainly wrote. False says nothing: a function or a trigger may have. */
  readonly wrote: boolean;
}

/** @throws {EngineError} the statement failed, or took the branch down with it. */
export function readOutcome(answer: ResultList, isWrite: boolean): StatementOutcome {
  const last = answer.at(-1);
  assert(last !== undefined, 'every statement has a result');
  if (last.kind === 'error') {
    throw refusedError(last.error);
  }
  const values = answer.find((result) => result.kind === 'values');
  if (values?.columns.some(isMisread)) {
    throw refusal('STATEMENT_REFUSED', MISREAD);
  }
  const ok = answer.findLast((result) => result.kind === 'ok');
  const affected = ok?.affectedRows ?? 0;
  const rows = values?.rows ?? [];
  return {
    result: {
      columns: (values?.columns ?? []).map(({ name, type }) => ({ name, type: typeName(type) })),
      rows,
      rowCount: values === undefined ? affected : rows.length,
      insertId: ok?.insertId ?? 0n,
    },
    // INSERT … RETURNING answers with rows instead of a number.
    wrote: affected > 0 || (isWrite && rows.length > 0),
  };
}

/** Why the end of a branch was refused, or what comes before it: a text that wants the branch's locks stops without them. */
export function endRefused(error: ServerError): EngineError {
  return error.errno === ERRNO.columnNull || error.errno === ERRNO.outOfRange
    ? refusal('STATEMENT_REFUSED', LOCK_RELEASED)
    : refusedError(error);
}

const LOCK_RELEASED =
  'a statement of the branch released the lock by which others know that it lives (RELEASE_ALL_LOCKS, or a RELEASE_LOCK of its name): ' +
  'it was rolled back. Next: release locks of your own by their names';

/** The lock of its name is taken: the branch was opened before, and its session lives. */
const TAKEN = 'another session works in this branch, or has prepared it';

/** Why XA START was refused, or what comes before it. */
export function startRefused(error: ServerError): EngineError {
  const isTaken = error.errno === ERRNO.xaDupId || error.errno === ERRNO.outOfRange;
  const reason = refusedReason(error, isTaken ? 'BRANCH_EXISTS' : 'STATEMENT_FAILED');
  return new EngineError(isTaken ? { ...reason, message: TAKEN } : reason, { sessionLost: true });
}
