// An application's connection while it is lent: texts of ours on it, the gate in the application's way, and the news of its end.

import type { Reason } from '../../../xa/vocabulary.ts';
import { ENDED_BY_APPLICATION, type LentSessionParts } from '../../lent/application-branch.ts';
import { Loan } from '../../lent/lending.ts';
import { HeldRelease } from '../../lent/pool-release.ts';
import type { MysqlConnection } from '../protocol/driver.ts';
import { lostReason } from '../protocol/errors.ts';
import type { ResultList } from '../protocol/exchange.ts';
import { askMysql } from './connection.ts';
import { MysqlGate } from './gate.ts';

export class MysqlLoan {
  readonly gate: MysqlGate;
  /** Why the application may send nothing more. */
  closed: string | undefined;
  /** Something got past the gate and has ended the transaction. Set while the application alone speaks on the connection. */
  onLeft: (() => void) | undefined;
  /** Hears once that the connection has died, or why what was done on it can only be rolled back. */
  listener: ((reason: Reason) => void) | undefined;
  /** An answer did not come in time, or the connection has died: nothing more can be said on it. */
  isSilent = false;
  readonly #parts: LentSessionParts<MysqlConnection>;
  readonly #loan: Loan;
  readonly #release: HeldRelease;
  readonly #died = Promise.withResolvers<void>();
  #lost: Reason | undefined;

  /** @throws {TypeError} the connection is lent already. */
  constructor(parts: LentSessionParts<MysqlConnection>) {
    const { connection } = parts;
    this.#parts = parts;
    this.#loan = new Loan(connection);
    this.#release = HeldRelease.ofMysql(connection, connection._pool);
    connection.on('error', this.#onEnd);
    connection.on('end', this.#onEnd);
    this.gate = new MysqlGate(connection, {
      onDoomed: (message) => this.listener?.({ ...ENDED_BY_APPLICATION, message }),
      onLeft: () => this.onLeft?.(),
      onError: () => undefined,
      closed: () => this.closed,
    });
  }

  /** Why the connection is dead. */
  get lost(): Reason | undefined {
    return this.#lost;
  }

  get died(): Promise<void> {
    return this.#died.promise;
  }

  get released(): Promise<void> {
    return this.#loan.released;
  }

  /** Behind whatever the application has asked for, as `askMysql` does. @throws {EngineError} with `sessionLost` */
  async ask(texts: readonly string[], timeoutMs?: number): Promise<ResultList> {
    const { connection, clock } = this.#parts;
    let answer: ResultList | undefined;
    try {
      answer = await askMysql(connection, texts, clock, timeoutMs, (send) => this.gate.asOurs(send));
      return answer;
    } finally {
      this.isSilent ||= answer === undefined;
    }
  }

  /** The connection is the application's again. Once is enough. */
  end(): void {
    const { connection } = this.#parts;
    connection.off('error', this.#onEnd);
    connection.off('end', this.#onEnd);
    this.gate.remove();
    this.#loan.end();
    this.#release.end();
  }

  readonly #onEnd = (error?: Error): void => {
    if (this.#lost === undefined) {
      this.#lost = lostReason(error);
      this.isSilent = true;
      this.#died.resolve();
      this.listener?.(this.#lost);
    }
  };
}
