// One Session stream to one sidecar, shared by every transaction of the client: statements out, replies in.

import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import type { ExecuteRequest } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse__Output as ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import type { PrepareRequest } from '../../gen/concordat/v1/PrepareRequest.ts';
import type { ResourceCall } from '../../gen/concordat/v1/ResourceCall.ts';
import type { ResourceServiceClient } from '../../gen/concordat/v1/ResourceService.ts';
import type { ResourceSessionRequest } from '../../gen/concordat/v1/ResourceSessionRequest.ts';
import type { ResourceSessionResponse__Output as ResourceSessionResponse } from '../../gen/concordat/v1/ResourceSessionResponse.ts';
import { FrameWriter } from '../../wire/frames.ts';
import { wire } from '../../wire/proto.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { LIST_ENTRIES_MAX } from '../../xa/limits.ts';
import type { StatementError } from '../public/errors.ts';
import { channelCredentials, RESOURCE_CHANNEL } from './channel.ts';
import { lostStatement, streamFailure, toStatementError } from './failures.ts';

/** Hears exactly one of the two, once. */
interface StatementListener {
  /** The resource that the statement is for. */
  readonly resource: string;
  onDone(response: ExecuteResponse): void;
  /** It failed, or the stream broke: then nobody can tell whether it was executed. */
  onFailed(error: StatementError): void;
}

const ID_MAX = 0xffff_ffff;
/** A frame of statements is about this large at most, and a queue beyond the other means that the sidecar does not read. */
const FRAME_BYTES_MAX = 1024 * 1024;
/** Added for each parameter, so that a frame of many small ones stays below LIST_ENTRIES_MAX as well. */
const PARAMETER_SHARE_BYTES = Math.ceil(FRAME_BYTES_MAX / (LIST_ENTRIES_MAX / 2));
const QUEUE_BYTES_MAX = 256 * 1024 * 1024;
const OVERHEAD_BYTES = 128;
const PARAMETER_OVERHEAD_BYTES = 16;

/** About how many bytes the request takes on the wire; never less than it does by more than a few. */
export function requestBytes(request: ExecuteRequest): number {
  let bytes = OVERHEAD_BYTES + Buffer.byteLength(request.sql ?? '');
  for (const { text, json, bytes: binary } of request.parameters ?? []) {
    bytes += PARAMETER_OVERHEAD_BYTES + (binary?.length ?? Buffer.byteLength(text ?? json ?? ''));
  }
  return bytes;
}

/** Made by `ResourceLinks`; it is never used again once it is lost. */
export class ResourceLink {
  readonly address: string;
  /** Branches that live at the other end and are not over: while there are any, the link is kept. */
  branches = 0;
  readonly #client: ResourceServiceClient;
  readonly #stream: ClientDuplexStream<ResourceSessionRequest, ResourceSessionResponse>;
  readonly #writer: FrameWriter<ResourceCall, ResourceSessionRequest>;
  readonly #listeners = new Map<number, StatementListener>();
  readonly #onLost: (link: ResourceLink, error: CoordinatorError) => void;
  #nextId = 0;
  #answers = false;
  #lost = false;

  constructor(address: string, onLost: (link: ResourceLink, error: CoordinatorError) => void) {
    this.address = address;
    this.#onLost = onLost;
    this.#client = new wire.ResourceService(address, channelCredentials(), RESOURCE_CHANNEL);
    this.#stream = this.#client.Session();
    this.#writer = new FrameWriter(
      this.#stream,
      (calls) => ({ calls }),
      () => this.#lose(new CoordinatorError('CONNECTION_LOST', 'The participant does not read its session.')),
      {
        weigh: (call) =>
          requestBytes(call.execute ?? {}) + (call.execute?.parameters?.length ?? 0) * PARAMETER_SHARE_BYTES,
        frameMax: FRAME_BYTES_MAX,
        queueMax: QUEUE_BYTES_MAX,
      },
    );
    this.#stream.on('data', (frame: ResourceSessionResponse) => this.#receive(frame));
    this.#stream.on('error', (error: ServiceError) => this.#lose(streamFailure(error)));
    this.#stream.on('end', () => {
      this.#lose(new CoordinatorError('CONNECTION_LOST', 'The participant ended the session.'));
    });
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** The other end has been heard, and the stream has not broken since. */
  get answers(): boolean {
    return this.#answers && !this.#lost;
  }

  /** Answers the id under which `abandon` stops listening. */
  execute(request: ExecuteRequest, listener: StatementListener): number {
    do {
      this.#nextId = this.#nextId === ID_MAX ? 1 : this.#nextId + 1;
    } while (this.#listeners.has(this.#nextId));
    this.#listeners.set(this.#nextId, listener);
    this.#writer.send({ id: this.#nextId, execute: request });
    return this.#nextId;
  }

  /** Not answered. */
  prepare(request: PrepareRequest): void {
    this.#writer.send({ prepare: request });
  }

  abandon(id: number): void {
    this.#listeners.delete(id);
  }

  close(): void {
    this.#lose(new CoordinatorError('CONNECTION_LOST', 'The client was closed.'));
  }

  #receive(frame: ResourceSessionResponse): void {
    this.#answers = true;
    for (const reply of frame.replies) {
      const listener = this.#listeners.get(reply.id);
      this.#listeners.delete(reply.id);
      if (reply.execute) {
        listener?.onDone(reply.execute);
      } else if (reply.error) {
        listener?.onFailed(toStatementError(listener.resource, reply.error));
      }
    }
  }

  #lose(error: CoordinatorError): void {
    if (this.#lost) {
      return;
    }
    this.#lost = true;
    this.#writer.close();
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    this.#onLost(this, error);
    for (const listener of listeners) {
      listener.onFailed(lostStatement(listener.resource, error));
    }
    this.#stream.cancel();
    this.#client.close();
  }
}
