// One statement of a branch as the runtime takes it, and how it is read from the wire.

import type { ExecuteRequest__Output } from '../../../gen/concordat/v1/ExecuteRequest.ts';
import { fromWireIsolation } from '../../../wire/isolation.ts';
import { CoordinatorError } from '../../../xa/errors.ts';
import { PARAMETERS_MAX, TRANSACTION_TIMEOUT_DEFAULT_MS, TRANSACTION_TIMEOUT_MAX_MS } from '../../../xa/limits.ts';
import type { Isolation, Vote } from '../../../xa/vocabulary.ts';
import { parseBqual, parseGtrid, type Xid } from '../../../xa/xid.ts';
import type { Statement, StatementResult } from '../../resource-manager.ts';
import { toSqlValue } from '../../values.ts';

export interface StatementCall {
  readonly xid: Xid;
  readonly statement: Statement;
  /** From 1; the first opens the branch, and the next five fields are read with it only. */
  readonly number: number;
  readonly isolation: Isolation;
  readonly readOnly: boolean;
  /** Milliseconds from the first statement after which an unprepared branch is abandoned; 0: the default. */
  readonly timeoutMs: number;
  /** The client names the branch to the coordinator itself. */
  readonly named: boolean;
  /** The client waits for no answer before it asks for the commit: only the statement marked last may prepare the branch. */
  readonly oneShot: boolean;
  /** Execute, prepare and vote unasked. */
  readonly last: boolean;
}

export interface StatementAnswer {
  readonly result: StatementResult;
  /** Of the last statement. */
  readonly vote: Vote | undefined;
}

/** One statement's text: no statement of a service comes near it, and what does belongs into parameters. */
export const SQL_BYTES_MAX = 1024 * 1024;

/** @throws {CoordinatorError} `FIELD_INVALID`, naming the field. */
export function decodeStatementCall(request: ExecuteRequest__Output): StatementCall {
  const { sql, parameters, statement } = request;
  if (sql.trim() === '') {
    throw invalid('sql is empty');
  }
  if (Buffer.byteLength(sql) > SQL_BYTES_MAX) {
    throw invalid(`sql has more than ${SQL_BYTES_MAX} bytes`);
  }
  if (parameters.length > PARAMETERS_MAX) {
    throw invalid(`parameters has ${parameters.length} values, more than ${PARAMETERS_MAX}`);
  }
  if (statement < 1) {
    throw invalid('statement is missing: number the statements of a branch from 1');
  }
  return {
    xid: decodeXid(request),
    statement: { sql, parameters: parameters.map((value, index) => toSqlValue(value, `parameters[${index}]`)) },
    number: statement,
    isolation: isolationOf(request.isolation),
    readOnly: request.readOnly,
    timeoutMs: request.timeoutMs,
    named: request.named,
    oneShot: request.oneShot,
    last: request.last,
  };
}

/** What the caller asked for, within the product's bounds. */
export function clampTimeout(timeoutMs: number): number {
  return timeoutMs === 0 ? TRANSACTION_TIMEOUT_DEFAULT_MS : Math.min(timeoutMs, TRANSACTION_TIMEOUT_MAX_MS);
}

function decodeXid(request: { readonly gtrid: string; readonly bqual: string }): Xid {
  const gtrid = parseGtrid(request.gtrid);
  if (gtrid === undefined) {
    throw invalid('gtrid must be <identity>.<epoch>.<sequence>, as Begin gives it');
  }
  const bqual = parseBqual(request.bqual);
  if (bqual === undefined) {
    throw invalid('bqual must be <resource> or <resource>.<n>');
  }
  return { gtrid, bqual };
}

function isolationOf(value: string | number): Isolation {
  const isolation = fromWireIsolation(value);
  if (isolation === undefined) {
    throw invalid(`isolation ${String(value)} is not known`);
  }
  return isolation;
}

function invalid(message: string): CoordinatorError {
  return new CoordinatorError('FIELD_INVALID', message);
}
