// ResourceService of a sidecar: statements of applications, one by one or in batched streams, over the same runtime.
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { ExecuteRequest__Output } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import type { PrepareRequest__Output } from '../../gen/concordat/v1/PrepareRequest.ts';
import type { ResourceServiceHandlers } from '../../gen/concordat/v1/ResourceService.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { checkMetadata } from '../../wire/metadata.ts';
import { checkRequest } from '../../wire/request.ts';
import { toStatus } from '../../wire/status.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { RESOURCE_MESSAGE_BYTES_MAX, UNARY_DEADLINE_MAX_MS } from '../../xa/limits.ts';
import { parseXid, type ResourceName, resourceOf, type Xid } from '../../xa/xid.ts';
import { WIRE_VOTES } from '../attach/attach-messages.ts';
import type { ParticipantRuntime } from '../runtime/runtime.ts';
import { decodeStatementCall } from '../runtime/statement-call.ts';
import { resultBytes, toWireResult } from '../values.ts';
import { ResourceSession, type Weighed } from './resource-session.ts';

interface ResourceServiceOptions {
  /** Of each resource that is served here; undefined until its database has been reached and checked. */
  readonly runtimes: ReadonlyMap<ResourceName, () => ParticipantRuntime | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Room for the frame around the answer. */
const ANSWER_BYTES_MAX = RESOURCE_MESSAGE_BYTES_MAX - 64 * 1024;

export class ResourceService {
  readonly handlers: ResourceServiceHandlers;
  readonly #options: ResourceServiceOptions;
  readonly #sessions = new Set<ResourceSession>();

  constructor(options: ResourceServiceOptions) {
    this.#options = options;
    this.handlers = {
      Execute: (call, callback) => this.#unary(call, callback),
      Session: (stream) => {
        const session = new ResourceSession(stream, this, () => this.#sessions.delete(session));
        this.#sessions.add(session);
      },
    };
  }

  /** Streams that are open. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Ends every stream after the answers it still owes. */
  endSessions(): void {
    for (const session of this.#sessions) {
      session.end();
    }
  }

  /** @throws {CoordinatorError} as the runtime does, `FIELD_INVALID`, and `LIMIT_RESULT` for an answer that no message can carry. */
  readonly execute = async (request: ExecuteRequest__Output): Promise<Weighed<ExecuteResponse>> => {
    const call = decodeStatementCall(request);
    const runtime = this.#runtimeOf(call.xid);
    if (runtime === undefined) {
      throw new CoordinatorError('RESOURCE_UNAVAILABLE', 'the participant has not reached its database yet');
    }
    const { result, vote } = await this.#known(() => runtime.execute(call));
    const bytes = resultBytes(result);
    if (bytes > ANSWER_BYTES_MAX) {
      throw new CoordinatorError('LIMIT_RESULT', `the answer takes about ${bytes} bytes, more than a message carries`);
    }
    const value: ExecuteResponse = { ...toWireResult(result), instance: runtime.instance };
    return { value: vote === undefined ? value : { ...value, vote: WIRE_VOTES[vote.kind] }, bytes };
  };

  /** A branch that cannot be prepared now is the coordinator's to ask for. */
  prepare({ gtrid, bqual }: PrepareRequest__Output): void {
    const xid = parseXid(`${gtrid}:${bqual}`);
    if (xid !== undefined) {
      this.#options.runtimes.get(resourceOf(xid.bqual))?.()?.prepare(xid);
    }
  }

  #runtimeOf({ bqual }: Xid): ParticipantRuntime | undefined {
    const { runtimes } = this.#options;
    const runtime = runtimes.get(resourceOf(bqual));
    if (runtime === undefined) {
      throw new CoordinatorError(
        'NOT_OWNER',
        `branch ${bqual} does not belong to ${[...runtimes.keys()].join(' or ')}`,
      );
    }
    return runtime();
  }

  /** The wait is bounded, the statement is not: its number repeated joins it. */
  #unary(
    call: ServerUnaryCall<ExecuteRequest__Output, ExecuteResponse>,
    callback: sendUnaryData<ExecuteResponse>,
  ): void {
    let isOpen = true;
    const answer = (send: () => void): void => {
      if (isOpen) {
        isOpen = false;
        timer.cancel();
        send();
      }
    };
    const refuse = (error: unknown): void => answer(() => callback(toStatus(error)));
    const timer = this.#options.clock.after(UNARY_DEADLINE_MAX_MS, () =>
      refuse(new CoordinatorError('DEADLINE', `no answer within ${UNARY_DEADLINE_MAX_MS} ms; the statement goes on`)),
    );
    call.on('cancelled', () => answer(() => undefined));
    try {
      checkMetadata(call.metadata);
      checkRequest(call.request);
    } catch (error) {
      refuse(error);
      return;
    }
    this.execute(call.request).then(({ value }) => answer(() => callback(null, value)), refuse);
  }

  /** A bug says nothing of its inside to the caller, and everything to the log. */
  async #known<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof CoordinatorError) || error.code === 'INTERNAL') {
        this.#options.logger.error({ evt: 'handler-failed', err: error });
      }
      throw error;
    }
  }
}
