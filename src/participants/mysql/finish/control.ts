// Connections apart from the branches': for phase two, evidence and bookkeeping, so that full pools and stuck branches stop none
// of it.
import type { ConnectionOptions } from 'mysql2';
import { EngineError } from '../../resource-manager.ts';
import { ERRNO, lostReason, refusedError } from '../protocol/errors.ts';
import { type Answer, type Cells, cellsOf, errorOf, textRequest } from '../protocol/exchange.ts';
import type { ServerError } from '../protocol/packets.ts';
import { connectWire, type Wire } from '../protocol/wire.ts';
import { NAMES } from '../session/fresh.ts';
import { checkAgainst } from '../session/identity.ts';
import { isLost, type Patience, within } from '../session/session.ts';

/** Phase two is bound by the engine's flushes, which it groups over sessions: some parallelism pays, much does not. */
const CONNECTIONS_MAX = 8;

const SETTINGS = [
  'autocommit=1',
  // A backup's global read lock makes XA COMMIT wait; it is repeated anyway.
  'lock_wait_timeout=3',
  'innodb_lock_wait_timeout=3',
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

export interface ControlOptions extends Patience {
  readonly connection: ConnectionOptions;
}

export class Control {
  readonly #options: ControlOptions;
  readonly #idle: Wire[] = [];
  /** All that are open, idle or not. */
  readonly #wires = new Set<Wire>();
  readonly #waiting: ((wire: Wire | undefined) => void)[] = [];
  #expected: string | undefined;
  #open = 0;
  #closed = false;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /**
   * Sends one text of ours, which must be harmless to repeat: a connection that turns out to be dead is replaced once. The
   * answer's last result may be an error.
   * @throws {EngineError} ENGINE_UNAVAILABLE: the text may or may not have been carried out.
   */
  async run(sql: string): Promise<Answer> {
    const wire = await this.#take();
    try {
      return await this.#exchange(wire, sql);
    } catch (error) {
      if (!isLost(error) || this.#closed) {
        throw error;
      }
    } finally {
      this.#give(wire);
    }
    const fresh = await this.#take();
    try {
      return await this.#exchange(fresh, sql);
    } finally {
      this.#give(fresh);
    }
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
    for (const wire of this.#idle.filter(({ heardAt }) => heardAt < moment)) {
      wire.fail(lostReason(undefined));
    }
  }

  /** See `ResourceManager.expectIdentity`. */
  expectIdentity(identity: string): void {
    if (this.#expected === identity) {
      return;
    }
    this.#expected = identity;
    // One that is idle is taken out by its own listener, one in use is given back by its user.
    for (const wire of this.#wires) {
      wire.fail({ ...lostReason(undefined), message: 'another database is expected from now on' });
    }
  }

  close(): void {
    this.#closed = true;
    for (const wire of this.#idle.splice(0)) {
      wire.destroy();
    }
    for (const waiting of this.#waiting.splice(0)) {
      waiting(undefined);
    }
  }

  async #exchange(wire: Wire, sql: string): Promise<Answer> {
    const [answer] = await within(wire, this.#options, () => wire.exchange([textRequest(sql)]));
    return answer ?? [];
  }

  async #take(): Promise<Wire> {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      return idle;
    }
    if (this.#open >= CONNECTIONS_MAX) {
      const given = await new Promise<Wire | undefined>((resolve) => this.#waiting.push(resolve));
      if (given !== undefined) {
        return given;
      }
    }
    if (this.#closed) {
      throw new EngineError(
        { ...lostReason(undefined), message: 'the resource manager is closed' },
        { sessionLost: true },
      );
    }
    return await this.#connect();
  }

  async #connect(): Promise<Wire> {
    this.#open += 1;
    try {
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
      this.#wires.add(wire);
      wire.onLost(() => {
        this.#wires.delete(wire);
        const index = this.#idle.indexOf(wire);
        if (index !== -1) {
          this.#idle.splice(index, 1);
          this.#open -= 1;
        }
      });
      return wire;
    } catch (error) {
      this.#open -= 1;
      // Whoever waits for a connection tries for itself, and hears the same error.
      this.#waiting.shift()?.(undefined);
      throw error;
    }
  }

  #give(wire: Wire): void {
    if (wire.lost !== undefined || this.#closed) {
      this.#wires.delete(wire);
      wire.destroy();
      this.#open -= 1;
      this.#waiting.shift()?.(undefined);
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#idle.push(wire);
    } else {
      waiting(wire);
    }
  }
}
