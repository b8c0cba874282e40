// A branch of a one-shot transaction: its statements leave together, the last one is marked, and each is answered by itself.
import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import type { BranchIdentity } from '../public/errors.ts';
import type { BranchStart } from '../public/options.ts';
import type { QueryResult } from '../public/resource.ts';
import type { ResourceLink } from '../session/resource-link.ts';
import { resultOf, StatementNumbers } from './statement-request.ts';
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
  readonly #numbers: StatementNumbers;
  readonly #unanswered = new Set<number>();
  #isOver = false;
  #last: ExecuteRequest | undefined;

  /** @param start what the transaction says of its branches; a branch's first statement may say otherwise. */
  constructor(resource: string, { link, instance }: OneShotPlacement, start: BranchStart) {
    this.resource = resource;
    this.identity = { bqual: resource, instance };
    this.#link = link;
    this.#numbers = new StatementNumbers(resource, start);
  }

  /** Numbers the request and marks it as the last one, so far. @throws {TypeError} {RangeError} for the start of a branch. */
  add(request: ExecuteRequest, start: BranchStart): void {
    this.#numbers.number(request, start);
    Object.assign(request, { bqual: this.identity.bqual, last: true });
    if (this.#last === undefined) {
      request.oneShot = true;
    } else {
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
    const { promise, resolve, reject } = Promise.withResolvers<ExecuteResponse>();
    const id = this.#link.execute(request, {
      resource: this.resource,
      onDone: resolve,
      onFailed: reject,
    });
    this.#unanswered.add(id);
    // What cannot be read was done all the same.
    return promise.finally(() => this.#unanswered.delete(id)).then(resultOf);
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
