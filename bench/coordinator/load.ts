// Transactions in a closed loop, so many of them at once.
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import { openClient } from './client.ts';
import type { Dial } from './line.ts';

export interface LoadOptions {
  readonly resources: readonly string[];
  readonly inFlight: number;
  readonly seconds: number;
}

/** @returns how long each commit took, from its begin on, in milliseconds. */
export function load(dial: Dial<ServerMessage, ClientMessage>, options: LoadOptions): Promise<number[]> {
  const { resources, inFlight, seconds } = options;
  const { promise: done, resolve, reject } = Promise.withResolvers<number[]>();
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1_000;
  let open = 0;

  const fill = (): void => {
    while (open < inFlight && performance.now() < end) {
      const gtrid = client.begin();
      if (gtrid === undefined) {
        return;
      }
      const began = performance.now();
      open += 1;
      client.commit(gtrid, resources, () => {
        latencies.push(performance.now() - began);
        open -= 1;
        fill();
      });
    }
    if (open === 0) {
      client.hangUp();
      resolve(latencies);
    }
  };
  const client = openClient(dial, { timeoutMs: 30_000, onIds: fill, onRefused: reject });
  return done;
}
