// What stands between the network and every handler of one call: limits on metadata and waiting, and one mapping of errors.
import type { handleUnaryCall, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Clock } from '../lib/clock.ts';
import type { EventLogger } from '../lib/logger.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { UNARY_DEADLINE_MAX_MS } from '../xa/limits.ts';
import { checkMetadata } from './metadata.ts';
import { checkRequest } from './request.ts';
import { logged, toStatus } from './status.ts';

export interface UnaryParts {
  readonly clock: Clock;
  readonly logger: EventLogger;
}

/** Who calls. */
export type UnaryCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer'>;

/**
 * A unary handler from a function. grpc-js lets handlers run on after the caller's deadline; here the caller gets its answer or
 * `DEADLINE` in bounded time, and the work goes on either way: a deadline bounds the wait, never the outcome (D2).
 */
export function unary<Request extends object, Response>(
  parts: UnaryParts,
  handle: (request: Request, call: UnaryCall) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    let answered = false;
    const answer = (send: () => void): void => {
      if (!answered) {
        answered = true;
        timer.cancel();
        send();
      }
    };
    const refuse = (error: unknown): void =>
      answer(() => callback(toStatus(logged(parts.logger, call.getPath(), error))));
    const timer = parts.clock.after(UNARY_DEADLINE_MAX_MS, () =>
      refuse(
        new CoordinatorError('DEADLINE', `no answer within ${UNARY_DEADLINE_MAX_MS} ms; what was asked for goes on`),
      ),
    );
    call.on('cancelled', () => answer(() => undefined));
    try {
      checkMetadata(call.metadata);
      checkRequest(call.request);
      const result = handle(call.request, call);
      if (result instanceof Promise) {
        result.then((value) => answer(() => callback(null, value)), refuse);
      } else {
        answer(() => callback(null, result));
      }
    } catch (error) {
      refuse(error);
    }
  };
}
