// A TCP proxy in front of MySQL or MariaDB that writes down which commands pass and in how many round trips.
import { connect, createServer, type Socket } from 'node:net';

export interface CommandTap extends AsyncDisposable {
  readonly port: number;
  /** The first byte of each request of all connections, in order: the command. Handshakes are left out. */
  readonly commands: readonly number[];
  /** How often a client had to wait for the server: writes after which the server spoke. */
  readonly roundTrips: number;
  /** Forgets what was written down so far. */
  reset(): void;
}

/** Listens on a free port of 127.0.0.1 and forwards to `target` there. */
export async function openCommandTap(target: number): Promise<CommandTap> {
  let commands: number[] = [];
  let roundTrips = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const engine = connect(target, '127.0.0.1');
    let pending = Buffer.alloc(0);
    let isAsking = false;
    for (const [socket, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (data) => {
      engine.write(data);
      pending = Buffer.concat([pending, data]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readUIntLE(0, 3)) {
        // A request starts counting at 0; the packets of the handshake go on from the server's.
        if (pending[3] === 0) {
          commands.push(pending[4] ?? -1);
          isAsking = true;
        }
        pending = pending.subarray(4 + pending.readUIntLE(0, 3));
      }
    });
    engine.on('data', (data) => {
      if (isAsking) {
        roundTrips += 1;
        isAsking = false;
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
    get commands() {
      return commands;
    },
    get roundTrips() {
      return roundTrips;
    },
    reset() {
      commands = [];
      roundTrips = 0;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
