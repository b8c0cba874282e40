// A branch at a sidecar: statements in order, one at a time, numbered from 1, over the stream that the first one went out on.
import type { Error__Output as WireError } from '../gen/concordat/v1/Error.ts';
import type { ExecuteRequest } from '../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../gen/concordat/v1/ExecuteResponse.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { RESOURCE_MESSAGE_BYTES_MAX } from '../xa/limits.ts';
import type { Isolation } from '../xa/vocabulary.ts';
import { type BranchIdentity, ConcordatError } from './errors.ts';
import { lostStatement, toStatementError } from './failures.ts';
import { type BranchStart, checkBranchStart } from './options.ts';
import type { QueryResult, Resource, ResultRow, StatementOptions } from './resource.ts';
import { type ResourceLink, requestBytes } from './resource-link.ts';
import { decodeInteger, decodeRows, encodeParameters, type Parameter } from './values.ts';
import type { Failure, Work, WorkBranch } from './work.ts';

/** Where a branch is to live. */
export interface Placement {
  readonly bqual: string;
  readonly link: ResourceLink;
}

interface Statement {
  readonly request: ExecuteRequest;
  readonly resolve: (result: QueryResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Below what a sidecar takes, with room for the frame around it: a frame too large would break the stream for everybody. */
const STATEMENT_BYTES_MAX = RESOURCE_MESSAGE_BYTES_MAX - 64 * 1024;

const ISOLATION = {
  default: 'ISOLATION_UNSPECIFIED',
  'read-uncommitted': 'ISOLATION_READ_UNCOMMITTED',
  'read-committed': 'ISOLATION_READ_COMMITTED',
  'repeatable-read': 'ISOLATION_REPEATABLE_READ',
  serializable: 'ISOLATION_SERIALIZABLE',
} as const satisfies Record<Isolation, string>;

export interface BranchSettings {
  readonly resource: string;
  readonly work: Work;
  readonly start: BranchStart;
  /** The engine behind the resource, as far as the directory knows. */
  readonly engine: () => string | undefined;
  /** Answers at once where it can, so that the first statement leaves in the same turn. Rejects with what the statement is refused with. */
  readonly place: () => Placement | Promise<Placement>;
}

export class Branch implements Resource, WorkBranch {
  readonly name: string;
  readonly #settings: BranchSettings;
  readonly #queue: Statement[] = [];
  #placement: Placement | undefined;
  #placing = false;
  #running: { readonly statement: Statement; readonly id: number } | undefined;
  #sent = 0;
  #asked = 0;
  #instance = '';
  #lastAsked = false;
  #stopped = false;

  constructor(settings: BranchSettings) {
    this.name = settings.resource;
    this.#settings = settings;
  }

  get resource(): string {
    return this.name;
  }

  get identity(): BranchIdentity | undefined {
    return this.#placement === undefined || this.#sent === 0
      ? undefined
      : { bqual: this.#placement.bqual, instance: this.#instance };
  }

  async query<Row extends object = ResultRow>(
    sql: string,
    parameters: readonly Parameter[] = [],
    options: StatementOptions = {},
  ): Promise<QueryResult<Row>> {
    const { work } = this.#settings;
    if (work.failure !== undefined) {
      throw work.failure.error;
    }
    const request = this.#request(sql, parameters, options);
    work.asked();
    try {
      const result = await new Promise<QueryResult>((resolve, reject) => {
        this.#queue.push({ request, resolve, reject });
        this.#pump();
      });
      // The caller names the columns of its own statement; nothing else could know their types.
      return result as unknown as QueryResult<Row>;
    } finally {
      work.answered();
    }
  }

  askForVote(): boolean {
    const placement = this.#placement;
    if (placement === undefined || placement.link.lost) {
      return false;
    }
    if (!this.#lastAsked) {
      placement.link.prepare({ gtrid: this.#settings.work.gtrid, bqual: placement.bqual });
    }
    return true;
  }

  stop(failure: Failure): void {
    const running = this.#running;
    const waiting = this.#queue.splice(0);
    this.#running = undefined;
    if (running !== undefined) {
      this.#placement?.link.abandon(running.id);
      running.statement.reject(failure.error);
    }
    for (const statement of waiting) {
      statement.reject(failure.error);
    }
    if (!this.#stopped && this.#placement !== undefined) {
      this.#placement.link.branches--;
    }
    this.#stopped = true;
  }

  #request(sql: string, parameters: readonly Parameter[], options: StatementOptions): ExecuteRequest {
    if (this.#lastAsked) {
      throw new ConcordatError(`The branch at ${this.name} takes no statement after the one marked last.`, {
        code: 'BRANCH_STATE',
        retryable: false,
      });
    }
    if (this.#asked > 0 && (options.isolation !== undefined || options.readOnly !== undefined)) {
      throw new TypeError(`isolation and readOnly of ${this.name} belong to its first statement in the transaction`);
    }
    checkBranchStart(options);
    const encoded = encodeParameters(parameters, this.#settings.engine());
    const request: ExecuteRequest = { gtrid: this.#settings.work.gtrid, sql, parameters: encoded };
    const bytes = requestBytes(request);
    if (bytes > STATEMENT_BYTES_MAX) {
      throw new RangeError(
        `the statement has ${bytes} bytes with its parameters; at most ${STATEMENT_BYTES_MAX} go at once`,
      );
    }
    request.statement = ++this.#asked;
    this.#lastAsked = options.last ?? false;
    if (request.statement === 1) {
      const { start } = this.#settings;
      request.isolation = ISOLATION[options.isolation ?? start.isolation ?? 'default'];
      request.readOnly = options.readOnly ?? start.readOnly ?? false;
      request.named = true; // Every branch of this client is enlisted before, or in the list of the commit.
    }
    if (this.#lastAsked) {
      request.last = true;
    }
    return request;
  }

  #pump(): void {
    const [statement] = this.#queue;
    if (statement === undefined || this.#running !== undefined || this.#stopped) {
      return;
    }
    if (this.#placement === undefined) {
      this.#place();
      return;
    }
    const { bqual, link } = this.#placement;
    if (link.lost) {
      const broken = new CoordinatorError('CONNECTION_LOST', 'it broke after an earlier statement of the branch');
      this.#settings.work.fail(lostStatement(this.name, broken));
      return;
    }
    this.#queue.shift();
    this.#sent++;
    statement.request.bqual = bqual;
    if (this.#sent === 1) {
      statement.request.timeoutMs = this.#settings.work.remainingMs;
    }
    const id = link.execute(statement.request, {
      onDone: (response) => this.#onDone(statement, response),
      onError: (error) => this.#onError(error),
      onLost: (error) => this.#settings.work.fail(lostStatement(this.name, error)),
    });
    this.#running = { statement, id };
  }

  #place(): void {
    if (this.#placing) {
      return;
    }
    this.#placing = true;
    const placed = (placement: Placement): void => {
      if (!this.#stopped) {
        this.#placement = placement;
        placement.link.branches++;
        this.#pump();
      }
    };
    try {
      const placement = this.#settings.place();
      if (placement instanceof Promise) {
        placement.then(placed, (error: unknown) => this.#settings.work.fail(error));
      } else {
        placed(placement);
      }
    } catch (error) {
      this.#settings.work.fail(error);
    }
  }

  #onDone(statement: Statement, response: ExecuteResponse): void {
    this.#running = undefined;
    this.#instance = response.instance;
    try {
      statement.resolve({
        rows: decodeRows(response.columns, response.rows),
        columns: response.columns,
        rowCount: Number(response.rowCount),
        insertId: decodeInteger(response.insertId),
      });
    } catch (error) {
      // Only a participant that sends what is not JSON as JSON comes here. The statement was done all the same.
      statement.reject(error);
    }
    this.#pump();
  }

  #onError(error: WireError): void {
    this.#settings.work.fail(toStatementError(this.name, error));
  }
}
