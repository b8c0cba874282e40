// The gRPC servers of sidecars: ResourceService with its limits, and health for whoever balances and watches.

import { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { atMost } from '../../lib/wait.ts';
import { bind } from '../../wire/bind.ts';
import { addHealth } from '../../wire/health.ts';
import { wire } from '../../wire/proto.ts';
import { addReflection } from '../../wire/reflection.ts';
import { RESOURCE_MESSAGE_BYTES_MAX, STREAMS_PER_CONNECTION_MAX } from '../../xa/limits.ts';
import { KEEPALIVE_ANSWER_MS, KEEPALIVE_MS } from '../../xa/times.ts';
import type { ResourceName } from '../../xa/xid.ts';
import type { ParticipantRuntime } from '../runtime/runtime.ts';
import { ResourceService } from './resource-service.ts';

/** A sidecar's place at a server. */
export interface Seat {
  /** The port that was taken, once the servers listen. */
  readonly port: number;
  /**
   * The server is SERVING when everybody at it is, and nobody has left. NOT_SERVING until it is told otherwise; who has left says
   * nothing any more.
   */
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
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
} as const;

const CLOSE_MS = 1_000;
const SERVICE_NAME = 'concordat.v1.ResourceService';
const HEALTH_NAMES = ['', SERVICE_NAME] as const;

/**
 * The servers of one process. Sidecars that are to listen at the same address share one there, and an application's stream to it:
 * what is said to them at the same time comes in one frame and wakes one process.
 */
export class ResourceServers {
  readonly #ports: ServerPorts;
  readonly #byListen = new Map<string, ResourceServer>();

  constructor(ports: ServerPorts) {
    this.#ports = ports;
  }

  /**
   * @param runtime undefined until the database has been reached and checked.
   * @param reflection answer server reflection at this address, whoever else listens there.
   */
  join(
    listen: string,
    resource: ResourceName,
    runtime: () => ParticipantRuntime | undefined,
    reflection = false,
  ): Seat {
    let server = this.#byListen.get(listen);
    if (server === undefined) {
      server = new ResourceServer(this.#ports);
      this.#byListen.set(listen, server);
    }
    server.reflects ||= reflection;
    return server.join(resource, runtime);
  }

  /**
   * Once, when everybody has joined: a branch of who comes later would be refused as nobody's.
   * @throws {CoordinatorError} `CONFIG_INVALID`: an address cannot be listened on; those before it are, until everybody there has left.
   */
  async listen(): Promise<void> {
    for (const [address, server] of this.#byListen) {
      await server.listen(address);
    }
  }
}

class ResourceServer {
  readonly #clock: Clock;
  /** Those that have left stay: their refusals are for whoever still asks. */
  readonly #runtimes = new Map<ResourceName, () => ParticipantRuntime | undefined>();
  readonly #seated = new Set<ResourceName>();
  /** Those among them that serve. */
  readonly #serving = new Set<ResourceName>();
  readonly #service: ResourceService;
  readonly #health = new HealthImplementation();
  readonly #server = new Server(SERVER_OPTIONS);
  #port = 0;
  reflects = false;

  constructor({ clock, logger }: ServerPorts) {
    this.#clock = clock;
    this.#service = new ResourceService({ runtimes: this.#runtimes, clock, logger });
    this.#server.addService(wire.ResourceService.service, this.#service.handlers);
    addHealth(this.#server, this.#health, HEALTH_NAMES);
  }

  async listen(address: string): Promise<void> {
    if (this.reflects) {
      await addReflection(this.#server, [SERVICE_NAME]);
    }
    this.#port = await bind(this.#server, address);
  }

  join(resource: ResourceName, runtime: () => ParticipantRuntime | undefined): Seat {
    const portNow = (): number => this.#port;
    this.#runtimes.set(resource, runtime);
    this.#seated.add(resource);
    this.#setServing(resource, false);
    return {
      get port() {
        return portNow();
      },
      setServing: (serving) => this.#setServing(resource, serving),
      leave: () => this.#leave(resource),
    };
  }

  async #leave(resource: ResourceName): Promise<void> {
    this.#setServing(resource, false);
    this.#seated.delete(resource);
    if (this.#seated.size > 0) {
      return;
    }
    // `tryShutdown` waits without a limit, so it has one here.
    const over = new Promise((resolve) => this.#server.tryShutdown(resolve));
    this.#service.endSessions();
    await atMost(over, { clock: this.#clock, timeoutMs: CLOSE_MS });
    this.#server.forceShutdown();
  }

  #setServing(resource: ResourceName, serving: boolean): void {
    // What outlives a participant, a statement or a look at its database, may still report.
    if (serving && this.#seated.has(resource)) {
      this.#serving.add(resource);
    } else {
      this.#serving.delete(resource);
    }
    const status = this.#serving.size === this.#runtimes.size ? 'SERVING' : 'NOT_SERVING';
    for (const name of HEALTH_NAMES) {
      this.#health.setStatus(name, status);
    }
  }
}
