// One life of the Session stream to the coordinator: from its welcome to the moment it breaks. Ids, answers and unasked news.
import { hostname, userInfo } from 'node:os';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import type { ClientMessage } from '../../gen/concordat/v1/ClientMessage.ts';
import type { ResourceDirectory__Output as WireDirectory } from '../../gen/concordat/v1/ResourceDirectory.ts';
import type { ServerMessage__Output as ServerMessage } from '../../gen/concordat/v1/ServerMessage.ts';
import type { SessionRequest } from '../../gen/concordat/v1/SessionRequest.ts';
import type { SessionResponse__Output as SessionResponse } from '../../gen/concordat/v1/SessionResponse.ts';
import type { SessionWelcome__Output as Welcome } from '../../gen/concordat/v1/SessionWelcome.ts';
import type { TransactionEnded__Output as TransactionEnded } from '../../gen/concordat/v1/TransactionEnded.ts';
import type { TransactionServiceClient } from '../../gen/concordat/v1/TransactionService.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { atMost, type WaitBounds, within } from '../../lib/wait.ts';
import { type FrameWeights, FrameWriter } from '../../wire/frames.ts';
import { PROTOCOL, requireProtocol } from '../../wire/protocol.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { LIST_ENTRIES_MAX } from '../../xa/limits.ts';
import type { Gtrid } from '../../xa/xid.ts';
import { parseLogIdentity } from '../../xa/xid.ts';
import { RefusedError, streamFailure } from './failures.ts';
import { GtridLease } from './lease.ts';

/** The coordinator answers the end of a session at once; a dead one must not hold up our own end. */
const CLOSE_WAIT_MS = 1_000;
const ID_MAX = 0xffff_ffff;
/** A Begin waits so long for a message that it can go with, mostly its own Commit: the coordinator is woken once for both. */
const BEGIN_PATIENCE_MS = 20;

/** What a transaction hears from the session that it was begun on. */
export interface LinkedTransaction {
  /** Its Begin was refused: nothing of it exists at the coordinator. */
  onRefused(refusal: RefusedError): void;
  /** The coordinator rolled it back on its own. */
  onEnded(news: TransactionEnded): void;
  /** The session broke: what was not asked to commit is rolled back. */
  onLost(error: CoordinatorError): void;
}

/** What the owner of the link hears. */
interface LinkListener {
  onResources(directory: WireDirectory): void;
  /** New ids have come. */
  onLease(): void;
  onLost(error: CoordinatorError): void;
}

/** Frames of commits with many branches are cut well before the coordinator would refuse them. */
const BY_ENTRIES: FrameWeights<ClientMessage> = {
  weigh: ({ commit, rollback }) => 2 + (commit?.branches?.length ?? 0) + (rollback?.branches?.length ?? 0),
  frameMax: LIST_ENTRIES_MAX / 2,
  queueMax: Number.POSITIVE_INFINITY,
};

interface Waiter {
  readonly resolve: (message: ServerMessage) => void;
  readonly reject: (error: unknown) => void;
}

/** Made by `openCoordinatorLink`; it is never used again once it is lost. */
export class CoordinatorLink {
  readonly #stream: ClientDuplexStream<SessionRequest, SessionResponse>;
  readonly #writer: FrameWriter<ClientMessage, SessionRequest>;
  readonly #listener: LinkListener;
  readonly #clock: Clock;
  readonly #waiters = new Map<number, Waiter>();
  readonly #transactions = new Map<string, LinkedTransaction>();
  #nextId = 0;
  #lease: GtridLease | undefined;
  #lost: CoordinatorError | undefined;
  #begins: Timer | undefined;

  constructor(client: TransactionServiceClient, clock: Clock, listener: LinkListener) {
    this.#clock = clock;
    this.#listener = listener;
    this.#stream = client.Session();
    this.#writer = new FrameWriter(
      this.#stream,
      (messages) => ({ messages }),
      () => this.#lose(new CoordinatorError('CONNECTION_LOST', 'The coordinator does not read its session.')),
      BY_ENTRIES,
    );
    this.#stream.on('data', (frame: SessionResponse) => {
      for (const message of frame.messages) {
        this.#receive(message);
      }
    });
    this.#stream.on('error', (error: ServiceError) => this.#lose(streamFailure(error)));
    this.#stream.on('end', () => {
      this.#lose(new CoordinatorError('CONNECTION_LOST', 'The coordinator ended the session.'));
    });
  }

  /** Greets, and waits for the welcome. @throws {CoordinatorError} or the signal's reason; the link is closed then. */
  async greet(application: string, client: string, bounds: WaitBounds): Promise<Welcome> {
    try {
      const answer = this.request({ hello: { ...PROTOCOL, application, client, ...whereAndWho() } });
      const late = (): CoordinatorError =>
        new CoordinatorError('CONNECTION_LOST', 'The coordinator accepted the connection and did not answer.');
      const { welcome } = await within(answer, bounds, late);
      const identity = parseLogIdentity(welcome?.logIdentity ?? '');
      if (!welcome || identity === undefined) {
        throw new CoordinatorError('PROTOCOL', 'The peer did not answer like a Concordat coordinator.');
      }
      requireProtocol('client', welcome.protocol ?? 0);
      this.#lease = new GtridLease(identity, Number(welcome.epoch));
      if (welcome.lease) {
        this.#lease.add(welcome.lease);
      }
      return welcome;
    } catch (error) {
      this.#lose(error instanceof CoordinatorError ? error : new CoordinatorError('CONNECTION_LOST', 'given up'));
      throw error;
    }
  }

  /** Rejects with `RefusedError` for a refusal, and with the reason of the loss when the session breaks before the answer. */
  request(body: Omit<ClientMessage, 'id'>): Promise<ServerMessage> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) {
        reject(this.#lost);
        return;
      }
      this.#send(body, { resolve, reject });
    });
  }

  /** An id of the lease, or undefined while all are used. */
  number(): Gtrid | undefined {
    const gtrid = this.#lease?.next();
    this.#renew();
    return gtrid;
  }

  get exhausted(): boolean {
    return this.#lease?.empty ?? true;
  }

  /** Begins without waiting: only a refusal is answered. Answers the id under which `release` lets go of the transaction. */
  begin(gtrid: Gtrid, timeoutMs: number, transaction: LinkedTransaction): number {
    this.#transactions.set(gtrid, transaction);
    const reject = (error: unknown): void => {
      if (error instanceof RefusedError) {
        transaction.onRefused(error);
      }
    };
    const id = this.#await({ resolve: () => undefined, reject });
    this.#writer.add({ id, begin: { gtrid, timeoutMs } });
    this.#begins ??= this.#clock.after(BEGIN_PATIENCE_MS, () => this.flush());
    return id;
  }

  /** What waits for company goes now: somebody else is about to speak of it. */
  flush(): void {
    this.#begins?.cancel();
    this.#begins = undefined;
    this.#writer.flushNow();
  }

  release(gtrid: Gtrid, beginId: number): void {
    this.#transactions.delete(gtrid);
    this.#waiters.delete(beginId);
  }

  get lost(): CoordinatorError | undefined {
    return this.#lost;
  }

  /**
   * Sends what is queued, ends the stream and waits until the coordinator has ended it too, `CLOSE_WAIT_MS` at most. The
   * coordinator rolls back what was not asked to commit.
   */
  async close(): Promise<void> {
    if (this.#lost !== undefined) {
      return;
    }
    const ended = new Promise<void>((resolve) => this.#stream.once('status', () => resolve()));
    this.#writer.flushNow();
    this.#stream.end();
    this.#forget(new CoordinatorError('CONNECTION_LOST', 'The client was closed.'));
    await atMost(ended, { clock: this.#clock, timeoutMs: CLOSE_WAIT_MS });
    this.#stream.cancel();
  }

  #send(body: Omit<ClientMessage, 'id'>, waiter: Waiter): void {
    this.#writer.send({ id: this.#await(waiter), ...body });
  }

  #await(waiter: Waiter): number {
    do {
      this.#nextId = this.#nextId === ID_MAX ? 1 : this.#nextId + 1;
    } while (this.#waiters.has(this.#nextId));
    this.#waiters.set(this.#nextId, waiter);
    return this.#nextId;
  }

  #renew(): void {
    if (this.#lease?.shouldRenew() !== true) {
      return;
    }
    const onLease = ({ lease }: ServerMessage): void => {
      if (lease) {
        this.#lease?.add(lease);
        this.#listener.onLease();
      }
    };
    // A refusal leaves us with the ids that we have, and the next begin asks again; a broken session is told otherwise.
    this.request({ lease: {} }).then(onLease, () => this.#lease?.renewalRefused());
  }

  #receive(message: ServerMessage): void {
    if (message.resources) {
      this.#listener.onResources(message.resources);
    } else if (message.ended) {
      this.#transactions.get(message.ended.gtrid)?.onEnded(message.ended);
    } else {
      if (message.welcome?.resources) {
        // Here and not where the welcome is waited for, which is a turn later: what follows it on the stream is newer.
        this.#listener.onResources(message.welcome.resources);
      }
      const waiter = this.#waiters.get(message.id);
      this.#waiters.delete(message.id);
      if (message.error) {
        waiter?.reject(new RefusedError(message.error));
      } else {
        waiter?.resolve(message);
      }
    }
  }

  #lose(error: CoordinatorError): void {
    if (this.#lost === undefined) {
      this.#forget(error);
      this.#stream.cancel();
    }
  }

  #forget(error: CoordinatorError): void {
    this.#lost = error;
    this.#begins?.cancel();
    this.#writer.close();
    const waiters = [...this.#waiters.values()];
    const transactions = [...this.#transactions.values()];
    this.#waiters.clear();
    this.#transactions.clear();
    for (const waiter of waiters) {
      waiter.reject(error);
    }
    for (const transaction of transactions) {
      transaction.onLost(error);
    }
    this.#listener.onLost(error);
  }
}

/** For operators who ask whose transaction hangs. */
function whereAndWho(): { readonly host: string; readonly user: string } {
  try {
    return { host: hostname(), user: userInfo().username };
  } catch {
    // A uid without an entry in the user database, as containers have.
    return { host: hostname(), user: `uid-${process.getuid?.() ?? 'unknown'}` };
  }
}
