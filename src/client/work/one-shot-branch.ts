// A branch of a one-shot transaction: its statements leave together, the last one is marked, and each is answered by itself.
import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { BranchIdentity } from '../public/errors.ts';
import type { BranchStart } from '../public/options.ts';
import type { QueryResult } from '../public/resource.ts';
import { lostStatement, toStatementError } from '../session/failures.ts';
import type { ResourceLink } from '../session/resource-link.ts';
import { checkStart, opening, resultOf } from './statement-request.ts';
import type { WorkBranch } from './work.ts';

/** Where a branch is to live, and with whom: the commit names the instance before it has answered. */
export interface OneShotPlacement {
  readonly link: ResourceLink;
  readonly instance: string;
}

export class OneShotBranch implements WorkBranch {
  readonly resource: string;
  readonly identity: BranchIdentity;
  readonly #link: ResourceLink;
  readonly #start: BranchStart;
  readonly #unanswered = new Set<number>();
  #statements = 0;
  #isOver = false;
  #last: ExecuteRequest | undefined;

  /** @param start what the transaction says of its branches; a branch's first statement may say otherwise. */
  constructor(resource: string, { link, instance }: OneShotPlacement, start: BranchStart) {
    this.resource = resource;
    this.identity = { bqual: resource, instance };
    this.#link = link;
    this.#start = start;
  }

  /** Numbers the request and marks it as the last one, so far. @throws {TypeError} {RangeError} for the start of a branch. */
  add(request: ExecuteRequest, start: BranchStart): void {
    const isFirst = this.#last === undefined;
    checkStart(start, this.resource, isFirst);
    this.#statements++;
    Object.assign(request, { bqual: this.identity.bqual, statement: this.#statements, last: true });
    if (isFirst) {
      Object.assign(request, opening(start, this.#start), { oneShot: true });
    }
    if (this.#last !== undefined) {
      this.#last.last = false;
    }
    this.#last = request;
  }

  /**
   * Sends a request that was added; all of them in one turn, in their order. Rejects with `StatementError`.
   * @param timeoutMs until the transaction's deadline; read with the first one.
   */
  execute(request: ExecuteRequest, timeoutMs: number): Promise<QueryResult> {
    if (request.statement === 1) {
      request.timeoutMs = timeoutMs;
      this.#link.branches++;
    }
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult>();
    const answered = (settle: () => void): void => {
      this.#unanswered.delete(id);
      settle();
    };
    const id = this.#link.execute(request, {
      onDone: (response) =>
        answered(() => {
          try {
            resolve(resultOf(response));
          } catch (error) {
            reject(error); // The statement was done; its answer cannot be read.
          }
        }),
      onError: (error) => answered(() => reject(toStatementError(this.resource, error))),
      onLost: (error) => answered(() => reject(lostStatement(this.resource, error))),
    });
    this.#unanswered.add(id);
    return promise;
  }

  /** The statement marked last asks. */
  askForVote(): boolean {
    return true;
  }

  /** The transaction has ended: nobody waits for what is unanswered. */
  stop(): void {
    for (const id of this.#unanswered) {
      this.#link.abandon(id);
    }
    if (!this.#isOver) {
      this.#isOver = true;
      this.#link.branches--;
    }
  }
}
