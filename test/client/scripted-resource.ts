// A sidecar that says what a test tells it to, over real gRPC.
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Error as WireError } from '../../src/gen/concordat/v1/Error.ts';
import type { ExecuteRequest__Output as ExecuteRequest } from '../../src/gen/concordat/v1/ExecuteRequest.ts';
import type { ExecuteResponse } from '../../src/gen/concordat/v1/ExecuteResponse.ts';
import type { PrepareRequest } from '../../src/gen/concordat/v1/PrepareRequest.ts';
import type { ResourceSessionRequest__Output as ResourceSessionRequest } from '../../src/gen/concordat/v1/ResourceSessionRequest.ts';
import type { ResourceSessionResponse } from '../../src/gen/concordat/v1/ResourceSessionResponse.ts';
import { wire } from '../../src/wire/proto.ts';

type Stream = ServerDuplexStream<ResourceSessionRequest, ResourceSessionResponse>;
export type Reply = { execute: ExecuteResponse } | { error: WireError } | undefined;

export class ScriptedResource {
  readonly port: number;
  readonly instance: string;
  /** Every statement, in order, over all streams. */
  readonly executed: ExecuteRequest[] = [];
  /** Branches whose vote was asked for. */
  readonly asked: PrepareRequest[] = [];
  readonly frameSizes: number[] = [];
  readonly streams = new Set<Stream>();
  /** How many streams were ever opened. */
  opened = 0;
  answer: (request: ExecuteRequest) => Reply | Promise<Reply>;
  readonly #server: Server;

  constructor(server: Server, port: number, instance: string) {
    this.#server = server;
    this.port = port;
    this.instance = instance;
    this.answer = () => ({ execute: { instance, rowCount: 1 } });
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  entry(name: string, engine = 'postgresql'): { name: string; engine: string; address: string; instance: string } {
    return { name, engine, address: this.address, instance: this.instance };
  }

  /** The statements, as text. */
  get sql(): string[] {
    return this.executed.map(({ sql }) => sql);
  }

  breakStreams(): void {
    for (const stream of this.streams) {
      this.streams.delete(stream);
      stream.emit('error', { code: status.UNAVAILABLE, details: 'scripted break' });
    }
  }

  readonly serve = (stream: Stream): void => {
    this.opened++;
    this.streams.add(stream);
    stream.on('end', () => stream.end());
    stream.on('close', () => this.streams.delete(stream));
    stream.on('cancelled', () => this.streams.delete(stream));
    stream.on('error', () => undefined);
    stream.on('data', (frame: ResourceSessionRequest) => {
      this.frameSizes.push(frame.calls.length);
      for (const { id, execute, prepare } of frame.calls) {
        if (prepare) {
          this.asked.push({ gtrid: prepare.gtrid, bqual: prepare.bqual });
        }
        if (execute) {
          this.executed.push(execute);
          void Promise.resolve(this.answer(execute)).then((reply) => {
            if (reply !== undefined) {
              stream.write({ replies: [{ id, ...reply }] });
            }
          });
        }
      }
    });
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

let instances = 0;

export async function startResource(): Promise<ScriptedResource> {
  const server = new Server();
  let resource: ScriptedResource | undefined;
  server.addService(wire.ResourceService.service, { Session: (stream: Stream) => resource?.serve(stream) } as never);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  instances++;
  resource = new ScriptedResource(server, port, `instance-${instances}`);
  return resource;
}
