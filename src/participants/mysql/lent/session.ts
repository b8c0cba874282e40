// The loan of a MySQL or MariaDB connection: from XA START until the connection is the application's again, whatever happens to it.

import { atMost } from '../../../lib/wait.ts';
import type { EvidenceRow } from '../../../xa/evidence.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { FORMAT_ID } from '../../../xa/xid.ts';
import {
  ASKED_TO_END,
  ENDED_BY_APPLICATION,
  LEFT_OPEN,
  type LentSessionParts,
  OBEY_MS,
} from '../../lent/application-branch.ts';
import { Loan } from '../../lent/lending.ts';
import { HeldRelease } from '../../lent/pool-release.ts';
import { EngineError } from '../../resource-manager.ts';
import { lockReleased } from '../branch/work.ts';
import type { MysqlConnection } from '../protocol/driver.ts';
import { ERRNO, lostReason, refusedReason } from '../protocol/errors.ts';
import { branchLock, endText, finishText, markerText, ownText, xidLiteral } from '../sql/texts.ts';
import { askMysql, type MysqlAnswer } from './connection.ts';
import { MysqlGate } from './gate.ts';

export class LentMysqlSession {
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #onGone: (reason: Reason) => void;
  readonly #loan: Loan;
  #gate: MysqlGate | undefined;
  #release: HeldRelease | undefined;
  /** Why the application may send nothing more. */
  #closed: string | undefined;
  /** Between XA START and the first word of the branch's end the application alone speaks on the connection. */
  #isTheirs = false;
  #mayHaveEnded = false;
  readonly #row: EvidenceRow;
  #isGone = false;
  #isParked = false;
  #isReleased = false;
  /** Settles when the lock that names the owner of the branch is let go of, as far as that was asked for. */
  #unlocking: Promise<unknown> = Promise.resolve();
  /** The application's own, in seconds; undefined: it was not changed, or may have been. */
  #waitTimeout: number | undefined;

  /** `onGone`: the connection or the branch on it ended, not by us, or the branch can only be rolled back. @throws {TypeError} it is lent already. */
  constructor(parts: LentSessionParts<MysqlConnection>, onGone: (reason: Reason) => void) {
    this.#parts = parts;
    this.#row = { ...parts.xid, opening: parts.options.opening };
    this.#onGone = onGone;
    this.#loan = new Loan(parts.connection);
  }

  get released(): Promise<void> {
    return this.#loan.released;
  }

  get unlocked(): Promise<void> {
    return this.#loan.released.then(() => this.#unlocking).then(() => undefined);
  }

  /**
   * @param database where the branch's evidence row is written, if it may write. Now and not at the end, so that it can only be in the
   * branch: whatever ends the branch takes the row along or leaves it as its proof.
   * @throws {EngineError} nothing is open, and the connection is given back.
   */
  async begin(database: string | undefined): Promise<void> {
    const { options } = this.#parts;
    const row = this.#row;
    const { isolation, readOnly } = options;
    const level = isolation === 'default' ? [] : [`ISOLATION LEVEL ${isolation.replace('-', ' ')}`];
    const characteristics = [...level, ...(readOnly ? ['READ ONLY'] : [])];
    this.#watch(true);
    const answer = await this.ask([
      // By this lock any participant finds the session and can end it.
      ownText(row, '@@session.wait_timeout'),
      // Who may not end it, another account, waits no longer than this for the server to do so when the application hangs.
      `SET SESSION wait_timeout=CAST(LEAST(@@session.wait_timeout,${Math.max(1, Math.ceil(options.idleTimeoutMs / 1_000))}) AS UNSIGNED)`,
      ...(characteristics.length === 0 ? [] : [`SET TRANSACTION ${characteristics.join(',')}`]),
      `XA START ${xidLiteral(row)}`,
      ...(database === undefined ? [] : [markerText(database, row)]),
    ]);
    this.#waitTimeout = answer.kind === 'answered' ? Number(answer.results[0]?.rows[0]?.[1]) : undefined;
    const reason = failureOf(answer);
    if (reason !== undefined) {
      if (answer.kind === 'failed') {
        // If XA START was refused, what the application has open is its own: only a branch of ours could be ended by this.
        await this.ask([endText(row)]);
        await this.ask([finishText('rollback', row)]);
      }
      await this.giveBack(answer.kind === 'lost');
      throw new EngineError(reason, { sessionLost: this.#isGone });
    }
    this.#isTheirs = true;
  }

  /** Something that got past the gate may have ended the branch. */
  get mayHaveEnded(): boolean {
    return this.#mayHaveEnded;
  }

  noteEnded(): void {
    this.#mayHaveEnded = true;
  }

  /** The application's part is over: what is said on the connection now is ours. Resolves with why the branch can only be rolled back. */
  async takeOver(): Promise<Reason | undefined> {
    const { clock } = this.#parts;
    const idle = this.#gate?.idle() ?? Promise.resolve();
    await atMost(idle, { clock, timeoutMs: ENGINE_CALL_MS });
    this.#isTheirs = false;
    this.#closed ??= ASKED_TO_END;
    if (this.#mayHaveEnded) {
      return ENDED_BY_APPLICATION;
    }
    return (this.#gate?.depth ?? 0) > 0 ? LEFT_OPEN : undefined;
  }

  /** Behind whatever the application has asked for. Never rejects. */
  ask(texts: readonly string[]): Promise<MysqlAnswer> {
    return this.#ask(texts, ENGINE_CALL_MS);
  }

  #ask(texts: readonly string[], timeoutMs: number): Promise<MysqlAnswer> {
    const { connection, clock } = this.#parts;
    return askMysql(connection, texts, clock, timeoutMs, (send) =>
      this.#gate === undefined ? send() : this.#gate.asOurs(send),
    );
  }

  /** The same for the last words of a branch; where that costs no round trip, the branch's lock goes with them. Never rejects. */
  async askLast(texts: readonly string[]): Promise<MysqlAnswer> {
    const { connection } = this.#parts;
    if (connection.config.multipleStatements !== true) {
      return await this.ask(texts);
    }
    const answer = await this.ask([...texts, ...this.#releaseTexts()]);
    this.#isReleased = answer.kind === 'answered';
    return answer;
  }

  /**
   * Rolled back, and the locks are free; but until `giveBack` the connection is in a branch in which nothing can be written, so that
   * nothing that the application still sends is committed: it is refused here already, with `why`. Never rejects.
   */
  async park(why: string): Promise<void> {
    const { tools, connection } = this.#parts;
    this.#isTheirs = false;
    this.#closed = why;
    if (this.#isGone) {
      return;
    }
    if (await this.#ended()) {
      const texts = [
        finishText('rollback', this.#row),
        releaseText(this.#row),
        'SET TRANSACTION READ ONLY',
        `XA START ${placeholderLiteral(this.#row)}`,
      ];
      // Asked for all at once: nothing of the application comes in between. The branch may have ended by itself, that fails nothing here.
      const answers = await Promise.all(texts.map((text) => this.ask([text])));
      if (answers.at(-1)?.kind === 'answered') {
        this.#isParked = true;
        return;
      }
    }
    await tools.fence().catch(() => undefined);
    connection.destroy();
  }

  /** The connection is the application's again, rolled back first if the branch may be open. Never rejects. */
  async giveBack(rollBack: boolean): Promise<void> {
    const { tools, connection } = this.#parts;
    this.#isTheirs = false;
    if (this.#isParked && !this.#isGone) {
      await this.ask([`XA END ${placeholderLiteral(this.#row)}`]);
      await this.ask([`XA ROLLBACK ${placeholderLiteral(this.#row)}`]);
    } else if (rollBack && !this.#isGone && !(await this.#rolledBack())) {
      // A statement of the application runs, for instance in a queue for a lock: the session is ended under it.
      await tools.fence().catch(() => connection.destroy());
    }
    if (!this.#isGone && !this.#isReleased) {
      // Ahead of anything that the application asks next, and nothing waits for it unless the engine is asked what became of the branch.
      this.#unlocking = Promise.all(this.#releaseTexts().map((text) => this.ask([text])));
      await (this.#mayHaveEnded ? this.#unlocking : undefined);
    }
    this.#watch(false);
    this.#loan.end();
    this.#release?.end();
  }

  #releaseTexts(): readonly string[] {
    const restored = this.#waitTimeout === undefined ? [] : [`SET SESSION wait_timeout=${this.#waitTimeout}`];
    return [...restored, releaseText(this.#row)];
  }

  /** False: a statement of the application runs, and what we asked for stands behind it. */
  async #ended(): Promise<boolean> {
    // After a deadlock XA END is refused, and MySQL still insists on it before XA ROLLBACK.
    return (await this.#ask([endText(this.#row)], OBEY_MS)).kind !== 'lost';
  }

  async #rolledBack(): Promise<boolean> {
    if (!(await this.#ended())) {
      return false;
    }
    const answer = await this.ask([finishText('rollback', this.#row)]);
    // XAER_NOTA: the branch has ended by itself.
    return answer.kind === 'answered' || (answer.kind === 'failed' && answer.error.errno === ERRNO.xaNotA);
  }

  #watch(on: boolean): void {
    const verb = on ? 'on' : 'off';
    this.#parts.connection[verb]('error', this.#gone);
    this.#parts.connection[verb]('end', this.#gone);
    if (!on) {
      this.#gate?.remove();
      return;
    }
    this.#release = HeldRelease.ofMysql(this.#parts.connection, this.#parts.connection._pool);
    this.#gate = new MysqlGate(this.#parts.connection, {
      onDoomed: (message) => this.#onGone({ ...ENDED_BY_APPLICATION, message }),
      onLeft: () => this.#left(),
      onError: () => undefined,
      closed: () => this.#closed,
    });
  }

  /** Something that got past the gate has ended the branch: what the application sends next would be committed by itself. */
  #left(): void {
    if (this.#isTheirs) {
      this.#isTheirs = false;
      this.#mayHaveEnded = true;
      this.#closed ??= ENDED_BY_APPLICATION.message;
      this.#onGone(ENDED_BY_APPLICATION);
    }
  }

  readonly #gone = (error?: Error): void => {
    if (!this.#isGone) {
      this.#isGone = true;
      this.#onGone(lostReason(error));
    }
  };
}

export function failureOf(answer: MysqlAnswer): Reason | undefined {
  switch (answer.kind) {
    case 'answered':
      return undefined;
    case 'failed':
      return refusedReason(answer.error);
    case 'lost':
      return lostReason(answer.error);
  }
}

/** Why the end of a branch was refused. */
export function endFailure(answer: MysqlAnswer): Reason | undefined {
  return answer.kind === 'failed' && answer.error.errno === ERRNO.outOfRange
    ? lockReleased().reason
    : failureOf(answer);
}

function releaseText(row: EvidenceRow): string {
  const { gtrid, bqual } = row;
  return `DO RELEASE_LOCK(${branchLock(row)}),RELEASE_LOCK(${branchLock({ gtrid, bqual })})`;
}

/** Never prepared, so that nobody ever lists it; under another format id than the branch whose place it takes. */
function placeholderLiteral(row: EvidenceRow): string {
  return `${xidLiteral(row).slice(0, -String(FORMAT_ID).length)}${FORMAT_ID + 1}`;
}
