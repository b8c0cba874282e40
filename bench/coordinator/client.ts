// A client that begins and commits transactions in a closed loop, so many of them at once.
import type { ClientSessions } from '../../src/coordinator/client-session.ts';
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { Lease } from '../../src/gen/concordat/v1/Lease.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import { PROTOCOL_VERSION } from '../../src/wire/version.ts';
import { formatGtrid, parseLogIdentity } from '../../src/xa/xid.ts';
import { StandInStream } from './stand-in-stream.ts';

export interface LoadOptions {
  readonly resources: readonly string[];
  readonly inFlight: number;
  readonly seconds: number;
}

/** @returns how long each commit took, in milliseconds. */
export function load(sessions: ClientSessions, options: LoadOptions): Promise<number[]> {
  const { resources, inFlight, seconds } = options;
  const { promise: done, resolve, reject } = Promise.withResolvers<number[]>();
  const latencies: number[] = [];
  const begun = new Map<number, number>();
  const end = performance.now() + seconds * 1_000;
  let [identity, epoch, next, left, lastId] = ['', 0, 0, 0, 0];

  const take = (lease: Lease | null | undefined): void => {
    next = Number(lease?.first ?? 0);
    left = lease?.count ?? 0;
    while (begun.size < inFlight && left > 0 && performance.now() < end) {
      start();
    }
  };
  const start = (): void => {
    const known = parseLogIdentity(identity);
    if (known === undefined) {
      throw new Error('the coordinator did not tell its identity');
    }
    const gtrid = formatGtrid({ identity: known, epoch, sequence: next });
    next += 1;
    left -= 1;
    lastId += 1;
    begun.set(lastId, performance.now());
    say({ id: 0, begin: { requestId: '', gtrid, timeoutMs: 30_000 } });
    const branches = resources.map((bqual) => ({ bqual, instance: bqual }));
    say({ id: lastId, commit: { requestId: gtrid, gtrid, acknowledgement: 'ACKNOWLEDGEMENT_APPLIED', branches } });
    if (left === 0) {
      lastId += 1;
      say({ id: lastId, lease: {} });
    }
  };
  const committed = (id: number): void => {
    latencies.push(performance.now() - (begun.get(id) ?? 0));
    begun.delete(id);
    if (performance.now() < end) {
      if (left > 0) {
        start();
      }
    } else if (begun.size === 0) {
      resolve(latencies);
    }
  };
  const stream = new StandInStream<ServerMessage, ClientMessage>((message) => {
    if (message.welcome) {
      identity = message.welcome.logIdentity ?? '';
      epoch = Number(message.welcome.epoch ?? 0);
      take(message.welcome.lease);
    } else if (message.lease) {
      take(message.lease);
    } else if (message.commit) {
      committed(message.id ?? 0);
    } else if (message.error) {
      reject(new Error(`the coordinator refused: ${message.error.message}`));
    }
  });
  const say = (message: ClientMessage): void => stream.say({ body: bodyOf(message), ...message });
  sessions.serve(stream as unknown as Parameters<ClientSessions['serve']>[0]);
  say({ id: 0xffff, hello: { protocolVersion: PROTOCOL_VERSION, application: 'bench' } });
  return done;
}

/** The name of the message's one body, which the wire would tell. */
function bodyOf(message: ClientMessage): NonNullable<ClientMessage['body']> {
  return Object.keys(message).find((key) => key !== 'id') as NonNullable<ClientMessage['body']>;
}
