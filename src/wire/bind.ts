// A server's own address.
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { CoordinatorError } from '../xa/errors.ts';

/** The port that the server listens on. @throws {CoordinatorError} CONFIG_INVALID: it is taken, or not ours. */
export function bind(server: Server, listen: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(cannotListen(listen, error)),
    );
  });
}

export function cannotListen(listen: string, cause: Error): CoordinatorError {
  return new CoordinatorError('CONFIG_INVALID', `Cannot listen on ${listen}: ${cause.message}`, { cause });
}
