// A session for branches: a connection, its prepared statements, and what is known of its state.
import type { ConnectionOptions } from 'mysql2';
import { assert } from '../../../lib/assert.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { EngineError } from '../../resource-manager.ts';
import { refusedError } from '../protocol/errors.ts';
import { type CommandRequest, errorOf, type ResultList, textRequest } from '../protocol/exchange.ts';
import { resetFrame } from '../protocol/frames.ts';
import { PreparedStatements } from '../protocol/statements.ts';
import { connectWire, type Wire } from '../protocol/wire.ts';
import {
  type FreshSettings,
  firstText,
  freshText,
  READ_BACK_TEXT,
  readOrigin,
  readSettings,
  type SessionOrigin,
} from './fresh.ts';

/** How long a server may be silent, and who hears of it. */
export interface Patience {
  readonly clock: Clock;
  /** For texts of ours: a server that does not answer for so long is treated as one that is away. */
  readonly callTimeoutMs: number;
  /** It did not answer on this connection. Others that were not heard since then may be as dead. */
  readonly onSilence: (wire: Wire) => void;
}

interface MysqlSessionSettings extends FreshSettings, Patience {}

/** @throws {EngineError} ENGINE_UNAVAILABLE, or the server refused a setting or does not keep it. */
export async function openSession(options: ConnectionOptions, settings: MysqlSessionSettings): Promise<Session> {
  const wire = await connectWire(options);
  try {
    const reset: CommandRequest = { frame: resetFrame(), answer: 'cells' };
    const first = textRequest(`${firstText(settings)};${READ_BACK_TEXT}`);
    // Reset at once, for what `init_connect` did.
    const [begun = [], answer = []] = await withinPatience(wire, settings, () => wire.exchange([reset, first]));
    const error = errorOf(begun) ?? errorOf(answer);
    if (error !== undefined) {
      throw refusedError(error, 'ENGINE_UNAVAILABLE');
    }
    return new Session(wire, settings, { origin: readOrigin(answer), ...readSettings(answer) });
  } catch (error) {
    wire.destroy();
    throw error;
  }
}

/** Does `work` on a connection, and ends the connection if it takes too long: `work` then rejects as for a lost one. */
export async function withinPatience<T>(wire: Wire, limit: Patience, work: () => Promise<T>): Promise<T> {
  const timer = limit.clock.after(limit.callTimeoutMs, () => {
    wire.destroy();
    limit.onSilence(wire);
  });
  try {
    return await work();
  } finally {
    timer.cancel();
  }
}

/** Used by one branch at a time. */
export class Session {
  readonly wire: Wire;
  readonly statements: PreparedStatements;
  /** See `MysqlSession`. */
  readonly onePhaseIsVolatile: boolean;
  readonly #settings: MysqlSessionSettings;
  /** What it said of itself when it was opened. */
  readonly #origin: SessionOrigin;
  #isUsed = false;
  /** What the engine's own idle timeout is set to; 0: the server's default. */
  idleTimeoutSeconds = 0;
  /** For whoever uses the session now. */
  whenLost: ((reason: Reason) => void) | undefined;

  constructor(
    wire: Wire,
    settings: MysqlSessionSettings,
    found: { readonly origin: SessionOrigin; readonly hasBinlog: boolean },
  ) {
    this.wire = wire;
    this.onePhaseIsVolatile = found.hasBinlog && settings.engine === 'mariadb';
    this.#settings = settings;
    this.#origin = found.origin;
    this.statements = new PreparedStatements(wire);
    wire.onLost((reason) => this.whenLost?.(reason));
  }

  /** It was reset, and nothing was asked of it since. */
  get isFresh(): boolean {
    return !this.#isUsed;
  }

  /** `CONNECTION_ID()`, as KILL takes it. */
  get id(): number {
    return this.wire.id;
  }

  /** @throws {EngineError} with `sessionLost`. */
  async exchange(requests: readonly CommandRequest[]): Promise<readonly ResultList[]> {
    this.#isUsed = true;
    const closing = this.statements.takeClosing();
    const answers = await this.wire.exchange([...closing, ...requests]);
    return answers.slice(closing.length);
  }

  /** Texts of ours, each whatever became of the one before it. @throws {EngineError} with `sessionLost`, also if it takes too long. */
  texts(texts: readonly string[]): Promise<readonly ResultList[]> {
    return withinPatience(this.wire, this.#settings, () => this.exchange(texts.map(textRequest)));
  }

  /** One text of ours. @throws {EngineError} with `sessionLost`; a refusal is the answer's last result. */
  async text(sql: string): Promise<ResultList> {
    const [answer] = await this.texts([sql]);
    assert(answer !== undefined, 'every request has an answer');
    return answer;
  }

  /**
   * As new: nothing that a branch left is there for the next, whatever a function, a trigger or a procedure did. Only for a session that
   * has no branch, prepared or not. False: it is not as new and must go. @throws {EngineError} with `sessionLost`.
   */
  async refresh(): Promise<boolean> {
    const { texts, requests } = this.statements.reset();
    const reset: CommandRequest = { frame: resetFrame(), answer: 'cells' };
    const fresh = textRequest(freshText(this.#settings, this.#origin, this.idleTimeoutSeconds));
    const [begun = [], answer = [], ...prepared] = await withinPatience(this.wire, this.#settings, () =>
      this.wire.exchange([reset, fresh, ...requests]),
    );
    if (errorOf(begun) !== undefined || errorOf(answer) !== undefined) {
      return false;
    }
    this.statements.again(texts, prepared);
    this.#isUsed = false;
    return true;
  }

  /** It has not answered for too long what somebody has stopped to wait for: it is ended, and what else was not heard since. */
  giveUp(): void {
    this.#settings.onSilence(this.wire);
    this.wire.destroy();
  }

  destroy(): void {
    this.wire.destroy();
  }
}

/** A session that had to be given up is no reason to think that the engine is away. */
export function isLost(error: unknown): boolean {
  return error instanceof EngineError && error.sessionLost;
}
