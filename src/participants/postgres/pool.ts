// Sessions for one purpose, asked whether they are still there before they are handed out after a while, dropped when they end.
import type { Clock } from '../../lib/clock.ts';
import { Pool } from '../../lib/pool.ts';
import { poolRefusal } from '../reasons.ts';
import type { PgSession } from './session/session.ts';

interface SessionPoolOptions {
  readonly sessionsMax: number;
  /** Callers that wait for a session at once. */
  readonly waitersMax: number;
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

export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #pool: Pool<PgSession>;
  #suspectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    const { sessionsMax: max, waitersMax, waitMs, clock } = options;
    this.#pool = new Pool({
      ...{ max, waitersMax, waitMs, clock },
      make: () => this.#connect(),
      destroy: (session) => session.destroy(),
      isGood: (session) => session.usable && this.#isThere(session),
      refusal: (why) => poolRefusal(why, max, 'sessions'),
    });
  }

  /** @throws {EngineError} `LIMIT_CONNECTIONS`, `ENGINE_UNAVAILABLE` */
  acquire(): Promise<PgSession> {
    return this.#pool.take();
  }

  /** Takes a session back. Whether it is clean is the caller's to know: what is not must be destroyed instead. */
  release(session: PgSession): void {
    if (session.usable && !session.busy && session.status === 'I') {
      this.#pool.give(session);
    } else {
      session.destroy();
    }
  }

  /** Something of the same server has not answered: what was heard last before now is asked before it is used again. */
  suspect(): void {
    this.#suspectedAtMs = this.#options.clock.now();
  }

  /** Gives up what is idle: it would cost whoever gets it a whole deadline to find out that it is dead. */
  dropIdle(): void {
    for (const session of this.#pool.free) {
      this.#pool.drop(session);
    }
  }

  /** Ends sessions at once, in use or not. */
  destroy(which: (session: PgSession) => boolean): void {
    for (const session of this.#pool.all.filter(which)) {
      this.#pool.drop(session);
    }
  }

  /** Ends every session; what is not prepared in them is rolled back by the engine. */
  async close(): Promise<void> {
    this.#pool.close();
    await Promise.all(this.#pool.all.map((session) => session.close()));
  }

  #isThere(session: PgSession): Promise<boolean> | true {
    const since = Math.max(this.#suspectedAtMs, this.#options.clock.now() - ASKED_AFTER_MS);
    return session.answeredAtMs > since || this.#asked(session);
  }

  async #asked(session: PgSession): Promise<boolean> {
    const outcome = await session.run({ kind: 'simple', text: 'select 1' }, { timeoutMs: ASK_TIMEOUT_MS });
    return outcome.kind === 'answered' && session.usable;
  }

  async #connect(): Promise<PgSession> {
    const session = await this.#options.connect();
    session.onEnd(({ silent }) => {
      if (silent) {
        this.#options.onSilence();
      }
      this.#pool.drop(session);
    });
    return session;
  }
}
