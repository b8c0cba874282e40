// A client's session: the same verbs as the unary calls, batched. When its stream ends, what it had not asked to commit goes.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ClientMessage__Output as ClientMessage } from '../../gen/concordat/v1/ClientMessage.ts';
import type { ResourceDirectory } from '../../gen/concordat/v1/ResourceDirectory.ts';
import type { ServerMessage } from '../../gen/concordat/v1/ServerMessage.ts';
import type { SessionHello__Output as SessionHello } from '../../gen/concordat/v1/SessionHello.ts';
import type { SessionRequest__Output as SessionRequest } from '../../gen/concordat/v1/SessionRequest.ts';
import type { SessionResponse } from '../../gen/concordat/v1/SessionResponse.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import { FrameWriter } from '../../wire/frames.ts';
import { checkMetadata } from '../../wire/metadata.ts';
import { agreedProtocol } from '../../wire/protocol.ts';
import { checkFrame, noHello } from '../../wire/request.ts';
import { logged, toStatus, toWireError } from '../../wire/status.ts';
import { productVersion } from '../../wire/version.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import { HELLO_MAX_MS, SESSIONS_MAX, TRANSACTION_TIMEOUT_MAX_MS } from '../../xa/limits.ts';
import type { LogIdentity } from '../../xa/xid.ts';
import type { Directory } from '../calls/directory.ts';
import type { Driver } from '../driver/driver.ts';
import type { Leases } from '../driver/leases.ts';
import type { Registry } from '../driver/registry.ts';
import type { HeldTransaction, Owner } from '../driver/transaction.ts';
import { type Caller, callerOfSession, whoseOf } from '../edge/callers.ts';
import { wireReason } from '../edge/describe.ts';
import { TO_CLIENT } from '../edge/frame-weights.ts';
import { type Guest, Places } from '../edge/places.ts';
import { whyEnded } from '../engine/state.ts';
import type { ApplicationApi, Reply } from './application-api.ts';
import { directoryPages, tellChanges } from './directory-news.ts';

interface SessionParts {
  readonly api: ApplicationApi;
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly leases: Leases;
  readonly directory: Directory;
  readonly identity: LogIdentity;
  readonly epoch: number;
  readonly defaultTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: EventLogger;
}

type Stream = ServerDuplexStream<SessionRequest, SessionResponse>;

/** Answers that a client has not read, beyond which its questions are not read either. */
const ANSWERS_AHEAD_BYTES = 512 * 1024;
/** Messages in a frame, beyond which the next one of the same session waits for a turn of the others. */
const LONG_FRAME = 50;

/** Every open session of the coordinator. */
export class ClientSessions {
  readonly #parts: SessionParts;
  readonly #places = new Places<ClientSession>(SESSIONS_MAX, 'sessions');

  constructor(parts: SessionParts) {
    this.#parts = parts;
    tellChanges({
      ...parts,
      tell: (news) => {
        for (const session of this.#places.seated) {
          session.tell(news);
        }
      },
    });
  }

  readonly serve = (stream: Stream): void => {
    try {
      checkMetadata(stream.metadata);
      this.#places.check();
    } catch (error) {
      stream.emit('error', toStatus(error));
      return;
    }
    this.#places.enter(new ClientSession(stream, this.#parts, this.#places));
  };

  /** Every stream ends after what was said on it. */
  end(): void {
    for (const session of this.#places.all()) {
      session.end();
    }
  }
}

class ClientSession implements Owner, Guest {
  readonly #stream: Stream;
  readonly #parts: SessionParts;
  readonly #out: FrameWriter<ServerMessage, SessionResponse>;
  readonly #places: Places<ClientSession>;
  readonly #greeting: Timer;
  #greeted = false;
  /** Nothing is answered before its hello has named it. */
  #caller: Caller = '';
  /** As it says of itself, for operators. */
  whose: Owner['whose'];
  #ended = false;

  constructor(stream: Stream, parts: SessionParts, places: Places<ClientSession>) {
    this.#stream = stream;
    this.#parts = parts;
    this.#places = places;
    this.#out = new FrameWriter(
      stream,
      (messages) => ({ messages }),
      () => this.#end(),
      TO_CLIENT,
    );
    this.#greeting = parts.clock.after(HELLO_MAX_MS, () =>
      this.#fail(new CoordinatorError('PROTOCOL', noHello('client'))),
    );
    stream.on('data', (frame: SessionRequest) => this.#receive(frame));
    this.#out.whenRead(this.#readOn);
    stream.on('end', () => this.#end());
    stream.on('cancelled', () => this.#end());
    stream.on('error', () => this.#end());
  }

  /** Called by the driver when a transaction was rolled back that its client still works in. */
  ended(transaction: HeldTransaction): void {
    const reason = wireReason(whyEnded(transaction.state));
    this.#out.send({ ended: { gtrid: transaction.gtrid, outcome: 'OUTCOME_ROLLED_BACK', reason } });
  }

  end(): void {
    this.#out.flushNow();
    this.#end();
  }

  evict(error: CoordinatorError): void {
    this.#fail(error);
  }

  /** What changed in the directory. Who is not greeted yet will hear all of it. */
  tell(news: ResourceDirectory): void {
    if (this.#greeted) {
      this.#out.send({ resources: news });
    }
  }

  #receive(frame: SessionRequest): void {
    if (this.#ended) {
      return;
    }
    try {
      checkFrame(frame, frame.messages);
    } catch (error) {
      this.#fail(error);
      return;
    }
    for (const message of frame.messages) {
      try {
        this.#dispatch(message);
      } catch (error) {
        this.#refuse(message.id, error);
      }
    }
    this.#readNoFurther(frame.messages.length);
  }

  /** Ends the stream with its reason. */
  #fail(error: unknown): void {
    this.#stream.emit('error', toStatus(error));
    this.#end();
  }

  /**
   * Who does not read its answers is not asked what else it wants, and who says much at once lets others speak: the stream stands still
   * meanwhile, and its peer feels it.
   */
  #readNoFurther(messages: number): void {
    const isMuch = messages >= LONG_FRAME || this.#out.weight > ANSWERS_AHEAD_BYTES;
    if (isMuch && !this.#stream.isPaused()) {
      this.#stream.pause();
      setImmediate(this.#readOn); // Behind the flush of this turn, after which there may be no `drain` to wait for.
    }
  }

  readonly #readOn = (): void => {
    if (this.#out.weight <= ANSWERS_AHEAD_BYTES && this.#stream.isPaused()) {
      this.#stream.resume();
    }
  };

  #dispatch(message: ClientMessage): void {
    const { api } = this.#parts;
    const { id } = message;
    if (!this.#greeted && message.body !== 'hello') {
      throw new CoordinatorError('PROTOCOL', 'the first message of a session must be hello');
    }
    if (message.hello) {
      this.#greet(id, message.hello);
    } else if (message.begin) {
      api.begin(message.begin, this.#caller, this); // Answered only when it is refused: the client numbered it and waits for nothing.
    } else if (message.enlist) {
      this.#answer({ id, enlist: api.enlist(message.enlist, this.#caller) });
    } else if (message.commit) {
      api.commit(
        message.commit,
        this.#caller,
        this.#reply(id, (commit) => ({ id, commit })),
      );
    } else if (message.rollback) {
      api.rollback(
        message.rollback,
        this.#caller,
        this.#reply(id, (rollback) => ({ id, rollback })),
      );
    } else if (message.setRollbackOnly) {
      this.#answer({ id, setRollbackOnly: api.setRollbackOnly(message.setRollbackOnly, this.#caller) });
    } else if (message.getTransaction) {
      api.getTransaction(message.getTransaction, this).then(
        (getTransaction) => this.#answer({ id, getTransaction }),
        (error: unknown) => this.#refuse(id, error),
      );
    } else if (message.lease) {
      this.#answer({ id, lease: this.#lease() });
    } else {
      throw new CoordinatorError('PROTOCOL', 'a message without a body, or of a newer protocol');
    }
  }

  #greet(id: number, hello: SessionHello): void {
    const { identity, epoch, directory, defaultTimeoutMs } = this.#parts;
    const protocol = agreedProtocol('client', hello);
    this.#parts.driver.ensureUsable(); // A refused log gives no id out.
    if (!this.#greeted) {
      this.#places.seat(this);
    }
    this.#greeting.cancel();
    this.#caller = callerOfSession(hello.client);
    this.whose = whoseOf(hello);
    this.#greeted = true;
    const pages = [...directoryPages(directory)];
    const resources = pages.pop() ?? null;
    for (const page of pages) {
      this.#out.send({ resources: page });
    }
    this.#out.send({
      id,
      welcome: {
        logIdentity: identity,
        epoch,
        lease: this.#lease(),
        resources,
        defaultTimeoutMs,
        timeoutMaxMs: TRANSACTION_TIMEOUT_MAX_MS,
        version: productVersion(),
        protocol,
      },
    });
  }

  #lease(): { first: number; count: number } {
    return { ...this.#parts.leases.grant(this) };
  }

  #reply<Response>(id: number, wrap: (response: Response) => ServerMessage & { id: number }): Reply<Response> {
    return {
      answer: (response) => this.#answer(wrap(response)),
      refuse: (error) => this.#refuse(id, error),
    };
  }

  /** The id 0 is of messages that want no answer, and of news that nobody asked for. */
  #answer(message: ServerMessage & { readonly id: number }): void {
    if (message.id !== 0) {
      this.#out.send(message);
    }
  }

  #refuse(id: number, error: unknown): void {
    this.#answer({ id, error: toWireError(logged(this.#parts.logger, 'Session', error)) });
  }

  /** What it had not asked to commit is rolled back; what it had goes on without a listener. */
  #end(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#greeting.cancel();
    this.#out.close();
    this.#stream.end();
    this.#parts.leases.release(this);
    for (const transaction of this.#parts.transactions.undecidedOf(this)) {
      if (transaction.state.kind === 'active') {
        const reason = { code: 'CLIENT_LOST', message: "its client's session ended", retryable: true };
        this.#parts.driver.apply(transaction, { kind: 'client-lost', reason });
      }
    }
    this.#places.leave(this);
  }
}
