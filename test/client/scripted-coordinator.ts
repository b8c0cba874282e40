// A coordinator that says what a test tells it to, over real gRPC: the client's half of every conversation can be seen.

import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { ClientMessage__Output as ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { Error as WireError } from '../../src/gen/concordat/v1/Error.ts';
import type { ResourceEntry } from '../../src/gen/concordat/v1/ResourceEntry.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import type { SessionRequest__Output as SessionRequest } from '../../src/gen/concordat/v1/SessionRequest.ts';
import type { SessionResponse } from '../../src/gen/concordat/v1/SessionResponse.ts';
import { wire } from '../../src/wire/proto.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';

type Verb = NonNullable<ClientMessage['body']>;
/** What to answer: a body, an error, or nothing at all. */
export type Answer = Omit<ServerMessage, 'id'> | undefined;
export type Script = (message: ClientMessage, session: ScriptedSession) => Answer | Promise<Answer>;

export interface ScriptedSession {
  /** Says something unasked, or late. */
  send(message: ServerMessage): void;
  /** Breaks this stream; the server lives on. */
  break(): void;
  readonly ended: Promise<void>;
}

export const IDENTITY = 'abcdefghij';

export class ScriptedCoordinator {
  readonly port: number;
  epoch = 1;
  protocol = PROTOCOL.protocolHighest;
  leaseSize = 1_000;
  entries: ResourceEntry[] = [];
  /** Everything the client said, in order, over all sessions. */
  readonly received: ClientMessage[] = [];
  /** The verbs of each frame. */
  readonly frames: Verb[][] = [];
  readonly sessions: ScriptedSession[] = [];
  readonly scripts = new Map<Verb, Script>();
  #server: Server;
  #nextSequence = 0;

  constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Dies: every connection breaks, nobody listens any more. */
  async die(): Promise<void> {
    this.#server.forceShutdown();
    await Promise.all(this.sessions.map((session) => session.ended));
  }

  /** Comes back in a new epoch at the same address. */
  async comeBack(): Promise<void> {
    this.epoch++;
    this.#server = await listen(this.port, () => this);
  }

  /** What the client said of one kind. */
  heard<V extends Verb>(verb: V): NonNullable<ClientMessage[V]>[] {
    return this.received.flatMap((message) => message[verb] ?? []) as NonNullable<ClientMessage[V]>[];
  }

  on(verb: Verb, script: Script): void {
    this.scripts.set(verb, script);
  }

  setDirectory(entries: ResourceEntry[]): void {
    this.entries = entries;
    for (const session of this.sessions) {
      session.send({ resources: { entries } });
    }
  }

  readonly serve = (stream: ServerDuplexStream<SessionRequest, SessionResponse>): void => {
    const ended = new Promise<void>((resolve) => {
      stream.on('end', () => {
        stream.end();
        resolve();
      });
      stream.on('cancelled', resolve);
      stream.on('error', () => resolve());
    });
    const session: ScriptedSession = {
      send: (message) => void stream.write({ messages: [message] }),
      break: () => void stream.emit('error', { code: status.UNAVAILABLE, details: 'scripted break' }),
      ended,
    };
    this.sessions.push(session);
    stream.on('data', async (frame: SessionRequest) => {
      this.frames.push(frame.messages.flatMap(({ body }) => body ?? []));
      this.received.push(...frame.messages);
      for (const message of frame.messages) {
        const script = this.scripts.get(message.body ?? 'hello');
        const answer = script === undefined ? this.#usual(message) : await script(message, session);
        if (answer !== undefined) {
          session.send({ id: message.id, ...answer });
        }
      }
    });
  };

  #usual(message: ClientMessage): Answer {
    switch (message.body) {
      case 'hello':
        return {
          welcome: {
            protocol: this.protocol,
            logIdentity: IDENTITY,
            epoch: this.epoch,
            lease: this.#lease(),
            resources: { entries: this.entries },
            defaultTimeoutMs: 30_000,
          },
        };
      case 'lease':
        return { lease: this.#lease() };
      case 'commit':
        return { commit: { outcome: 'OUTCOME_COMMITTED', state: 'TRANSACTION_STATE_COMPLETED' } };
      case 'rollback':
        return { rollback: { outcome: 'OUTCOME_ROLLED_BACK', state: 'TRANSACTION_STATE_COMPLETED' } };
      case 'setRollbackOnly':
        return { setRollbackOnly: {} };
      default:
        return undefined;
    }
  }

  #lease(): { first: number; count: number } {
    const first = this.#nextSequence;
    this.#nextSequence += this.leaseSize;
    return { first, count: this.leaseSize };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

export async function startCoordinator(): Promise<ScriptedCoordinator> {
  let coordinator: ScriptedCoordinator | undefined;
  const server = await listen(0, () => coordinator);
  const port = boundPorts.get(server) ?? 0;
  coordinator = new ScriptedCoordinator(server, port);
  return coordinator;
}

const boundPorts = new WeakMap<Server, number>();

async function listen(port: number, owner: () => ScriptedCoordinator | undefined): Promise<Server> {
  const server = new Server();
  server.addService(wire.TransactionService.service, {
    Session: (stream: ServerDuplexStream<SessionRequest, SessionResponse>) => owner()?.serve(stream),
  } as never);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  boundPorts.set(server, bound);
  return server;
}

/** A refusal, as a coordinator words it. */
export function refusal(reason: string, more: WireError = {}): { error: WireError } {
  return { error: { reason, message: `scripted ${reason}`, retryable: false, ...more } };
}
