// One connection at the level of packets. mysql2 connects, authenticates, encrypts and frames; what is asked and answered is
// ours, so that several requests leave in one write and values arrive without loss.
import type { ConnectionOptions, createConnection } from 'mysql2';
import { assert } from '../../../lib/assert.ts';
import { RESULT_BYTES_MAX, RESULT_ROWS_MAX } from '../../../xa/limits.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { notInstalled } from '../../reasons.ts';
import { EngineError } from '../../resource-manager.ts';
import { type DriverPacket, ownDriverProblem, type RawConnection } from './driver.ts';
import { lostReason } from './errors.ts';
import { type CommandRequest, Exchange, type ResultList } from './exchange.ts';

/** Options that the adapter relies on; the caller's are only where and who. */
const FIXED: ConnectionOptions = {
  multipleStatements: true,
  // No file of this machine for LOAD DATA LOCAL, no attributes before our texts, and the server's own sql_mode.
  flags: ['-LOCAL_FILES', '-CLIENT_QUERY_ATTRIBUTES', '-IGNORE_SPACE', '-ODBC'],
  charset: 'utf8mb4_unicode_ci',
};

const LIMITS = { rows: RESULT_ROWS_MAX, bytes: RESULT_BYTES_MAX };

/** `connectTimeout` of the options bounds it. @throws {EngineError} ENGINE_UNAVAILABLE; PREFLIGHT_FAILED: there is no mysql2, or another than ours. */
export async function connectWire(options: ConnectionOptions): Promise<Wire> {
  const connect = await driver();
  return await new Promise((resolve, reject) => {
    const connection = connect({ ...options, ...FIXED }) as unknown as RawConnection;
    let wire: Wire | undefined;
    connection.on('error', (error) => {
      const reason = lostReason(error);
      wire?.fail(reason);
      reject(new EngineError(reason, { sessionLost: true, cause: error }));
    });
    connection.on('end', () => wire?.fail(lostReason(undefined)));
    connection.once('connect', () => {
      const problem = ownDriverProblem(connection);
      if (problem !== undefined) {
        connection.destroy();
        reject(
          new EngineError({ code: 'PREFLIGHT_FAILED', message: problem, retryable: false }, { sessionLost: true }),
        );
        return;
      }
      wire = new Wire(connection);
      resolve(wire);
    });
  });
}

/** Loaded when it is first needed: an application that lends connections of pg only need not have it. */
async function driver(): Promise<typeof createConnection> {
  try {
    return (await import('mysql2')).createConnection;
  } catch (cause) {
    throw notInstalled('mysql2', cause);
  }
}

/** Numbers what all connections send and hear, in order. No time: it tells what was heard after something else was asked. */
let moment = 0;

/** A live connection. Exchanges are made one at a time. It never reconnects or changes its user. */
export class Wire {
  #askedAt = 0;
  #heardAt = 0;
  readonly #connection: RawConnection;
  readonly #listeners: ((reason: Reason) => void)[] = [];
  #lost: Reason | undefined;
  #fail: ((error: EngineError) => void) | undefined;

  constructor(connection: RawConnection) {
    this.#connection = connection;
    moment += 1;
    this.#heardAt = moment;
    connection.stream.on('close', () => this.fail(lostReason(undefined)));
  }

  /** The server's `CONNECTION_ID()`. */
  get id(): number {
    return this.#connection.threadId;
  }

  /** When the exchange under way, or the last one, was sent. */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** When the server was last heard. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Why the connection is gone. */
  get lost(): Reason | undefined {
    return this.#lost;
  }

  get isBusy(): boolean {
    return this.#fail !== undefined;
  }

  /** Called once, when the connection ends and `destroy` was not the cause; at once if that has happened. */
  onLost(listener: (reason: Reason) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Sends `requests` in one write. Each is carried out whatever became of the one before it; only within one text does an
   * error stop what follows.
   * @throws {EngineError} ENGINE_UNAVAILABLE with `sessionLost`: any part of it may have been carried out. LIMIT_RESULT with
   *   `sessionLost`: the answer was too large to be read to its end, so the connection was given up.
   */
  exchange(requests: readonly CommandRequest[]): Promise<readonly ResultList[]> {
    assert(this.#fail === undefined, 'exchanges of a connection never overlap');
    if (this.#lost !== undefined) {
      return Promise.reject(new EngineError(this.#lost, { sessionLost: true }));
    }
    return new Promise((resolve, reject) => {
      const extended = this.#connection._mariadbExtendedMetadata === true;
      const exchange = new Exchange(requests, { extended, limits: LIMITS });
      this.#fail = reject;
      moment += 1;
      this.#askedAt = moment;
      this.#connection.addCommand({
        execute: (packet) => {
          if (this.#lost !== undefined) {
            return false;
          }
          if (packet === undefined) {
            this.#connection.write(Buffer.concat(requests.map((request) => request.frame)));
            this.#connection.sequenceId = 1;
            return false;
          }
          return this.#take(exchange, packet, resolve);
        },
        onResult: (error) => this.fail(lostReason(error)),
      });
    });
  }

  #take(
    exchange: Exchange,
    packet: Pick<DriverPacket, 'buffer' | 'offset' | 'end'>,
    resolve: (answers: readonly ResultList[]) => void,
  ): boolean {
    moment += 1;
    this.#heardAt = moment;
    try {
      switch (exchange.take(packet.buffer.subarray(packet.offset, packet.end))) {
        case 'complete':
          this.#fail = undefined;
          resolve(exchange.answers);
          return true;
        case 'overflow':
          this.#end(overflowReason(), false);
          return false;
        case 'more':
          if (exchange.atBoundary) {
            // Each answer numbers its packets from 1, and mysql2 checks the numbers.
            this.#connection.sequenceId = 1;
          }
          return false;
      }
    } catch (error) {
      this.fail(lostReason(error instanceof Error ? error : undefined));
      return false;
    }
  }

  /** The connection ended by itself. */
  fail(reason: Reason): void {
    this.#end(reason, true);
  }

  /** Ends the connection at once. What the server is still doing for it may go on for a while. */
  destroy(): void {
    this.#end(lostReason(undefined), false);
  }

  #end(reason: Reason, byItself: boolean): void {
    if (this.#lost !== undefined) {
      return;
    }
    this.#lost = reason;
    const fail = this.#fail;
    this.#fail = undefined;
    // `destroy` of mysql2 only says goodbye; the socket must go, or a server that is stuck keeps it open.
    this.#connection.destroy();
    this.#connection.stream.destroy();
    fail?.(new EngineError(reason, { sessionLost: true }));
    if (byItself) {
      for (const listener of this.#listeners.splice(0)) {
        listener(reason);
      }
    }
  }
}

function overflowReason(): Reason {
  const message = `the result has more than ${RESULT_ROWS_MAX} rows or ${RESULT_BYTES_MAX} bytes`;
  return { code: 'LIMIT_RESULT', message, retryable: false };
}
