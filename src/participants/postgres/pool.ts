// Sessions for one purpose: at most so many, handed out one at a time, made when needed, dropped when they end.
import type { Clock, Timer } from '../../lib/clock.ts';
import { EngineError } from '../resource-manager.ts';
import type { PgSession } from './session/session.ts';

export interface PoolOptions {
  readonly sessionsMax: number;
  /** How long a caller waits for a session before it is refused. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly connect: () => Promise<PgSession>;
  /** A session proved dead by its silence: others of the same server may be so, too, and are to be given up before they are used. */
  readonly onSilence: () => void;
}

/** A session that was heard less long ago is handed out unasked. Middle boxes forget idle connections after minutes, without a word. */
const ASKED_AFTER_MS = 30_000;
/** How long a session may take to show that it is still there. */
const ASK_TIMEOUT_MS = 2_000;

interface Waiter {
  /** With a session, or with the right to make one. */
  readonly go: (session: PgSession | undefined) => void;
  readonly refuse: (message: string) => void;
  readonly timer: Timer;
}

export class SessionPool {
  readonly #options: PoolOptions;
  readonly #idle: PgSession[] = [];
  readonly #all = new Set<PgSession>();
  readonly #waiters: Waiter[] = [];
  /** Sessions that exist or are being made. */
  #count = 0;
  #closed = false;
  #suspectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** @throws {EngineError} `LIMIT_CONNECTIONS`, `ENGINE_UNAVAILABLE` */
  async acquire(): Promise<PgSession> {
    if (this.#closed) {
      throw refusal('ENGINE_UNAVAILABLE', 'the adapter is closed');
    }
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.usable && (await this.#isThere(idle))) {
        return idle;
      }
    }
    if (this.#count >= this.#options.sessionsMax) {
      const session = await this.#wait();
      if (session !== undefined) {
        return session;
      }
    } else {
      this.#count += 1;
    }
    return await this.#connect();
  }

  /** Takes a session back. Whether it is clean is the caller's to know: what is not must be destroyed instead. */
  release(session: PgSession): void {
    if (!session.usable || session.busy || session.status !== 'I' || this.#closed) {
      session.destroy();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#idle.push(session);
    } else {
      waiter.timer.cancel();
      waiter.go(session);
    }
  }

  /** Something of the same server has not answered: what was heard last before now is asked before it is used again. */
  suspect(): void {
    this.#suspectedAtMs = this.#options.clock.now();
  }

  /** Gives up what is idle: it would cost whoever gets it a whole deadline to find out that it is dead. */
  dropIdle(): void {
    for (const session of this.#idle.splice(0)) {
      session.destroy();
    }
  }

  async #isThere(session: PgSession): Promise<boolean> {
    const now = this.#options.clock.now();
    if (session.answeredAtMs > Math.max(this.#suspectedAtMs, now - ASKED_AFTER_MS)) {
      return true;
    }
    const outcome = await session.run({ kind: 'simple', text: 'select 1' }, { timeoutMs: ASK_TIMEOUT_MS });
    return outcome.kind === 'answered' && session.usable;
  }

  /** Ends sessions at once, in use or not. */
  destroy(which: (session: PgSession) => boolean): void {
    for (const session of [...this.#all].filter(which)) {
      session.destroy();
    }
  }

  /** Ends every session; what is not prepared in them is rolled back by the engine. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) {
      waiter.timer.cancel();
      waiter.refuse('the adapter is closed');
    }
    this.#idle.length = 0;
    await Promise.all([...this.#all].map((session) => session.close()));
  }

  async #connect(): Promise<PgSession> {
    let session: PgSession;
    try {
      session = await this.#options.connect();
    } catch (error) {
      this.#vacate();
      throw error;
    }
    this.#all.add(session);
    session.onEnd(({ silent }) => {
      if (silent) {
        this.#options.onSilence();
      }
      this.#all.delete(session);
      const index = this.#idle.indexOf(session);
      if (index !== -1) {
        this.#idle.splice(index, 1);
      }
      this.#vacate();
    });
    if (this.#closed) {
      session.destroy();
      throw refusal('ENGINE_UNAVAILABLE', 'the adapter is closed');
    }
    return session;
  }

  /** A place is free: whoever waits longest may make a session. */
  #vacate(): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#count -= 1;
    } else {
      waiter.timer.cancel();
      waiter.go(undefined);
    }
  }

  #wait(): Promise<PgSession | undefined> {
    return new Promise((go, reject) => {
      const refuse = (message: string) => reject(refusal('LIMIT_CONNECTIONS', message));
      const timer = this.#options.clock.after(this.#options.waitMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        refuse(`all ${this.#options.sessionsMax} sessions are busy`);
      });
      const waiter = { go, refuse, timer };
      this.#waiters.push(waiter);
    });
  }
}

function refusal(code: string, message: string): EngineError {
  return new EngineError({ code, message, retryable: true }, { sessionLost: false });
}
