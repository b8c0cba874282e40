// The coordinator's half of the attach stream, over real gRPC, saying what a test tells it to.

import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { AttachRequest__Output as AttachRequest } from '../../src/gen/concordat/v1/AttachRequest.ts';
import type { AttachResponse } from '../../src/gen/concordat/v1/AttachResponse.ts';
import type { CoordinatorMessage } from '../../src/gen/concordat/v1/CoordinatorMessage.ts';
import type { ParticipantMessage__Output as ParticipantMessage } from '../../src/gen/concordat/v1/ParticipantMessage.ts';
import { wire } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { toWireError } from '../../src/wire/status.ts';
import type { CoordinatorError } from '../../src/xa/errors.ts';
import { type LogIdentity, parseLogIdentity } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';

type Body = NonNullable<ParticipantMessage['body']>;
type Stream = ServerDuplexStream<AttachRequest, AttachResponse>;

/** One stream of one participant. */
export class AttachSession {
  readonly received: ParticipantMessage[] = [];
  ended = false;
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  send(...messages: CoordinatorMessage[]): void {
    this.#stream.write({ messages });
  }

  /** Breaks the stream: the participant sees what a lost connection looks like. */
  break(): void {
    this.#stream.emit('error', { code: status.UNAVAILABLE, details: 'broken by the test' });
  }

  end(): void {
    this.#stream.end();
  }

  /** What was said of one kind so far. */
  heard<B extends Body>(body: B): NonNullable<ParticipantMessage[B]>[] {
    return this.received.flatMap((message) => message[body] ?? []) as NonNullable<ParticipantMessage[B]>[];
  }

  /** The `count`-th message of one kind, once it is there. */
  async hears<B extends Body>(body: B, count = 1): Promise<NonNullable<ParticipantMessage[B]>> {
    return await eventually(`${count} × ${body}`, () => this.heard(body)[count - 1], 5_000);
  }
}

export class AttachCoordinator implements AsyncDisposable {
  identity: LogIdentity = identityOf('abcdefghij');
  epoch = 1;
  /** Of the life of the log; none by default, as a coordinator of an older version. */
  token = '';
  heartbeatIntervalMs = 500;
  reconcileIntervalMs = 500;
  /** A heartbeat is answered with one. */
  isAlive = true;
  /** What a hello is answered with, unless a test takes it over. */
  greet: (session: AttachSession) => void = (session) => session.send(this.welcome());
  /** What a ready is answered with. */
  admit: (session: AttachSession) => void = (session) => session.send({ admitted: {} });
  readonly sessions: AttachSession[] = [];
  port = 0;
  #server: Server | undefined;

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  welcome(): CoordinatorMessage {
    const { identity, epoch, token: lifeToken, heartbeatIntervalMs, reconcileIntervalMs } = this;
    const protocol = PROTOCOL.protocolHighest;
    return { welcome: { protocol, logIdentity: identity, epoch, heartbeatIntervalMs, reconcileIntervalMs, lifeToken } };
  }

  refuseWith(error: CoordinatorError): void {
    this.greet = (session) => {
      session.send({ refused: toWireError(error) });
      session.end();
    };
  }

  /** Serves, at the port of before if it has served once. */
  async start(): Promise<void> {
    const server = new Server();
    server.addService(wire.ParticipantService.service, { Attach: this.#serve });
    this.port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    this.#server = server;
  }

  /** Dies: every stream breaks and nobody listens. */
  die(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** The `count`-th stream that ever attached and became ready. */
  async attached(count = 1): Promise<AttachSession> {
    return await eventually(
      `${count} ready participants`,
      () => this.sessions.filter((session) => session.heard('ready').length > 0)[count - 1],
      8_000,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.die();
  }

  readonly #serve = (stream: Stream): void => {
    const session = new AttachSession(stream);
    this.sessions.push(session);
    stream.on('data', (frame: AttachRequest) => {
      for (const message of frame.messages) {
        session.received.push(message);
        if (message.hello) {
          this.greet(session);
        } else if (message.ready) {
          this.admit(session);
        } else if (message.heartbeat && this.isAlive) {
          session.send({ heartbeat: {} });
        }
      }
    });
    stream.on('end', () => {
      session.ended = true;
      stream.end();
    });
    stream.on('cancelled', () => {
      session.ended = true;
    });
    stream.on('error', () => undefined);
  };
}

export async function startAttachCoordinator(): Promise<AttachCoordinator> {
  const coordinator = new AttachCoordinator();
  await coordinator.start();
  return coordinator;
}

export function identityOf(text: string): LogIdentity {
  const identity = parseLogIdentity(text);
  if (identity === undefined) {
    throw new Error(`no identity: ${text}`);
  }
  return identity;
}
