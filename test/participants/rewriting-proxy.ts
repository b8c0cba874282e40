// A TCP proxy that lets bytes be changed on their way to a server, and that can fall silent.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface RewritingProxy extends AsyncDisposable {
  readonly port: number;
  /** From now on, `from` becomes `to` on the way to the server; both have the same length. */
  rewrite(from: string, to: string): void;
  /** Nothing passes any more on the connections that are open, in either direction, and nothing is closed. */
  silence(): void;
}

export async function openRewritingProxy(serverPort: number): Promise<RewritingProxy> {
  const rewrites: { readonly from: Buffer; readonly to: Buffer }[] = [];
  const silent = new Set<Socket>();
  const pairs: [Socket, Socket][] = [];
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    pairs.push([client, upstream]);
    client.on('data', (data: Buffer) => {
      for (const { from, to } of rewrites) {
        for (let at = data.indexOf(from); at !== -1; at = data.indexOf(from)) {
          to.copy(data, at);
        }
      }
      if (!silent.has(client)) {
        upstream.write(data);
      }
    });
    upstream.on('data', (data: Buffer) => {
      if (!silent.has(client)) {
        client.write(data);
      }
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => undefined);
      socket.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    rewrite(from, to) {
      if (from.length !== to.length) {
        throw new Error('the text must keep its length');
      }
      rewrites.push({ from: Buffer.from(from), to: Buffer.from(to) });
    },
    silence() {
      for (const [client] of pairs) {
        silent.add(client);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const [client, upstream] of pairs) {
        client.destroy();
        upstream.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
