// A client's session stream, frame by frame: what it sends in one frame is the test's choice.
import { type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { ServerMessage__Output as ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import type { SessionRequest } from '../../src/gen/concordat/v1/SessionRequest.ts';
import type { SessionResponse__Output as SessionResponse } from '../../src/gen/concordat/v1/SessionResponse.ts';
import type { SessionWelcome__Output as SessionWelcome } from '../../src/gen/concordat/v1/SessionWelcome.ts';
import type { TransactionServiceClient } from '../../src/gen/concordat/v1/TransactionService.ts';
import { wire } from '../../src/wire/proto.ts';
import { formatGtrid, type LogIdentity } from '../../src/xa/xid.ts';
import { eventually } from '../support/eventually.ts';

type Body = NonNullable<ServerMessage['body']>;

export class TestSession implements AsyncDisposable {
  readonly received: ServerMessage[] = [];
  status: StatusObject | undefined;
  readonly #client: TransactionServiceClient;
  readonly #stream: ClientDuplexStream<SessionRequest, SessionResponse>;
  #nextId = 0;
  #used = 0;

  /** `client`: another session's connection, which it then shares. */
  constructor(address: string, options: { readonly metadata?: Metadata; readonly beside?: TestSession } = {}) {
    this.#client =
      options.beside === undefined
        ? new wire.TransactionService(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
        : options.beside.#client;
    this.#stream = this.#client.Session(options.metadata ?? new Metadata());
    this.#stream.on('data', (frame: SessionResponse) => this.received.push(...frame.messages));
    this.#stream.on('error', () => undefined);
    this.#stream.on('status', (status: StatusObject) => {
      this.status = status;
    });
  }

  /** One frame; ids are the caller's. */
  send(...messages: ClientMessage[]): void {
    this.#stream.write({ messages });
  }

  /** Sends each in a frame of its own with a fresh id. @returns the answer. */
  ask(body: Omit<ClientMessage, 'id'>): Promise<ServerMessage> {
    const id = this.id();
    this.send({ id, ...body });
    return this.answer(id);
  }

  id(): number {
    this.#nextId += 1;
    return this.#nextId;
  }

  answer(id: number, withinMs?: number): Promise<ServerMessage> {
    return eventually(`the answer to ${id}`, () => this.received.find((message) => message.id === id), withinMs);
  }

  answers(id: number): number {
    return this.received.filter((message) => message.id === id).length;
  }

  heard<B extends Body>(body: B): NonNullable<ServerMessage[B]>[] {
    return this.received.flatMap((message) => message[body] ?? []) as NonNullable<ServerMessage[B]>[];
  }

  hears<B extends Body>(body: B, count = 1, withinMs?: number): Promise<NonNullable<ServerMessage[B]>> {
    return eventually(`the session hears ${count} × ${body}`, () => this.heard(body)[count - 1], withinMs);
  }

  get welcome(): SessionWelcome {
    const [welcome] = this.heard('welcome');
    if (welcome === undefined) {
      throw new Error('the session is not welcomed yet');
    }
    return welcome;
  }

  /** The next unused id of its first lease. */
  gtrid(): string {
    const { logIdentity, epoch, lease } = this.welcome;
    const sequence = Number(lease?.first) + this.#used;
    this.#used += 1;
    return formatGtrid({ identity: logIdentity as LogIdentity, epoch: Number(epoch), sequence });
  }

  ended(): Promise<StatusObject> {
    return eventually('the session ends', () => this.status);
  }

  /** Half-closes, as a client that leaves in peace. */
  end(): void {
    this.#stream.end();
  }

  /** Breaks, as a client that was killed. */
  cut(): void {
    this.#stream.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#client.close();
  }
}
