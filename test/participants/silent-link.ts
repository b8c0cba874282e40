// A way to a database that forgets its connections without a word, as a firewall does: new ones work.
import { connect, createServer, type Socket } from 'node:net';

export interface SilentLink extends AsyncDisposable {
  readonly port: number;
  /** From now on nothing passes on the connections that are open, and neither end is told. */
  silence(): void;
}

/** Listens on a free port of 127.0.0.1 and carries everything to `target` there. */
export async function openSilentLink(target: number): Promise<SilentLink> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => undefined);
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('a server that listens has a port');
  }
  return {
    port: address.port,
    silence() {
      for (const socket of sockets) {
        socket.pause();
        socket.removeAllListeners('data').removeAllListeners('close');
        socket.on('data', () => undefined);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
