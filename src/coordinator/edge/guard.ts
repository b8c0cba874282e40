// What stands between the network and every handler: limits on metadata and waiting, and one mapping of errors.
import type { handleUnaryCall, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { checkMetadata } from '../../wire/metadata.ts';
import { checkRequest } from '../../wire/request.ts';
import { toCoordinatorError, toStatus } from '../../wire/status.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { UNARY_DEADLINE_MAX_MS } from '../../xa/limits.ts';
import { type Caller, callerOfCall } from './callers.ts';

export interface GuardParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A unary handler from a function. grpc-js lets handlers run on after the caller's deadline; here the caller gets its answer or
 * `DEADLINE` in bounded time, and the transaction goes on either way: a deadline bounds the wait, never the outcome (D2).
 */
export function unary<Request extends object, Response>(
  parts: GuardParts,
  handle: (request: Request, caller: () => Caller) => Response | Promise<Response>,
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
      refuse(new CoordinatorError('DEADLINE', `no answer within ${UNARY_DEADLINE_MAX_MS} ms; the transaction goes on`)),
    );
    call.on('cancelled', () => answer(() => undefined));
    try {
      checkMetadata(call.metadata);
      checkRequest(call.request);
      const result = handle(call.request, () => callerOfCall({ metadata: call.metadata, peer: call.getPeer() }));
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

/** A bug says nothing of its inside to the caller, and everything to the log. */
export function logged(logger: Logger, where: string, error: unknown): CoordinatorError {
  const known = toCoordinatorError(error);
  if (known.code === 'INTERNAL') {
    logger.error({ evt: 'handler-failed', where, err: error });
  }
  return known;
}
