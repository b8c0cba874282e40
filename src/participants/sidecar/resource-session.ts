// One Session stream of an application: calls run side by side, answers of one turn leave as one frame, as the application reads.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ExecuteRequest__Output } from '../../gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse } from '../../gen/concordat/v1/ExecuteResponse.ts';
import type { PrepareRequest__Output } from '../../gen/concordat/v1/PrepareRequest.ts';
import type { ResourceCall__Output } from '../../gen/concordat/v1/ResourceCall.ts';
import type { ResourceReply } from '../../gen/concordat/v1/ResourceReply.ts';
import type { ResourceSessionRequest__Output } from '../../gen/concordat/v1/ResourceSessionRequest.ts';
import type { ResourceSessionResponse } from '../../gen/concordat/v1/ResourceSessionResponse.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { FrameWriter } from '../../wire/frames.ts';
import { checkMetadata } from '../../wire/metadata.ts';
import { QueueBudget } from '../../wire/queue-budget.ts';
import { checkFrame } from '../../wire/request.ts';
import { logged, toStatus, toWireError } from '../../wire/status.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { UNREAD_BYTES_MAX } from '../../xa/limits.ts';

type ExecuteStream = ServerDuplexStream<ResourceSessionRequest__Output, ResourceSessionResponse>;

/** An answer and about how many bytes it takes on the wire. */
export interface Weighed<T> {
  readonly value: T;
  readonly bytes: number;
}

interface ResourceCalls {
  readonly logger: EventLogger;
  execute(request: ExecuteRequest__Output): Promise<Weighed<ExecuteResponse>>;
  /** Never throws. */
  prepare(request: PrepareRequest__Output): void;
}

/** Calls of one stream at work; beyond it the stream is not read, and the sender feels it. */
const AT_WORK_MAX = 1_000;
/** A frame of answers; a larger answer goes alone. */
const FRAME_BYTES = 1024 * 1024;
/** Answers that wait for an application that does not read; then its stream is given up. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const ERROR_BYTES = 4_096;
/** Of all applications of this process. */
const budget = new QueueBudget(UNREAD_BYTES_MAX);

export class ResourceSession {
  readonly #stream: ExecuteStream;
  readonly #calls: ResourceCalls;
  readonly #onOver: () => void;
  readonly #replies: FrameWriter<Weighed<ResourceReply>, ResourceSessionResponse>;
  #atWork = 0;
  /** The application has said its last word, or we are asked to end. */
  #isEnding = false;
  #isOver = false;

  /** Branches do not end with the stream: their deadlines and the coordinator see to them. */
  constructor(stream: ExecuteStream, calls: ResourceCalls, onOver: () => void) {
    this.#stream = stream;
    this.#calls = calls;
    this.#onOver = onOver;
    this.#replies = new FrameWriter<Weighed<ResourceReply>, ResourceSessionResponse>(
      stream,
      (replies) => ({ replies: replies.map(({ value }) => value) }),
      () => this.#refuse(new CoordinatorError('CONNECTION_LOST', 'the application does not read its answers')),
      { weigh: ({ bytes }) => bytes, frameMax: FRAME_BYTES, queueMax: QUEUE_BYTES_MAX, budget },
    );
    stream.on('data', (frame: ResourceSessionRequest__Output) => this.#receive(frame));
    stream.on('end', () => this.end());
    stream.on('cancelled', () => this.#over());
    stream.on('close', () => this.#over());
    stream.on('error', () => this.#over());
    try {
      checkMetadata(stream.metadata);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Ends the stream after the answers that it still owes. */
  end(): void {
    this.#isEnding = true;
    if (this.#atWork === 0 && !this.#isOver) {
      this.#replies.flushNow();
      this.#stream.end();
    }
  }

  #receive(frame: ResourceSessionRequest__Output): void {
    if (this.#isOver) {
      return;
    }
    try {
      checkFrame(frame, frame.calls, 'calls');
    } catch (error) {
      this.#refuse(error);
      return;
    }
    for (const call of frame.calls) {
      if (call.prepare) {
        this.#calls.prepare(call.prepare);
      } else {
        void this.#answer(call);
      }
    }
    if (this.#atWork > AT_WORK_MAX) {
      this.#stream.pause();
    }
  }

  async #answer({ id, execute }: ResourceCall__Output): Promise<void> {
    this.#atWork += 1;
    let reply: Weighed<ResourceReply>;
    try {
      if (execute === null || execute === undefined) {
        throw new CoordinatorError('FIELD_INVALID', 'execute is missing');
      }
      const { value, bytes } = await this.#calls.execute(execute);
      reply = { value: { id, execute: value }, bytes };
    } catch (error) {
      reply = { value: { id, error: toWireError(logged(this.#calls.logger, 'Session', error)) }, bytes: ERROR_BYTES };
    }
    this.#atWork -= 1;
    if (this.#isOver) {
      return;
    }
    this.#replies.send(reply);
    if (this.#isEnding) {
      this.end();
    } else if (this.#atWork <= AT_WORK_MAX / 2 && this.#stream.isPaused()) {
      this.#stream.resume();
    }
  }

  #refuse(error: unknown): void {
    this.#stream.emit('error', toStatus(error));
    this.#over();
  }

  #over(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#replies.close();
      this.#onOver();
    }
  }
}
