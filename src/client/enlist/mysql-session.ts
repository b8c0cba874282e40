// The loan of a MySQL or MariaDB connection: from XA START until the connection is the application's again, whatever happens to it.
import { ERRNO, lostReason, refusedReason } from '../../participants/mysql/errors.ts';
import { branchLock, endText, finishText, WRITE_COUNTERS, xidLiteral } from '../../participants/mysql/texts.ts';
import { EngineError } from '../../participants/resource-manager.ts';
import type { Reason } from '../../xa/vocabulary.ts';
import { type LentSessionParts, OBEY_MS } from './application-branch.ts';
import { Loan } from './lending.ts';
import { askMysql, type MysqlAnswer, type MysqlConnection } from './mysql-connection.ts';

export class LentMysqlSession {
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #onGone: (reason: Reason) => void;
  readonly #loan: Loan;
  #isGone = false;
  #counters = '';

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
      WRITE_COUNTERS,
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
    this.#counters = countersOf(answer);
  }

  /** Behind whatever the application has asked for. Never rejects. */
  ask(texts: readonly string[]): Promise<MysqlAnswer> {
    return askMysql(this.#parts.connection, texts, this.#parts.clock);
  }

  /** Whether any row was written since XA START, by whatever means; a reason where that cannot be known any more. */
  async hasWritten(): Promise<boolean | Reason> {
    if (this.#parts.options.readOnly) {
      return false;
    }
    const answer = await this.ask([WRITE_COUNTERS]);
    return failureOf(answer) ?? countersOf(answer) !== this.#counters;
  }

  /** The connection is the application's again, rolled back first if the branch may be open. Never rejects. */
  async giveBack(rollBack: boolean): Promise<void> {
    const { xid, tools, connection } = this.#parts;
    if (rollBack && !this.#isGone && !(await this.#rolledBack())) {
      // A statement of the application runs, for instance in a queue for a lock: the session is ended under it.
      await tools.fence().catch(() => connection.destroy());
    }
    if (!this.#isGone) {
      // Ahead of anything that the application asks next, and nothing waits for it.
      void this.ask([`DO RELEASE_LOCK(${branchLock(xid)})`]);
    }
    this.#watch(false);
    this.#loan.end();
  }

  async #rolledBack(): Promise<boolean> {
    const { connection, clock, xid } = this.#parts;
    // After a deadlock XA END is refused, and MySQL still insists on it before XA ROLLBACK.
    if ((await askMysql(connection, [endText(xid)], clock, OBEY_MS)).kind === 'lost') {
      return false;
    }
    const answer = await this.ask([finishText('rollback', xid)]);
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

function countersOf(answer: MysqlAnswer): string {
  return answer.kind === 'answered' ? JSON.stringify(answer.results.at(-1)?.rows) : '';
}
