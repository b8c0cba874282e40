// The sidecar's gRPC server: ResourceService with its limits, and health for whoever balances and watches.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Clock } from '../lib/clock.ts';
import { wire } from '../wire/proto.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { RESOURCE_MESSAGE_BYTES_MAX, STREAMS_PER_CONNECTION_MAX } from '../xa/limits.ts';
import { ResourceService, type ResourceServiceOptions } from './resource-service.ts';

export interface ResourceServer {
  /** The port that was taken. */
  readonly port: number;
  setServing(serving: boolean): void;
  /** Ends open streams after their answers, and whatever is left a second later. Never rejects; repeats are harmless. */
  close(): Promise<void>;
}

/** grpc-js has no limits of its own on any of these. A stream lives as long as its application; only idle connections end. */
const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': RESOURCE_MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': RESOURCE_MESSAGE_BYTES_MAX,
  'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
  'grpc.max_connection_idle_ms': 300_000,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
} as const;

const CLOSE_MS = 1_000;
const HEALTH_NAMES = ['', 'concordat.v1.ResourceService'] as const;

/** NOT_SERVING until it is told otherwise. @throws {CoordinatorError} `CONFIG_INVALID`: `listen` cannot be listened on. */
export async function openResourceServer(
  options: ResourceServiceOptions & { readonly listen: string },
): Promise<ResourceServer> {
  const service = new ResourceService(options);
  const health = new HealthImplementation();
  const setServing = (serving: boolean): void => {
    for (const name of HEALTH_NAMES) {
      health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    }
  };
  setServing(false);
  const server = new Server(SERVER_OPTIONS);
  server.addService(wire.ResourceService.service, service.handlers);
  health.addToServer(server);
  const port = await bind(server, options.listen);
  return { port, setServing, close: () => close(server, service, options.clock) };
}

function bind(server: Server, listen: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) =>
      error === null
        ? resolve(port)
        : reject(
            new CoordinatorError('CONFIG_INVALID', `Cannot listen on ${listen}: ${error.message}`, { cause: error }),
          ),
    );
  });
}

/** `tryShutdown` waits without a limit, so it has one here. */
async function close(server: Server, service: ResourceService, clock: Clock): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = clock.after(CLOSE_MS, over.resolve);
  server.tryShutdown(() => over.resolve());
  service.endSessions();
  await over.promise;
  timer.cancel();
  server.forceShutdown();
}
