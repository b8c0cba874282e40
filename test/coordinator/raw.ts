// gRPC without a gRPC library: HTTP/2 requests whose headers and bytes are the test's own.
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';

export interface RawAnswer {
  /** HTTP status; 0: the stream or the connection was reset before any. */
  readonly http: number;
  /** gRPC status code as the trailers or headers tell it; undefined: none came. */
  readonly status: number | undefined;
  readonly message: string;
}

export interface RawCall {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array;
  /** Keep the request half open. */
  readonly open?: boolean;
}

export class RawClient implements AsyncDisposable {
  readonly #session: ClientHttp2Session;

  constructor(address: string) {
    this.#session = connect(`http://${address}`);
    this.#session.on('error', () => undefined);
  }

  call({ path = '/concordat.v1.TransactionService/Begin', headers = {}, body, open }: RawCall): Promise<RawAnswer> {
    return new Promise((resolve) => {
      let http = 0;
      let known: IncomingHttpHeaders = {};
      const request = this.#session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc+proto',
        te: 'trailers',
        ...(headers as Record<string, string>),
      });
      request.on('response', (answer) => {
        http = answer[':status'] ?? 0;
        known = { ...known, ...answer };
      });
      request.on('trailers', (trailers) => {
        known = { ...known, ...trailers };
      });
      request.on('error', () => undefined);
      request.on('data', () => undefined);
      // The answer is whole: a request that is still open is given up.
      request.on('end', () => request.close());
      request.on('close', () => {
        const status = known['grpc-status'];
        resolve({
          http,
          status: status === undefined ? undefined : Number(status),
          message: decodeURIComponent(String(known['grpc-message'] ?? '')),
        });
      });
      if (body !== undefined) {
        request.write(body);
      }
      if (open !== true) {
        request.end();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.destroy();
  }
}

/** One length-prefixed message. */
export function framed(payload: Uint8Array, compressed = 0): Uint8Array {
  const header = Buffer.alloc(5);
  header.writeUInt8(compressed, 0);
  header.writeUInt32BE(payload.byteLength, 1);
  return Buffer.concat([header, payload]);
}

/** A protobuf field that holds bytes. */
export function field(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.byteLength), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
