// A TCP proxy whose address changes hands: all connections are cut at once, and the next ones reach another server.
import { connect, createServer, type Socket } from 'node:net';

export interface SwitchingProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts every connection; what connects from now on reaches `target`. */
  switchTo(target: number): void;
  /** The same, when a request contains `pattern`, which does not reach its server any more. */
  switchAt(pattern: string, target: number): void;
}

/** Listens on a free port of 127.0.0.1. */
export async function openSwitchingProxy(first: number): Promise<SwitchingProxy> {
  let target = first;
  let armed: { readonly pattern: string; readonly target: number } | undefined;
  const sockets = new Set<Socket>();
  const switchTo = (next: number): void => {
    target = next;
    armed = undefined;
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => {
      if (armed !== undefined && data.includes(armed.pattern)) {
        switchTo(armed.target);
        return;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => client.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('the proxy has no port');
  }
  return {
    port: address.port,
    switchTo,
    switchAt: (pattern, next) => {
      armed = { pattern, target: next };
    },
    async [Symbol.asyncDispose]() {
      switchTo(target);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
