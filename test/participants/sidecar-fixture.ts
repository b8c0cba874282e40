// A sidecar in this process, on a memory engine or a real one, attached to a coordinator that the test plays; and an application.
import {
  type ClientDuplexStream,
  credentials,
  Metadata,
  makeClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import type { ExecuteRequest } from '../../src/gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../../src/gen/concordat/v1/ExecuteResponse.ts';
import type { ResourceReply__Output as ResourceReply } from '../../src/gen/concordat/v1/ResourceReply.ts';
import type { ResourceServiceClient } from '../../src/gen/concordat/v1/ResourceService.ts';
import type { ResourceSessionRequest } from '../../src/gen/concordat/v1/ResourceSessionRequest.ts';
import type { ResourceSessionResponse__Output as ResourceSessionResponse } from '../../src/gen/concordat/v1/ResourceSessionResponse.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import type { Sidecar, SidecarConfig } from '../../src/participants/sidecar/sidecar.ts';
import { runSidecars } from '../../src/participants/sidecar/sidecars.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { wire } from '../../src/wire/proto.ts';
import { fromServiceError } from '../../src/wire/status.ts';
import type { CoordinatorError } from '../../src/xa/errors.ts';
import { formatBqual, formatGtrid, type Xid } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';
import type { AttachCoordinator } from './attach-coordinator.ts';
import { ACCOUNTS, EventList } from './runtime-fixture.ts';

export interface StartedSidecar extends AsyncDisposable {
  readonly sidecar: Sidecar;
  readonly log: EventList;
}

/** Tests give a sidecar with this URL its engine: the program has none for it. */
const IN_MEMORY = 'memory:';

function freshEngine(): ResourceManager {
  const engine = new MemoryEngine(systemRandom.base32(10));
  return openMemoryResourceManager({ engine, clock: systemClock, poolMax: 8 });
}

export async function startSidecar(
  coordinator: AttachCoordinator,
  change: Partial<SidecarConfig> & { readonly clock?: Clock; readonly engine?: () => ResourceManager } = {},
): Promise<StartedSidecar> {
  const {
    clock = systemClock,
    url = IN_MEMORY,
    engine = url === IN_MEMORY ? freshEngine : undefined,
    ...config
  } = change;
  const log = new EventList();
  const ports = { clock, random: systemRandom, logger: log, ...(engine !== undefined && { openEngine: engine }) };
  const { each } = await runSidecars([sidecarConfig(coordinator, { ...config, url })], ports, () => ports);
  const [sidecar] = each as readonly [Sidecar];
  return { sidecar, log, [Symbol.asyncDispose]: () => sidecar.stop(0) };
}

export function sidecarConfig(coordinator: AttachCoordinator, change: Partial<SidecarConfig> = {}): SidecarConfig {
  return {
    ...{ resource: 'accounts', url: IN_MEMORY, coordinator: coordinator.address, listen: '127.0.0.1:0' },
    ...{ maxBranches: 8, detach: false, drainGraceMs: 5_000 },
    ...change,
  };
}

let sequence = 0;

/** A branch of the coordinator's life that nobody has seen. */
export function freshBranch(coordinator: AttachCoordinator, resource = ACCOUNTS): Xid {
  sequence += 1;
  const { identity, epoch } = coordinator;
  return { gtrid: formatGtrid({ identity, epoch, sequence }), bqual: formatBqual(resource) };
}

/** An application: unary calls, and one Session stream when it is first used. */
export class Application implements Disposable {
  readonly replies: ResourceReply[] = [];
  /** Bytes and number of the frames that came. */
  readonly frames: number[] = [];
  streamError: ServiceError | undefined;
  streamEnded = false;
  readonly #client: ResourceServiceClient;
  #stream: ClientDuplexStream<ResourceSessionRequest, ResourceSessionResponse> | undefined;

  constructor(address: string) {
    this.#client = new wire.ResourceService(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
    });
  }

  /** @throws {CoordinatorError} as the sidecar refused. */
  execute(request: ExecuteRequest, metadata = new Metadata()): Promise<ExecuteResponse> {
    return new Promise((resolve, reject) =>
      this.#client.execute(request, metadata, (error, response) =>
        error === null && response !== undefined ? resolve(response) : reject(fromServiceError(error as ServiceError)),
      ),
    );
  }

  async refusal(request: ExecuteRequest, metadata?: Metadata): Promise<CoordinatorError> {
    return await this.execute(request, metadata).then(
      () => Promise.reject(new Error('it was not refused')),
      (error: CoordinatorError) => error,
    );
  }

  get stream(): ClientDuplexStream<ResourceSessionRequest, ResourceSessionResponse> {
    if (this.#stream === undefined) {
      this.#stream = this.#client.session();
      this.#stream.on('data', (frame: ResourceSessionResponse) => {
        this.frames.push(frame.replies.length);
        this.replies.push(...frame.replies);
      });
      this.#stream.on('error', (error: ServiceError) => {
        this.streamError = error;
      });
      this.#stream.on('end', () => {
        this.streamEnded = true;
      });
    }
    return this.#stream;
  }

  /** The reply to call `id`, once it is there. */
  async reply(id: number): Promise<ResourceReply> {
    return await eventually(`reply ${id}`, () => this.replies.find((reply) => reply.id === id), 8_000);
  }

  [Symbol.dispose](): void {
    this.#stream?.cancel();
    this.#client.close();
  }
}

/** What health says of one service now. */
export function health(address: string, service = ''): Promise<string> {
  const Health = makeClientConstructor(healthService as never, 'Health');
  const client = new Health(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  return new Promise<string>((resolve, reject) => {
    const check = client['check'] as unknown as (
      request: object,
      done: (error: ServiceError | null, answer: { status: string }) => void,
    ) => void;
    check.call(client, { service }, (error, answer) => (error === null ? resolve(answer.status) : reject(error)));
  }).finally(() => client.close());
}
