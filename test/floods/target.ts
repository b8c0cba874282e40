// What an attack has: where it goes, how long it goes on, and the bytes that everything is made of.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Target {
  readonly address: string;
  /** Of health by HTTP/1. */
  readonly adminAddress: string;
  /** The life of the coordinator, as it tells everybody. */
  readonly identity: string;
  readonly epoch: number;
  /** The attack goes on until then. */
  readonly isOver: () => boolean;
}

export type Attack = (target: Target) => Promise<void>;

/** Calls at once of one connection of an attack. */
export const WIDTH = 50;

export function open(target: Target, options: object = {}): ClientHttp2Session {
  const session = connect(`http://${target.address}`, options);
  session.on('error', () => undefined);
  return session;
}

export interface Sent {
  readonly stream: ClientHttp2Stream;
  readonly over: Promise<void>;
}

/** One gRPC call with these bytes; half open when `isOpen`. */
export function send(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array | undefined,
  { isOpen = false, headers = {} }: { readonly isOpen?: boolean; readonly headers?: Record<string, string> } = {},
): Sent {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/concordat.v1.${path}`,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
    ...headers,
  });
  const over = new Promise<void>((resolve) => stream.on('close', () => resolve()));
  stream.on('error', () => undefined);
  stream.resume();
  stream.on('end', () => stream.close());
  if (body !== undefined) {
    stream.write(body);
  }
  if (!isOpen) {
    stream.end();
  }
  return { stream, over };
}

/** Repeats one call side by side until the time is up, or `most` were made. */
export async function repeat(target: Target, most: number, call: (n: number) => Promise<void>): Promise<void> {
  let made = 0;
  const one = async (): Promise<void> => {
    while (!target.isOver() && made < most) {
      made += 1;
      await call(made);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, one));
  await holdOn(target);
}

/** What was opened stays open until the time is up. */
export async function holdOn(target: Target): Promise<void> {
  while (!target.isOver()) {
    await sleep(20);
  }
}

export function tcp(address: string): Socket {
  const [host = '', port = ''] = address.split(':');
  const socket = connectTcp(Number(port), host);
  socket.on('error', () => undefined);
  socket.resume();
  return socket;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const HELLO = Buffer.concat([PREFACE, http2Frame(4, 0, 0)]);
