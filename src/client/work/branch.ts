// A branch at a sidecar: statements in order, numbered from 1, over the stream that the first one went out on. They do not wait for one
// another's answers: the sidecar executes them one at a time.
import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { STATEMENTS_AHEAD_MAX } from '../../xa/limits.ts';
import { type BranchIdentity, ConcordatError } from '../public/errors.ts';
import type { BranchStart } from '../public/options.ts';
import type { QueryResult, Resource, ResultRow, StatementOptions } from '../public/resource.ts';
import type { Level } from '../scope/level.ts';
import { doomsOnlyScope } from '../scope/nested.ts';
import { ended } from '../scope/propagation.ts';
import { lostStatement } from '../session/failures.ts';
import type { ResourceLink } from '../session/resource-link.ts';
import type { Parameter } from '../values/values.ts';
import { resultOf, StatementNumbers, statementRequest } from './statement-request.ts';
import type { Work, WorkBranch, WorkFailure } from './work.ts';

/** Where a branch is to live. */
export interface Placement {
  readonly bqual: string;
  readonly link: ResourceLink;
}

interface Statement {
  readonly request: ExecuteRequest;
  /** The scope that it belongs to; undefined: it sets or leaves a savepoint, and its failure is the transaction's. */
  readonly level: Level | undefined;
  readonly resolve: (result: QueryResult) => void;
  readonly reject: (error: unknown) => void;
}

interface BranchSettings {
  readonly resource: string;
  readonly work: Work;
  /** Where in the transaction the running code is. */
  readonly levelNow: () => Level;
  readonly start: BranchStart;
  /** The engine behind the resource, as far as the directory knows. */
  readonly engine: () => string | undefined;
  /** Answers at once where it can, so that the first statement leaves in the same turn. Rejects with what the statement is refused with. */
  readonly place: () => Placement | Promise<Placement>;
}

export class SidecarBranch implements Resource, WorkBranch {
  readonly name: string;
  readonly #settings: BranchSettings;
  readonly #numbers: StatementNumbers;
  readonly #queue: Statement[] = [];
  #placement: Placement | undefined;
  #placing = false;
  readonly #running = new Map<number, Statement>();
  /** The nested scopes that have a savepoint here, from the outermost. */
  #scopes: readonly Level[] = [];
  #sent = 0;
  #instance = '';
  #lastAsked = false;
  #stopped = false;

  constructor(settings: BranchSettings) {
    this.name = settings.resource;
    this.#settings = settings;
    this.#numbers = new StatementNumbers(settings.resource, settings.start);
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
    const { work, engine, levelNow } = this.#settings;
    const level = levelNow();
    this.#refuse(level);
    const request = statementRequest(work.gtrid, { sql, parameters, engine: engine() });
    work.asked();
    level.asked();
    try {
      const turn = level.turn();
      if (turn !== undefined) {
        await turn;
        this.#refuse(level);
      }
      const result = await this.#ask(request, options, level);
      // The caller names the columns of its own statement; nothing else could know their types.
      return result as unknown as QueryResult<Row>;
    } finally {
      level.answered();
      work.answered();
    }
  }

  /** A branch without a statement in the scope has nothing to go back to: the savepoint is set ahead of the first one. */
  closeScope(level: Level, how: 'keep' | 'undo'): Promise<void> | undefined {
    if (!this.#scopes.includes(level)) {
      return undefined;
    }
    this.#scopes = this.#scopes.slice(0, this.#scopes.indexOf(level));
    return this.#control([...(how === 'undo' ? [`ROLLBACK TO SAVEPOINT ${level.savepoint}`] : []), releaseText(level)]);
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

  stop(failure: WorkFailure): void {
    for (const id of this.#running.keys()) {
      this.#placement?.link.abandon(id);
    }
    const unanswered = [...this.#running.values(), ...this.#queue.splice(0)];
    this.#running.clear();
    for (const statement of unanswered) {
      statement.reject(failure.error);
    }
    if (!this.#stopped && this.#placement !== undefined) {
      this.#placement.link.branches--;
    }
    this.#stopped = true;
  }

  /** @throws why no statement of this scope is taken any more. */
  #refuse(level: Level): void {
    const failure = this.#settings.work.failure ?? level.failure;
    if (failure !== undefined) {
      throw failure.error;
    }
    if (level.hasEnded) {
      throw ended(this.#settings.work, level);
    }
    if (this.#lastAsked) {
      throw new ConcordatError(`The branch at ${this.name} takes no statement after the one marked last.`, {
        code: 'BRANCH_STATE',
        retryable: false,
      });
    }
  }

  #ask(request: ExecuteRequest, options: StatementOptions, level: Level): Promise<QueryResult> {
    if (options.last === true && level.parent !== undefined) {
      throw new TypeError('last prepares the branch, and could not be undone with the nested scope: leave it out here');
    }
    const unset = level.path.filter((scope) => !this.#scopes.includes(scope));
    let start: BranchStart = options;
    for (const scope of unset) {
      const savepoint = this.#text(`SAVEPOINT ${scope.savepoint}`);
      // It may be the branch's first statement, which says how the branch starts.
      this.#numbers.number(savepoint, start);
      start = {};
      this.#scopes = [...this.#scopes, scope];
      // A failure of it is the transaction's, and heard there.
      this.#queue.push({ request: savepoint, level: undefined, resolve: () => undefined, reject: () => undefined });
    }
    this.#numbers.number(request, start);
    this.#lastAsked = options.last ?? false;
    if (this.#lastAsked) {
      request.last = true;
    }
    return new Promise<QueryResult>((resolve, reject) => {
      this.#queue.push({ request, level, resolve, reject });
      this.#pump();
    });
  }

  async #control(texts: readonly string[]): Promise<void> {
    const { work } = this.#settings;
    const done = texts.map((sql) => {
      const request = this.#text(sql);
      this.#numbers.number(request, {});
      return new Promise<QueryResult>((resolve, reject) => {
        this.#queue.push({ request, level: undefined, resolve, reject });
      });
    });
    work.asked();
    this.#pump();
    try {
      await Promise.all(done);
    } finally {
      work.answered();
    }
  }

  #text(sql: string): ExecuteRequest {
    return statementRequest(this.#settings.work.gtrid, { sql, parameters: [], engine: undefined });
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#running.size < STATEMENTS_AHEAD_MAX && !this.#stopped) {
      if (this.#placement === undefined) {
        this.#place();
        return;
      }
      if (this.#placement.link.lost) {
        const broken = new CoordinatorError('CONNECTION_LOST', 'it broke after an earlier statement of the branch');
        this.#settings.work.fail(lostStatement(this.name, broken));
        return;
      }
      const statement = this.#queue.shift();
      if (statement !== undefined) {
        this.#send(statement, this.#placement);
      }
    }
  }

  #send(statement: Statement, { bqual, link }: Placement): void {
    this.#sent++;
    statement.request.bqual = bqual;
    if (this.#sent === 1) {
      statement.request.timeoutMs = this.#settings.work.remainingMs;
    }
    const id = link.execute(statement.request, {
      resource: this.name,
      onDone: (response) => this.#onDone(id, statement, response),
      onFailed: (error) => this.#onFailed(id, statement, error),
    });
    this.#running.set(id, statement);
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

  #onDone(id: number, statement: Statement, response: ExecuteResponse): void {
    this.#running.delete(id);
    this.#instance = response.instance;
    try {
      statement.resolve(resultOf(response));
    } catch (error) {
      // Only a participant that sends what is not JSON as JSON comes here. The statement was done all the same.
      statement.reject(error);
    }
    this.#pump();
  }

  #onFailed(id: number, { level, reject }: Statement, error: unknown): void {
    if (level?.parent === undefined || !doomsOnlyScope(error)) {
      this.#settings.work.fail(error);
      return;
    }
    this.#running.delete(id);
    level.fail(error);
    reject(error);
    this.#pump();
  }
}

function releaseText({ savepoint }: Level): string {
  return `RELEASE SAVEPOINT ${savepoint}`;
}
