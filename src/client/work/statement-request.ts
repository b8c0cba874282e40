// A statement as it goes to a sidecar, and its answer as the application gets it.
import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import type { Isolation as WireIsolation } from '../../gen/concordat/v1/Isolation.ts';
import { RESOURCE_MESSAGE_BYTES_MAX } from '../../xa/limits.ts';
import type { Isolation } from '../../xa/vocabulary.ts';
import { type BranchStart, checkBranchStart } from '../public/options.ts';
import type { QueryResult } from '../public/resource.ts';
import { requestBytes } from '../session/resource-link.ts';
import { checkArrays, decodeInteger, decodeRows, encodeParameters, type Parameter } from '../values/values.ts';

/** Below what a sidecar takes, with room for the frame around it: a frame too large would break the stream for everybody. */
const STATEMENT_BYTES_MAX = RESOURCE_MESSAGE_BYTES_MAX - 64 * 1024;

const ISOLATION = {
  default: 'ISOLATION_UNSPECIFIED',
  'read-uncommitted': 'ISOLATION_READ_UNCOMMITTED',
  'read-committed': 'ISOLATION_READ_COMMITTED',
  'repeatable-read': 'ISOLATION_REPEATABLE_READ',
  serializable: 'ISOLATION_SERIALIZABLE',
} as const satisfies Record<Isolation, WireIsolation>;

interface StatementText {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
  /** The engine behind the resource, as far as the directory knows. */
  readonly engine: string | undefined;
}

/** @throws {TypeError} a parameter is not a value; {RangeError} the statement is too large to be sent. */
export function statementRequest(gtrid: string, { sql, parameters, engine }: StatementText): ExecuteRequest {
  checkArrays(sql, parameters, engine);
  const request: ExecuteRequest = { gtrid, sql, parameters: encodeParameters(parameters, engine) };
  const bytes = requestBytes(request);
  if (bytes > STATEMENT_BYTES_MAX) {
    throw new RangeError(
      `the statement has ${bytes} bytes with its parameters; at most ${STATEMENT_BYTES_MAX} go at once`,
    );
  }
  return request;
}

/** What only the first statement of a branch says: how the branch starts, by its own options, else by the transaction's. */
export function opening(own: BranchStart, transaction: BranchStart): ExecuteRequest {
  return {
    isolation: ISOLATION[own.isolation ?? transaction.isolation ?? 'default'],
    readOnly: own.readOnly ?? transaction.readOnly ?? false,
    named: true, // Every branch of this client is enlisted before, or in the list of the commit.
  };
}

/** @throws {TypeError} a later statement says how its branch starts. {RangeError} naming the option. */
export function checkStart(start: BranchStart, resource: string, isFirst: boolean): void {
  if (!isFirst && (start.isolation !== undefined || start.readOnly !== undefined)) {
    throw new TypeError(`isolation and readOnly of ${resource} belong to its first statement in the transaction`);
  }
  checkBranchStart(start);
}

/** @throws only where a participant sends what is not JSON as JSON. The statement was done all the same. */
export function resultOf(response: ExecuteResponse): QueryResult {
  return {
    rows: decodeRows(response.columns, response.rows),
    columns: response.columns,
    rowCount: Number(response.rowCount),
    insertId: decodeInteger(response.insertId),
  };
}
