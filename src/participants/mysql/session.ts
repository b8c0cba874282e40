// A session for branches: a connection, its prepared statements, and what is known of its state.
import type { ConnectionOptions } from 'mysql2';
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { EngineError } from '../resource-manager.ts';
import type { EngineKind } from './engine.ts';
import { refusedError } from './errors.ts';
import type { Answer, Request } from './exchange.ts';
import { queryFrame } from './frames.ts';
import { Statements } from './statements.ts';
import { connectWire, type Wire } from './wire.ts';

export interface SessionSettings {
  readonly engine: EngineKind;
  readonly lockTimeoutMs: number;
  /** MariaDB: XA PREPARE detaches the branch from its session. */
  readonly detach: boolean;
  readonly clock: Clock;
  /** For texts of ours: a server that does not answer for so long is treated as one that is away. */
  readonly callTimeoutMs: number;
}

/** One text of ours, answered with cells. */
export function textRequest(sql: string): Request {
  return { frame: queryFrame(sql), answer: 'cells' };
}

/** The first error of an answer. */
export function errorOf(answer: Answer): Extract<Answer[number], { kind: 'error' }>['error'] | undefined {
  const last = answer.at(-1);
  return last?.kind === 'error' ? last.error : undefined;
}

/** @throws {EngineError} ENGINE_UNAVAILABLE, or the server refused a setting. */
export async function openSession(options: ConnectionOptions, settings: SessionSettings): Promise<Session> {
  const wire = await connectWire(options);
  const first = textRequest(`SET SESSION ${sessionVariables(settings).join(',')};SELECT @@GLOBAL.log_bin`);
  const [answer] = await within(wire, settings, () => wire.exchange([first]));
  const error = errorOf(answer ?? []);
  if (error !== undefined) {
    wire.destroy();
    throw refusedError(error, 'ENGINE_UNAVAILABLE');
  }
  const binlog = answer?.[1]?.kind === 'cells' && answer[1].rows[0]?.[0]?.toString('latin1') === '1';
  return new Session(wire, settings, binlog && settings.engine === 'mariadb');
}

function sessionVariables(settings: SessionSettings): readonly string[] {
  const lockSeconds = Math.max(1, Math.ceil(settings.lockTimeoutMs / 1_000));
  return [
    // XA START and the first statement leave together. Should XA START fail, the statement must not commit by itself.
    'autocommit=0',
    `innodb_lock_wait_timeout=${lockSeconds}`,
    // For metadata locks; the default is a day (MariaDB) or a year (MySQL), behind a branch in doubt.
    `lock_wait_timeout=${lockSeconds}`,
    'session_track_state_change=1',
    ...(settings.engine === 'mysql' ? ["session_track_transaction_info='STATE'"] : []),
    ...(settings.detach && settings.engine === 'mariadb' ? ['pseudo_slave_mode=1'] : []),
  ];
}

/** Does `work` on a connection, and ends the connection if it takes too long: `work` then rejects as for a lost one. */
export async function within<T>(
  wire: Wire,
  limit: { readonly clock: Clock; readonly callTimeoutMs: number },
  work: () => Promise<T>,
): Promise<T> {
  const timer = limit.clock.after(limit.callTimeoutMs, () => wire.destroy());
  try {
    return await work();
  } finally {
    timer.cancel();
  }
}

/** Used by one branch at a time. */
export class Session {
  readonly wire: Wire;
  readonly statements: Statements;
  /**
   * MariaDB with its binary log acknowledges `XA COMMIT … ONE PHASE` before the engine's part of it is durable: after a crash
   * such a branch is back as prepared, and would be rolled back as one that nobody decided. Seen with 10.11.18.
   */
  readonly onePhaseIsVolatile: boolean;
  readonly #limit: Pick<SessionSettings, 'clock' | 'callTimeoutMs'>;
  /** Something in it would leak into the next branch: a variable, the current database, a temporary table. */
  isDirty = false;
  /** What the engine's own idle timeout is set to; 0: the server's default. */
  idleTimeoutSeconds = 0;
  /** For whoever uses the session now. */
  whenLost: ((reason: Reason) => void) | undefined;

  constructor(wire: Wire, limit: Pick<SessionSettings, 'clock' | 'callTimeoutMs'>, onePhaseIsVolatile: boolean) {
    this.wire = wire;
    this.onePhaseIsVolatile = onePhaseIsVolatile;
    this.#limit = limit;
    this.statements = new Statements(wire);
    wire.onLost((reason) => this.whenLost?.(reason));
  }

  /** `CONNECTION_ID()`, as KILL takes it. */
  get id(): number {
    return this.wire.id;
  }

  /** @throws {EngineError} with `sessionLost`. */
  async exchange(requests: readonly Request[]): Promise<readonly Answer[]> {
    const closing = this.statements.takeClosing();
    const answers = await this.wire.exchange([...closing, ...requests]);
    return answers.slice(closing.length);
  }

  /** Texts of ours, each whatever became of the one before it. @throws {EngineError} with `sessionLost`, also if it takes too long. */
  texts(texts: readonly string[]): Promise<readonly Answer[]> {
    return within(this.wire, this.#limit, () => this.exchange(texts.map(textRequest)));
  }

  /** One text of ours. @throws {EngineError} with `sessionLost`; a refusal is the answer's last result. */
  async text(sql: string): Promise<Answer> {
    const [answer] = await this.texts([sql]);
    assert(answer !== undefined, 'every request has an answer');
    return answer;
  }

  destroy(): void {
    this.wire.destroy();
  }
}

/** A session that had to be given up is no reason to think that the engine is away. */
export function isLost(error: unknown): boolean {
  return error instanceof EngineError && error.sessionLost;
}
