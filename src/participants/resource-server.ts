// The gRPC servers of sidecars: ResourceService with its limits, and health for whoever balances and watches.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Clock } from '../lib/clock.ts';
import { wire } from '../wire/proto.ts';
import { CoordinatorError } from '../xa/errors.ts';
import { RESOURCE_MESSAGE_BYTES_MAX, STREAMS_PER_CONNECTION_MAX } from '../xa/limits.ts';
import type { ResourceName } from '../xa/xid.ts';
import type { EventLogger } from './event-logger.ts';
import { ResourceService } from './resource-service.ts';
import type { ParticipantRuntime } from './runtime.ts';

/** A sidecar's place at a server. */
export interface Seat {
  /** The port that was taken. */
  readonly port: number;
  /** The server is SERVING when everybody at it is. NOT_SERVING until it is told otherwise. */
  setServing(serving: boolean): void;
  /** Once. The last one to leave ends open streams after their answers, and whatever is left a second later. Never rejects. */
  leave(): Promise<void>;
}

export interface ServerPorts {
  readonly clock: Clock;
  readonly logger: EventLogger;
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

/**
 * The servers of one process. Sidecars that are to listen at the same address share one there, and an application's stream to it:
 * what is said to them at the same time comes in one frame and wakes one process.
 */
export class ResourceServers {
  readonly #ports: ServerPorts;
  readonly #open = new Map<string, ResourceServer>();

  constructor(ports: ServerPorts) {
    this.#ports = ports;
  }

  /**
   * @param runtime undefined until the database has been reached and checked.
   * @throws {CoordinatorError} `CONFIG_INVALID`: `listen` cannot be listened on.
   */
  async join(listen: string, resource: ResourceName, runtime: () => ParticipantRuntime | undefined): Promise<Seat> {
    let server = this.#open.get(listen);
    if (server === undefined) {
      server = new ResourceServer(this.#ports);
      await server.listen(listen);
      this.#open.set(listen, server);
    }
    return server.join(resource, runtime);
  }
}

class ResourceServer {
  readonly #clock: Clock;
  /** Those that have left stay: their refusals are for whoever still asks. */
  readonly #runtimes = new Map<ResourceName, () => ParticipantRuntime | undefined>();
  /** Whether each serves that has not left. */
  readonly #serving = new Map<ResourceName, boolean>();
  readonly #service: ResourceService;
  readonly #health = new HealthImplementation();
  readonly #server = new Server(SERVER_OPTIONS);
  #port = 0;

  constructor({ clock, logger }: ServerPorts) {
    this.#clock = clock;
    this.#service = new ResourceService({ runtimes: this.#runtimes, clock, logger });
    this.#server.addService(wire.ResourceService.service, this.#service.handlers);
    this.#health.addToServer(this.#server);
  }

  async listen(address: string): Promise<void> {
    this.#port = await bind(this.#server, address);
  }

  join(resource: ResourceName, runtime: () => ParticipantRuntime | undefined): Seat {
    const setServing = (serving: boolean): void => {
      this.#serving.set(resource, serving);
      this.#showHealth();
    };
    this.#runtimes.set(resource, runtime);
    setServing(false);
    return { port: this.#port, setServing, leave: () => this.#leave(resource) };
  }

  async #leave(resource: ResourceName): Promise<void> {
    this.#serving.delete(resource);
    this.#showHealth();
    if (this.#serving.size > 0) {
      return;
    }
    // `tryShutdown` waits without a limit, so it has one here.
    const over = Promise.withResolvers<void>();
    const timer = this.#clock.after(CLOSE_MS, over.resolve);
    this.#server.tryShutdown(() => over.resolve());
    this.#service.endSessions();
    await over.promise;
    timer.cancel();
    this.#server.forceShutdown();
  }

  #showHealth(): void {
    const states = [...this.#serving.values()];
    const status = states.length > 0 && states.every((serving) => serving) ? 'SERVING' : 'NOT_SERVING';
    for (const name of HEALTH_NAMES) {
      this.#health.setStatus(name, status);
    }
  }
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
