// The loan of a MySQL or MariaDB connection: from XA START until the connection is the application's again, whatever happens to it.
import { ERRNO, lostReason, refusedReason } from '../../participants/mysql/errors.ts';
import { branchLock, endText, finishText, xidLiteral } from '../../participants/mysql/texts.ts';
import { EngineError } from '../../participants/resource-manager.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { FORMAT_ID, type Xid } from '../../xa/xid.ts';
import { type LentSessionParts, OBEY_MS } from './application-branch.ts';
import { Loan } from './lending.ts';
import { askMysql, type MysqlAnswer, type MysqlConnection } from './mysql-connection.ts';

export class LentMysqlSession {
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #onGone: (reason: Reason) => void;
  readonly #loan: Loan;
  #isGone = false;
  #isParked = false;
  #isReleased = false;

  /** `onGone`: the connection ended, not by us. @throws {TypeError} it is lent already. */
  constructor(parts: LentSessionParts<MysqlConnection>, onGone: (reason: Reason) => void) {
    this.#parts = parts;
    this.#onGone = onGone;
    this.#loan = new Loan(parts.connection);
  }

  get released(): Promise<void> {
    return this.#loan.released;
  }

  /** @throws {EngineError} nothing is open, and the connection is given back. */
  async begin(): Promise<void> {
    const { xid, options } = this.#parts;
    const { isolation, readOnly } = options;
    const level = isolation === 'default' ? [] : [`ISOLATION LEVEL ${isolation.replace('-', ' ')}`];
    const characteristics = [...level, ...(readOnly ? ['READ ONLY'] : [])];
    this.#watch(true);
    const answer = await this.ask([
      // By this lock any participant finds the session and can end it.
      `DO GET_LOCK(${branchLock(xid)},0)`,
      ...(characteristics.length === 0 ? [] : [`SET TRANSACTION ${characteristics.join(',')}`]),
      `XA START ${xidLiteral(xid)}`,
    ]);
    const reason = failureOf(answer);
    if (reason !== undefined) {
      if (answer.kind === 'failed') {
        // XA START was refused, and what the application has open is its own: only a branch of ours could be ended by this.
        await this.ask([endText(xid)]);
        await this.ask([finishText('rollback', xid)]);
      }
      await this.giveBack(answer.kind === 'lost');
      throw new EngineError(reason, { sessionLost: this.#isGone });
    }
  }

  /** Behind whatever the application has asked for. Never rejects. */
  ask(texts: readonly string[]): Promise<MysqlAnswer> {
    return askMysql(this.#parts.connection, texts, this.#parts.clock);
  }

  /** The same for the last words of a branch; where that costs no round trip, the branch's lock goes with them. Never rejects. */
  async askLast(texts: readonly string[]): Promise<MysqlAnswer> {
    const { connection, xid } = this.#parts;
    if (connection.config.multipleStatements !== true) {
      return await this.ask(texts);
    }
    const answer = await this.ask([...texts, releaseText(xid)]);
    this.#isReleased = answer.kind === 'answered';
    return answer;
  }

  /**
   * Rolled back, and the locks are free; but until `giveBack` the connection is in a branch in which nothing can be written, so that
   * nothing that the application still sends is committed. Never rejects.
   */
  async park(): Promise<void> {
    const { xid, tools, connection } = this.#parts;
    if (this.#isGone) {
      return;
    }
    if (await this.#ended()) {
      const texts = [
        finishText('rollback', xid),
        releaseText(xid),
        'SET TRANSACTION READ ONLY',
        `XA START ${placeholderLiteral(xid)}`,
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
    const { xid, tools, connection } = this.#parts;
    if (this.#isParked && !this.#isGone) {
      await this.ask([`XA END ${placeholderLiteral(xid)}`]);
      await this.ask([`XA ROLLBACK ${placeholderLiteral(xid)}`]);
    } else if (rollBack && !this.#isGone && !(await this.#rolledBack())) {
      // A statement of the application runs, for instance in a queue for a lock: the session is ended under it.
      await tools.fence().catch(() => connection.destroy());
    }
    if (!this.#isGone && !this.#isReleased) {
      // Ahead of anything that the application asks next, and nothing waits for it.
      void this.ask([releaseText(xid)]);
    }
    this.#watch(false);
    this.#loan.end();
  }

  /** False: a statement of the application runs, and what we asked for stands behind it. */
  async #ended(): Promise<boolean> {
    const { connection, clock, xid } = this.#parts;
    // After a deadlock XA END is refused, and MySQL still insists on it before XA ROLLBACK.
    return (await askMysql(connection, [endText(xid)], clock, OBEY_MS)).kind !== 'lost';
  }

  async #rolledBack(): Promise<boolean> {
    if (!(await this.#ended())) {
      return false;
    }
    const answer = await this.ask([finishText('rollback', this.#parts.xid)]);
    // XAER_NOTA: the branch has ended by itself.
    return answer.kind === 'answered' || (answer.kind === 'failed' && answer.error.errno === ERRNO.xaNotA);
  }

  #watch(on: boolean): void {
    const verb = on ? 'on' : 'off';
    this.#parts.connection[verb]('error', this.#gone);
    this.#parts.connection[verb]('end', this.#gone);
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

function releaseText(xid: Xid): string {
  return `DO RELEASE_LOCK(${branchLock(xid)})`;
}

/** Never prepared, so that nobody ever lists it; under another format id than the branch whose place it takes. */
function placeholderLiteral(xid: Xid): string {
  return `${xidLiteral(xid).slice(0, -String(FORMAT_ID).length)}${FORMAT_ID + 1}`;
}
