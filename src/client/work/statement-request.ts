// A statement as it goes to a sidecar, and its answer as the application gets it.

import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import { WIRE_ISOLATIONS } from '../../wire/isolation.ts';
import { RESOURCE_MESSAGE_BYTES_MAX } from '../../xa/limits.ts';
import { type BranchStart, checkBranchStart } from '../public/options.ts';
import type { QueryResult } from '../public/resource.ts';
import { requestBytes } from '../session/resource-link.ts';
import { checkArrays, decodeInteger, decodeRows, encodeParameters, type Parameter } from '../values/values.ts';

/** Below what a sidecar takes, with room for the frame around it: a frame too large would break the stream for everybody. */
const STATEMENT_BYTES_MAX = RESOURCE_MESSAGE_BYTES_MAX - 64 * 1024;

interface StatementText {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
  /** The engine behind the resource, as far as the directory knows. */
  readonly engine: string | undefined;
}

/** @throws {TypeError} a parameter is not a value; {RangeError} the statement is too large to be sent. */
export function statementRequest(gtrid: string, { sql, parameters, engine }: StatementText): ExecuteRequest {
  checkArrays(sql, parameters, engine);
  const request: ExecuteRequest = { gtrid, sql, parameters: encodeParameters(sql, parameters, engine) };
  const bytes = requestBytes(request);
  if (bytes > STATEMENT_BYTES_MAX) {
    throw new RangeError(
      `the statement has ${bytes} bytes with its parameters; at most ${STATEMENT_BYTES_MAX} go at once`,
    );
  }
  return request;
}

/** Numbers the statements of one branch. Only the first one says how the branch starts: by its own options, else by the transaction's. */
export class StatementNumbers {
  readonly #resource: string;
  readonly #start: BranchStart;
  #given = 0;

  constructor(resource: string, start: BranchStart) {
    this.#resource = resource;
    this.#start = start;
  }

  /** @throws {TypeError} a later statement says how its branch starts. {RangeError} naming the option. */
  number(request: ExecuteRequest, own: BranchStart): void {
    const { isolation, readOnly } = own;
    if (this.#given > 0 && (isolation !== undefined || readOnly !== undefined)) {
      throw new TypeError(
        `isolation and readOnly of ${this.#resource} belong to its first statement in the transaction`,
      );
    }
    checkBranchStart(own);
    request.statement = ++this.#given;
    if (this.#given === 1) {
      request.isolation = WIRE_ISOLATIONS[isolation ?? this.#start.isolation ?? 'default'];
      request.readOnly = readOnly ?? this.#start.readOnly ?? false;
      request.named = true; // Every branch of this client is enlisted before, or in the list of the commit.
    }
  }
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
