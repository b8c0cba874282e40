// A TCP proxy that loses one chosen message: the request before the engine sees it, or the answer after it has acted.
import { connect, createServer, type Socket } from 'node:net';

export interface LossyProxy extends AsyncDisposable {
  readonly port: number;
  /** How many messages were lost so far. */
  readonly lost: number;
  /**
   * The next request that contains `pattern` is lost and its connection cut: `request` before it is forwarded, `answer` when
   * the engine has answered it.
   */
  loseNext(pattern: string, what: 'request' | 'answer'): void;
}

/** Listens on a free port of 127.0.0.1 and forwards to `target` there. */
export async function openLossyProxy(target: number): Promise<LossyProxy> {
  let armed: { readonly pattern: string; readonly what: 'request' | 'answer' } | undefined;
  let lost = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const engine = connect(target, '127.0.0.1');
    let swallowing = false;
    const cut = () => {
      client.destroy();
      engine.destroy();
    };
    for (const socket of [client, engine]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (data) => {
      if (armed !== undefined && data.includes(armed.pattern)) {
        lost += 1;
        if (armed.what === 'request') {
          armed = undefined;
          cut();
          return;
        }
        armed = undefined;
        swallowing = true;
      }
      engine.write(data);
    });
    engine.on('data', (data) => {
      if (swallowing) {
        cut();
        return;
      }
      client.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('the proxy has no port');
  }
  return {
    port: address.port,
    get lost() {
      return lost;
    },
    loseNext(pattern, what) {
      armed = { pattern, what };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
