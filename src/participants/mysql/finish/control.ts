// Connections apart from the branches': for phase two, evidence and bookkeeping, so that full pools and stuck branches stop none
// of it.
import type { ConnectionOptions } from 'mysql2';
import { Pool } from '../../../lib/pool.ts';
import { CONTROL_SESSIONS_MAX, CONTROLS_WAITED_FOR_MAX } from '../../../xa/limits.ts';
import { CONTROL_LOCK_WAIT_MS } from '../../../xa/times.ts';
import { poolRefusal } from '../../reasons.ts';
import { ERRNO, lostReason, refusedError } from '../protocol/errors.ts';
import { type Cells, cellsOf, errorOf, type ResultList, textRequest } from '../protocol/exchange.ts';
import type { ServerError } from '../protocol/packets.ts';
import { connectWire, type Wire } from '../protocol/wire.ts';
import { NAMES } from '../session/fresh.ts';
import { checkAgainst } from '../session/identity.ts';
import { isLost, type Patience, withinPatience } from '../session/session.ts';

const SETTINGS = [
  'autocommit=1',
  // A backup's global read lock makes XA COMMIT wait; it is repeated anyway.
  `lock_wait_timeout=${CONTROL_LOCK_WAIT_MS / 1_000}`,
  `innodb_lock_wait_timeout=${CONTROL_LOCK_WAIT_MS / 1_000}`,
  // What a server may be set to and our statements of a few rows, or of none, must not be stopped or cut by.
  'sql_safe_updates=0',
  'sql_select_limit=18446744073709551615',
  // The name of a database may hold any character.
  NAMES,
];

/**
 * READ COMMITTED: a look at a row that is not there must not lock the gap where other branches write theirs.
 */
const FIRST_TEXT = `SET SESSION ${SETTINGS.join(',')};SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`;

interface ControlOptions extends Patience {
  readonly connection: ConnectionOptions;
}

export class ControlSessions {
  readonly #options: ControlOptions;
  readonly #pool: Pool<Wire>;
  #expected: string | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
    const { clock, callTimeoutMs: waitMs } = options;
    this.#pool = new Pool({
      ...{ max: CONTROL_SESSIONS_MAX, waitersMax: CONTROLS_WAITED_FOR_MAX, waitMs, clock },
      make: () => this.#connect(),
      destroy: (wire) => wire.destroy(),
      refusal: (why) => poolRefusal(why, CONTROL_SESSIONS_MAX, 'connections for phase two'),
    });
  }

  /**
   * Sends one text of ours, which must be harmless to repeat: a connection that turns out to be dead is replaced once. The
   * answer's last result may be an error.
   * @throws {EngineError} ENGINE_UNAVAILABLE: the text may or may not have been carried out.
   */
  async run(sql: string): Promise<ResultList> {
    try {
      return await this.#attempt(sql);
    } catch (error) {
      if (!isLost(error)) {
        throw error;
      }
    }
    return await this.#attempt(sql);
  }

  /** The rows of every result of a text. @throws {EngineError} also when the server refuses it. */
  async rows(sql: string): Promise<readonly Cells[]> {
    const answer = await this.run(sql);
    const error = errorOf(answer);
    if (error !== undefined) {
      throw refusedError(error, 'ENGINE_UNAVAILABLE');
    }
    return answer.map(cellsOf);
  }

  /** `run` with one statement; undefined: it was carried out. @throws {EngineError} ENGINE_UNAVAILABLE */
  async refusal(sql: string): Promise<ServerError | undefined> {
    return errorOf(await this.run(sql));
  }

  /** Ends a session of the engine. It is gone some time after this resolves. @throws {EngineError} not allowed, or ENGINE_UNAVAILABLE. */
  async kill(connectionId: number): Promise<void> {
    const error = await this.refusal(`KILL ${connectionId}`);
    if (error === undefined || error.errno === ERRNO.noSuchThread) {
      return;
    }
    throw refusedError(error, 'PREFLIGHT_FAILED');
  }

  /** Ends the idle connections that were not heard since `moment`, see `Wire`. */
  condemn(moment: number): void {
    for (const wire of this.#pool.free.filter(({ heardAt }) => heardAt < moment)) {
      this.#pool.drop(wire);
    }
  }

  /** See `ResourceManager.expectIdentity`. */
  expectIdentity(identity: string): void {
    if (this.#expected === identity) {
      return;
    }
    this.#expected = identity;
    for (const wire of this.#pool.all) {
      wire.fail({ ...lostReason(undefined), message: 'another database is expected from now on' });
    }
  }

  close(): void {
    this.#pool.close();
    for (const wire of this.#pool.free) {
      this.#pool.drop(wire);
    }
  }

  async #attempt(sql: string): Promise<ResultList> {
    const wire = await this.#pool.take();
    try {
      return await this.#exchange(wire, sql);
    } finally {
      if (wire.lost === undefined) {
        this.#pool.give(wire);
      } else {
        this.#pool.drop(wire);
      }
    }
  }

  async #exchange(wire: Wire, sql: string): Promise<ResultList> {
    const [answer] = await withinPatience(wire, this.#options, () => wire.exchange([textRequest(sql)]));
    return answer ?? [];
  }

  async #connect(): Promise<Wire> {
    const wire = await connectWire(this.#options.connection);
    try {
      const error = errorOf(await this.#exchange(wire, FIRST_TEXT));
      if (error !== undefined) {
        throw refusedError(error, 'ENGINE_UNAVAILABLE');
      }
      await checkAgainst(
        () => this.#expected,
        (sql) => this.#exchange(wire, sql),
      );
    } catch (error) {
      wire.destroy();
      throw error;
    }
    wire.onLost(() => this.#pool.drop(wire));
    return wire;
  }
}
