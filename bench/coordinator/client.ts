// A client session that numbers its own transactions from the ranges that it is leased.
import type { ClientMessage } from '../../src/gen/concordat/v1/ClientMessage.ts';
import type { Lease } from '../../src/gen/concordat/v1/Lease.ts';
import type { ServerMessage } from '../../src/gen/concordat/v1/ServerMessage.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { formatGtrid, type Gtrid, type LogIdentity, parseLogIdentity } from '../../src/xa/xid.ts';
import type { Dial, Line } from './line.ts';

const HELLO_ID = 0xffff_ffff;

export interface Client {
  /** Begins a transaction and waits for nothing; undefined: `onIds` is called when there are ids again. */
  begin(): Gtrid | undefined;
  /** Asks for a commit of these branches, each at the instance that is called like it. */
  commit(gtrid: Gtrid, bquals: readonly string[], onCommitted: () => void): void;
  hangUp(): void;
}

export interface ClientOptions {
  /** Time limit of each transaction. */
  readonly timeoutMs: number;
  readonly onIds: () => void;
  /** The coordinator refused something: there is no measure of that. */
  readonly onRefused: (error: Error) => void;
}

export function openClient(dial: Dial<ServerMessage, ClientMessage>, options: ClientOptions): Client {
  const { timeoutMs, onIds, onRefused } = options;
  const waiting = new Map<number, () => void>();
  let identity: LogIdentity | undefined;
  let [epoch, next, left, lastId] = [0, 0, 0, 0];

  const take = (lease: Lease | null | undefined): void => {
    next = Number(lease?.first ?? 0);
    left = lease?.count ?? 0;
    onIds();
  };
  const line: Line<ClientMessage> = dial((message) => {
    if (message.welcome) {
      identity = parseLogIdentity(message.welcome.logIdentity ?? '');
      epoch = Number(message.welcome.epoch ?? 0);
      take(message.welcome.lease);
    } else if (message.lease) {
      take(message.lease);
    } else if (message.commit) {
      const committed = waiting.get(message.id ?? 0);
      waiting.delete(message.id ?? 0);
      committed?.();
    } else if (message.error) {
      onRefused(new Error(`the coordinator refused: ${message.error.message}`));
    }
  });
  line.say({ id: HELLO_ID, hello: { ...PROTOCOL, application: 'bench', host: '', user: '', client: '' } });
  return {
    begin() {
      if (identity === undefined || left === 0) {
        return undefined;
      }
      const gtrid = formatGtrid({ identity, epoch, sequence: next });
      next += 1;
      left -= 1;
      line.say({ id: 0, begin: { requestId: '', gtrid, timeoutMs } });
      if (left === 0) {
        lastId += 1;
        line.say({ id: lastId, lease: {} });
      }
      return gtrid;
    },
    commit(gtrid, bquals, onCommitted) {
      lastId += 1;
      waiting.set(lastId, onCommitted);
      const branches = bquals.map((bqual) => ({ bqual, instance: bqual }));
      line.say({
        id: lastId,
        commit: { requestId: gtrid, gtrid, acknowledgement: 'ACKNOWLEDGEMENT_APPLIED', branches },
      });
    },
    hangUp: () => line.hangUp(),
  };
}
