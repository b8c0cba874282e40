// A TCP proxy that carries everything unchanged and shows it to a meter.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Of one connection. `there` is from who dialled to who listens. */
export interface Meter {
  there(bytes: Buffer): void;
  back(bytes: Buffer): void;
}

export interface Tap extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
}

/** Listens on a free port of 127.0.0.1 and carries to `target` there, which need not listen yet. */
export async function openTap(target: number, meter: () => Meter): Promise<Tap> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
    const shown = meter();
    carry(near, far, (bytes) => shown.there(bytes));
    carry(far, near, (bytes) => shown.back(bytes));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(0, '127.0.0.1', resolve);
  await listening;
  const { port } = server.address() as AddressInfo;
  return {
    ...{ port, address: `127.0.0.1:${port}` },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

function carry(from: Socket, to: Socket, show: (bytes: Buffer) => void): void {
  from.on('data', (bytes: Buffer) => {
    show(bytes);
    if (!to.write(bytes)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.once('end', () => to.end());
  from.once('error', () => to.destroy());
}
