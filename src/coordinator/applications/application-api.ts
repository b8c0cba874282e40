// TransactionService, request by request: decode, operate, encode. The unary calls and the session stream share these.

import type { BeginRequest__Output as BeginRequest } from '../../gen/concordat/v1/BeginRequest.ts';
import type { BeginResponse } from '../../gen/concordat/v1/BeginResponse.ts';
import type { CommitRequest__Output as CommitRequest } from '../../gen/concordat/v1/CommitRequest.ts';
import type { CommitResponse } from '../../gen/concordat/v1/CommitResponse.ts';
import type { EnlistRequest__Output as EnlistRequest } from '../../gen/concordat/v1/EnlistRequest.ts';
import type { EnlistResponse } from '../../gen/concordat/v1/EnlistResponse.ts';
import type { GetTransactionRequest__Output as GetTransactionRequest } from '../../gen/concordat/v1/GetTransactionRequest.ts';
import type { GetTransactionResponse } from '../../gen/concordat/v1/GetTransactionResponse.ts';
import type { RollbackRequest__Output as RollbackRequest } from '../../gen/concordat/v1/RollbackRequest.ts';
import type { RollbackResponse } from '../../gen/concordat/v1/RollbackResponse.ts';
import type { SetRollbackOnlyRequest__Output as SetRollbackOnlyRequest } from '../../gen/concordat/v1/SetRollbackOnlyRequest.ts';
import type { SetRollbackOnlyResponse } from '../../gen/concordat/v1/SetRollbackOnlyResponse.ts';
import type { Clock } from '../../lib/clock.ts';
import type { CoordinatorError } from '../../xa/errors.ts';
import { CoordinatorError as Refusal } from '../../xa/errors.ts';
import { ROLLBACK_REASON_CHARS_MAX } from '../../xa/limits.ts';
import { notFoundError } from '../driver/answers.ts';
import { HeldTransaction, type Owner } from '../driver/transaction.ts';
import type { Caller } from '../edge/callers.ts';
import { endedBranches, wireBranches, wireEnded, wireOutcome, wireState, wireTransaction } from '../edge/describe.ts';
import {
  decodeAcknowledgement,
  decodeBqual,
  decodeClaimed,
  decodeGtrid,
  decodeInstance,
  decodeRequestId,
  decodeResource,
  decodeText,
  decodeTimeoutMs,
  invalid,
} from '../edge/requests.ts';
import type { End } from './ends.ts';
import { RequestIds } from './idempotency.ts';
import type { Operations } from './operations.ts';

/** Where the answer goes: exactly one of the two is called, once. */
export interface Reply<Response> {
  answer(response: Response): void;
  refuse(error: CoordinatorError): void;
}

interface ApplicationApiParts {
  readonly operations: Operations;
  readonly clock: Clock;
  readonly defaultTimeoutMs: number;
}

export class ApplicationApi {
  readonly #operations: Operations;
  readonly #clock: Clock;
  readonly #defaultTimeoutMs: number;
  readonly #requestIds = new RequestIds();

  constructor(parts: ApplicationApiParts) {
    this.#operations = parts.operations;
    this.#clock = parts.clock;
    this.#defaultTimeoutMs = parts.defaultTimeoutMs;
  }

  /** @throws {CoordinatorError} */
  begin(request: BeginRequest, caller: Caller, owner?: Owner): BeginResponse {
    const requestId = decodeRequestId(request.requestId);
    const timeoutMs = decodeTimeoutMs(request.timeoutMs, this.#defaultTimeoutMs);
    const leased = request.gtrid === '' ? undefined : decodeGtrid(request.gtrid);
    return this.#requestIds.once(caller, requestId, `begin ${timeoutMs} ${request.gtrid}`, () => ({
      gtrid: this.#operations.begin(timeoutMs, owner ?? caller, leased),
      timeoutMs,
    }));
  }

  /** @throws {CoordinatorError} */
  enlist(request: EnlistRequest, caller: Caller): EnlistResponse {
    const requestId = decodeRequestId(request.requestId);
    const gtrid = decodeGtrid(request.gtrid);
    const resource = decodeResource(request.resource);
    const bqual = request.bqual === '' ? undefined : decodeBqual(request.bqual);
    if (bqual !== undefined && request.newBranch) {
      throw invalid('new_branch', 'and bqual exclude each other: either name the branch or ask for a new one');
    }
    const { newBranch } = request;
    const instance = decodeInstance(request.instance) || undefined;
    const body = `enlist ${gtrid} ${resource} ${bqual ?? ''} ${newBranch} ${instance ?? ''}`;
    return this.#requestIds.once(caller, requestId, body, () =>
      this.#operations.enlist(gtrid, { resource, bqual, isNew: newBranch, instance }),
    );
  }

  /** @throws {CoordinatorError} for a malformed request; every other end goes to `reply`. */
  commit(request: CommitRequest, caller: Caller, reply: Reply<CommitResponse>): void {
    const requestId = decodeRequestId(request.requestId);
    const gtrid = decodeGtrid(request.gtrid);
    const claimed = decodeClaimed(request.branches);
    const level = decodeAcknowledgement(request.acknowledgement);
    this.#requestIds.once(caller, requestId, `commit ${gtrid}`, () => undefined);
    this.#operations.commit(gtrid, claimed, requestId, level, (end) =>
      finish(end, reply, () => this.#commitResponse(gtrid, end)),
    );
  }

  /** @throws {CoordinatorError} as `commit`. */
  rollback(request: RollbackRequest, caller: Caller, reply: Reply<RollbackResponse>): void {
    const requestId = decodeRequestId(request.requestId);
    const gtrid = decodeGtrid(request.gtrid);
    const claimed = decodeClaimed(request.branches);
    const reason = decodeText('reason', request.reason, 0, ROLLBACK_REASON_CHARS_MAX);
    this.#requestIds.once(caller, requestId, `rollback ${gtrid}`, () => undefined);
    this.#operations.rollback(gtrid, claimed, reason, (end) =>
      finish(end, reply, () => {
        const { outcome, state } = this.#commitResponse(gtrid, end);
        return { gtrid, ...(outcome && { outcome }), ...(state && { state }) };
      }),
    );
  }

  /** @throws {CoordinatorError} */
  setRollbackOnly(request: SetRollbackOnlyRequest, caller: Caller): SetRollbackOnlyResponse {
    const requestId = decodeRequestId(request.requestId);
    const gtrid = decodeGtrid(request.gtrid);
    const reason = decodeText('reason', request.reason, 0, ROLLBACK_REASON_CHARS_MAX);
    return this.#requestIds.once(caller, requestId, `rollback-only ${gtrid}`, () => {
      this.#operations.setRollbackOnly(gtrid, reason);
      return { gtrid };
    });
  }

  /** @throws {CoordinatorError} */
  async getTransaction(request: GetTransactionRequest, asker?: Owner): Promise<GetTransactionResponse> {
    const gtrid = decodeGtrid(request.gtrid);
    const found = await this.#operations.find(gtrid, decodeClaimed(request.branches), asker);
    if (found instanceof HeldTransaction) {
      return { transaction: wireTransaction(found, this.#clock.now()) };
    }
    switch (found.kind) {
      case 'outcome':
        return { transaction: wireEnded(gtrid, found.outcome, found.committed?.all) };
      case 'unknown':
        return { transaction: wireEnded(gtrid, 'unknown') };
      case 'expired':
        throw new Refusal('OUTCOME_EXPIRED', `${gtrid} is older than the retained outcomes`);
      case 'not-found':
        throw notFoundError(gtrid);
    }
  }

  #commitResponse(gtrid: string, end: End): CommitResponse {
    if (end.kind === 'failed') {
      return { gtrid };
    }
    const { transaction, outcome, branches } = end;
    return {
      gtrid,
      outcome: wireOutcome(outcome),
      state: transaction === undefined ? 'TRANSACTION_STATE_COMPLETED' : wireState(transaction.state),
      branches:
        transaction === undefined ? endedBranches(branches, outcome) : wireBranches(transaction, this.#clock.now()),
    };
  }
}

function finish<Response>(end: End, reply: Reply<Response>, response: () => Response): void {
  if (end.kind === 'failed') {
    reply.refuse(end.error);
  } else {
    reply.answer(response());
  }
}
