// Picks TCP ports on the loopback interface.
import { createServer } from 'node:net';
import { systemRandom } from '../../lib/random.ts';

// Below the range from which Linux takes the local ports of outgoing connections (32768 and up): a port from there could
// be taken by any client between our look and the server's bind, or while a killed server is down.
const PORT_MIN = 20_000;
const PORT_MAX = 31_999;
const TRIES_MAX = 50;

/** A port of 127.0.0.1 that was free a moment ago. The caller still handles losing it to somebody faster. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = PORT_MIN + Math.floor(systemRandom.next() * (PORT_MAX - PORT_MIN + 1));
    if (await isFree(port)) {
      return port;
    }
  }
  throw new Error(`no free port found on 127.0.0.1 between ${PORT_MIN} and ${PORT_MAX}`);
}

/** Whether nobody listens on `port` of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port }, () => probe.close(() => resolve(true)));
  });
}
