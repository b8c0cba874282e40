// ResourceService of a sidecar: statements of applications, one by one or in batched streams, over the same runtime.
import type { ExecuteRequest__Output } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import type { PrepareRequest__Output } from '../../gen/concordat/v1/PrepareRequest.ts';
import type { ResourceServiceHandlers } from '../../gen/concordat/v1/ResourceService.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { type UnaryParts, unary } from '../../wire/unary.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { RESOURCE_MESSAGE_BYTES_MAX } from '../../xa/limits.ts';
import { parseXid, type ResourceName, resourceOf, type Xid } from '../../xa/xid.ts';
import { WIRE_VOTES } from '../attach/report.ts';
import { decodeStatementCall } from '../runtime/branches/statement-call.ts';
import type { ParticipantRuntime } from '../runtime/runtime.ts';
import { resultBytes, toWireResult } from '../values.ts';
import { ResourceSession, type Weighed } from './resource-session.ts';

interface ResourceServiceOptions extends UnaryParts {
  /** Of each resource that is served here; undefined until its database has been reached and checked. */
  readonly runtimes: ReadonlyMap<ResourceName, () => ParticipantRuntime | undefined>;
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
      // The wait is bounded, the statement is not: its number repeated joins it.
      Execute: unary(options, async (request) => (await this.execute(request)).value),
      Session: (stream) => {
        const session = new ResourceSession(stream, this, () => this.#sessions.delete(session));
        this.#sessions.add(session);
      },
    };
  }

  get logger(): EventLogger {
    return this.#options.logger;
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
    const { result, vote } = await runtime.execute(call);
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
}
