// The sessions for branches: taken one for each branch, given back only when their XA state is provably clean, and reset before the next.
import type { Clock, Timer } from '../../../lib/clock.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { EngineError } from '../../resource-manager.ts';
import type { Session } from './session.ts';

/** How long `take` waits for a session before it refuses. */
const TAKE_WAIT_MS = 1_000;

interface Waiter {
  readonly give: (session: Promise<Session>) => void;
  readonly refuse: () => void;
  readonly timer: Timer;
}

export interface PoolOptions {
  readonly max: number;
  readonly clock: Clock;
  readonly connect: () => Promise<Session>;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #idle: Session[] = [];
  /** Those that are being reset included. */
  readonly #taken = new Set<Session>();
  readonly #refreshing = new Set<Session>();
  readonly #waiting: Waiter[] = [];
  #connecting = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Whether a connection of ours has no branch: the server may still name it as the last owner of one. */
  isIdle(connectionId: number): boolean {
    return [...this.#idle, ...this.#refreshing].some((session) => session.id === connectionId);
  }

  /** @throws {EngineError} LIMIT_CONNECTIONS after a second without a free session; ENGINE_UNAVAILABLE. */
  take(): Promise<Session> {
    if (this.#closed) {
      return Promise.reject(limitError('the resource manager is closed'));
    }
    const session = this.#idle.pop();
    if (session !== undefined) {
      this.#taken.add(session);
      return Promise.resolve(session);
    }
    if (this.#taken.size + this.#connecting < this.#options.max) {
      return this.#connect();
    }
    return new Promise((resolve, reject) => {
      const refuse = () => reject(limitError(`all ${this.#options.max} sessions are busy`));
      const timer = this.#options.clock.after(TAKE_WAIT_MS, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        refuse();
      });
      const waiter: Waiter = { give: resolve, refuse, timer };
      this.#waiting.push(waiter);
    });
  }

  /**
   * Takes a session back whose XA state is clean. Behind the back of the branch that ended it is made as new, and is the next one's
   * only then; a lost one is dropped.
   */
  release(session: Session): void {
    if (session.wire.lost !== undefined || this.#closed) {
      this.drop(session);
      return;
    }
    if (!this.#taken.has(session) || this.#refreshing.has(session)) {
      return;
    }
    if (session.isFresh) {
      this.#offer(session);
    } else {
      void this.#refresh(session);
    }
  }

  async #refresh(session: Session): Promise<void> {
    this.#refreshing.add(session);
    const isNew = await session.refresh().catch(() => false);
    this.#refreshing.delete(session);
    if (isNew && session.wire.lost === undefined && !this.#closed) {
      this.#offer(session);
    } else {
      this.drop(session);
    }
  }

  #offer(session: Session): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) {
      this.#taken.delete(session);
      this.#idle.push(session);
    } else {
      waiter.timer.cancel();
      waiter.give(Promise.resolve(session));
    }
  }

  /**
   * Ends the idle sessions that were not heard since `moment`, see `Wire`: a server that has been silent on one connection since then
   * has most likely lost them, too, and each would cost its branch a whole deadline.
   */
  condemn(moment: number): void {
    for (const session of this.#idle.filter(({ wire }) => wire.heardAt < moment)) {
      this.#idle.splice(this.#idle.indexOf(session), 1);
      session.destroy();
    }
  }

  /** Ends a session for good. */
  drop(session: Session): void {
    session.destroy();
    if (this.#taken.delete(session)) {
      this.#serveNext();
    }
  }

  /** Ends every session that is open now, as if the server had: another server is expected from now on. */
  failAll(reason: Reason): void {
    for (const session of [...this.#idle.splice(0), ...this.#taken]) {
      session.wire.fail(reason);
    }
  }

  /** Ends every session; unprepared branches are rolled back by the server. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) {
      waiter.timer.cancel();
      waiter.refuse();
    }
    for (const session of [...this.#idle.splice(0), ...this.#taken]) {
      session.destroy();
    }
    this.#taken.clear();
  }

  async #connect(): Promise<Session> {
    this.#connecting += 1;
    try {
      const session = await this.#options.connect();
      if (this.#closed) {
        session.destroy();
        throw limitError('the resource manager is closed');
      }
      this.#taken.add(session);
      session.wire.onLost(() => {
        const index = this.#idle.indexOf(session);
        if (index !== -1) {
          this.#idle.splice(index, 1);
        }
      });
      return session;
    } finally {
      this.#connecting -= 1;
      if (this.#taken.size + this.#connecting < this.#options.max) {
        this.#serveNext();
      }
    }
  }

  #serveNext(): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.timer.cancel();
      waiter.give(this.#connect());
    }
  }
}

function limitError(message: string): EngineError {
  return new EngineError({ code: 'LIMIT_CONNECTIONS', message, retryable: true }, { sessionLost: false });
}
