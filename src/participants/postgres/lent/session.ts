// The loan of a PostgreSQL client: from BEGIN until it is the application's again, and what the application does on it meanwhile.

import { within } from '../../../lib/wait.ts';
import { ENGINE_CALL_MS } from '../../../xa/times.ts';
import type { Reason } from '../../../xa/vocabulary.ts';
import { formatXid } from '../../../xa/xid.ts';
import {
  ASKED_TO_END,
  ENDED_BY_APPLICATION,
  LEFT_OPEN,
  type LentSessionParts,
  OBEY_MS,
  OPEN_ALREADY,
} from '../../lent/application-branch.ts';
import { Loan } from '../../lent/lending.ts';
import { HeldRelease } from '../../lent/pool-release.ts';
import { RefusedStatement } from '../../lent/refused-statement.ts';
import { EngineError } from '../../resource-manager.ts';
import { addNames, lookTexts } from '../branch/reader.ts';
import { isUnreplicated, type PgError } from '../protocol/batch.ts';
import { DISGUISED, lostReason, statementReason } from '../protocol/errors.ts';
import { RESTORE_TEXT } from '../session/session-state.ts';
import { sessionTag } from '../sql/gid.ts';
import { namesOf } from '../sql/statement.ts';
import {
  askPg,
  cancelPg,
  failureOf,
  MARK,
  PARK,
  type PgAnswer,
  type PgClient,
  type PgReport,
  pgCell,
  whenIdle,
} from './connection.ts';
import { PgGate } from './gate.ts';

/** Rows were changed, so that a transaction number exists. */
const WROTE = /^(?:INSERT|UPDATE|DELETE|MERGE) .*[1-9]/;
/** What may have ended the transaction behind our back, and another may have begun since; also a rollback to a savepoint. */
const ENDS = /^ROLLBACK/;
/** What has. The gate lets nothing through that is answered so; if it did, that is seen here in the same round trip. */
const ENDED = /^(?:COMMIT|PREPARE TRANSACTION)/;

export class LentPgSession {
  readonly #parts: LentSessionParts<PgClient>;
  readonly #onLost: (reason: Reason) => void;
  readonly #loan: Loan;
  /** By which others find the session: what it should be, and what the server says. In a transaction that failed it is what it was before. */
  readonly #tag: string;
  #name: string | undefined;
  #gate: PgGate | undefined;
  #release: HeldRelease | undefined;
  /** Why the application may send nothing more. */
  #closed: string | undefined;
  #committedOutside: string | undefined;
  #isGone = false;
  #isUnreplicated = false;
  /** Between BEGIN and the first word of the branch's end the application alone speaks on the client. */
  #isTheirs = false;
  #wrote = false;
  /** Whatever the application's statements may have named; undefined: they may have done anything. */
  #names: ReadonlySet<string> | undefined = new Set();
  #mayHaveEnded = false;
  #firstError: Reason | undefined;

  /** `onLost`: the connection or the transaction on it ended, or can only be rolled back. @throws {TypeError} it is lent already. */
  constructor(parts: LentSessionParts<PgClient>, onLost: (reason: Reason) => void) {
    this.#parts = parts;
    this.#tag = sessionTag({ ...parts.xid, opening: parts.options.opening });
    this.#onLost = onLost;
    this.#loan = new Loan(parts.connection);
  }

  get released(): Promise<void> {
    return this.#loan.released;
  }

  /** PostgreSQL has told that its wait for a synchronous standby was cut off: what it answered may be lost by a failover. */
  get isUnreplicated(): boolean {
    return this.#isUnreplicated;
  }

  /** The application lets this session tell warnings outside of the branch: see `isUnreplicated`. */
  hearsWarnings = true;

  /** Nothing runs on the client, and no transaction is open on it. */
  get isFree(): boolean {
    const { connection } = this.#parts;
    return !this.#isGone && connection.readyForQuery === true && connection.getTransactionStatus?.() === 'I';
  }

  /** Some statement of the application has changed rows. */
  get wrote(): boolean {
    return this.#wrote;
  }

  /** Asks what a branch without changes did beside reading; the last answer is for `lookAt`. Never rejects. */
  look(): Promise<PgAnswer> {
    return this.ask(`${RESTORE_TEXT}${lookTexts(this.#names)}`);
  }

  get isReadOnly(): boolean {
    return this.#parts.options.readOnly;
  }

  /** The first error of a statement: it explains a transaction that turns out to have failed. */
  get firstError(): Reason | undefined {
    return this.#firstError;
  }

  /** Why `answer` is a no. A transaction that had failed before is explained better by its first error (25P02). */
  whyRefused(answer: PgAnswer): Reason | undefined {
    const failure = failureOf(answer);
    return failure === undefined || failure.sqlstate === '25P02' ? (this.#firstError ?? failure) : failure;
  }

  /** The engine has committed work of the branch at the application's own word: how that is known. */
  get committedOutside(): string | undefined {
    return this.#committedOutside;
  }

  /** @throws {EngineError} nothing is open, and the client is given back. */
  async begin(): Promise<void> {
    const { options, xid } = this.#parts;
    const level = options.isolation === 'default' ? '' : ` isolation level ${options.isolation.replace('-', ' ')}`;
    const idleTimeoutMs = Math.round(Math.min(options.idleTimeoutMs, 2 ** 31 - 1));
    this.#watch(true);
    // LOCAL: both end with the transaction. By its name any participant finds the session and can end it.
    const answer = await this.#ask(
      `begin${level}${options.readOnly ? ' read only' : ''};set local application_name = '${this.#tag}';` +
        `set local ${MARK} = '${formatXid(xid)}';set local idle_in_transaction_session_timeout = ${idleTimeoutMs}`,
      ENGINE_CALL_MS,
      () => this.#refuseOpen(),
    );
    const reason = failureOf(answer);
    if (reason !== undefined) {
      await this.giveBack(reason !== OPEN_ALREADY);
      throw new EngineError(reason, { sessionLost: this.#isGone });
    }
    this.#isTheirs = true;
  }

  /**
   * The application's part is over: what is said on the client now is ours. Resolves with why the transaction is not the branch's any
   * more; undefined: it is.
   */
  async takeOver(): Promise<Reason | undefined> {
    const { connection, clock } = this.#parts;
    await within(
      whenIdle(connection, () => undefined),
      { clock, timeoutMs: ENGINE_CALL_MS },
      () => undefined,
    ).catch(() => undefined);
    this.#isTheirs = false;
    if (this.#closed !== undefined) {
      return ENDED_BY_APPLICATION;
    }
    this.#closed = ASKED_TO_END;
    if ((this.#gate?.depth ?? 0) > 0) {
      const isFailed = connection.getTransactionStatus?.() === 'E';
      return (isFailed ? this.#firstError : undefined) ?? LEFT_OPEN;
    }
    if (!this.#mayHaveEnded) {
      return undefined;
    }
    const answer = await this.ask(`select current_setting('${MARK}', true)`);
    return failureOf(answer) ?? (pgCell(answer, 0) === formatXid(this.#parts.xid) ? undefined : ENDED_BY_APPLICATION);
  }

  /** Behind whatever the application has asked for. Never rejects. */
  ask(text: string): Promise<PgAnswer> {
    return this.#ask(text, ENGINE_CALL_MS);
  }

  /** `first` runs in the turn in which the text is sent; what it throws is the answer. */
  #ask(text: string, timeoutMs: number, first?: () => void): Promise<PgAnswer> {
    return askPg(this.#parts.connection, text, this.#parts.clock, timeoutMs, (send) => {
      first?.();
      return this.#gate === undefined ? send() : this.#gate.asOurs(send);
    });
  }

  /** Nothing of the application may run or wait when this is asked: what it has begun would become part of the branch. */
  #refuseOpen(): void {
    if ((this.#parts.connection.getTransactionStatus?.() ?? 'I') !== 'I') {
      throw new EngineError(OPEN_ALREADY, { sessionLost: false });
    }
  }

  /**
   * Rolled back, and the locks are free; but until `giveBack` the client stays in a transaction that has failed, so that nothing that
   * the application still sends is committed: it is refused here already, with `why`. Never rejects.
   */
  async park(why: string): Promise<void> {
    this.#isTheirs = false;
    this.#closed = why;
    await this.#rollBack(PARK);
  }

  /** The client is the application's again, rolled back first if the transaction may be open. Never rejects. */
  async giveBack(rollBack: boolean): Promise<void> {
    this.#isTheirs = false;
    if (rollBack) {
      await this.#rollBack('rollback');
    }
    this.#watch(false);
    this.#loan.end();
    this.#release?.end();
  }

  async #rollBack(text: string): Promise<void> {
    const { connection, clock, tools } = this.#parts;
    const isDone = async () => (await this.#ask(text, OBEY_MS)).kind !== 'lost';
    if (!this.#isGone && !(await isDone())) {
      // A statement of the application runs, for instance in a queue for a lock. What we asked for stands behind it.
      await cancelPg(connection, clock);
      if (!(await isDone())) {
        await tools.fence().catch(() => connection.connection.stream.destroy());
      }
    }
  }

  #watch(on: boolean): void {
    const { connection: client } = this.#parts;
    const verb = on ? 'on' : 'off';
    client.connection[verb]('commandComplete', this.#onTag);
    client.connection[verb]('errorMessage', this.#onError);
    client.connection[verb]('notice', this.#onNotice);
    client.connection[verb]('parameterStatus', this.#onReport);
    client.connection[verb]('readyForQuery', this.#onReady);
    // Also because a client without a listener for errors ends the process.
    client[verb]('error', this.#onGone);
    client[verb]('end', this.#onGone);
    if (on) {
      this.#release = HeldRelease.ofPg(client);
      this.#gate = new PgGate(client, {
        onDoomed: (message) => this.#onLost({ ...ENDED_BY_APPLICATION, message }),
        onText: (sql) => {
          if (!this.#wrote) {
            this.#names = addNames(this.#names, namesOf(sql));
          }
        },
        closed: () => this.#closed,
      });
    } else {
      this.#gate?.remove();
    }
  }

  readonly #onNotice = (notice: unknown): void => {
    this.#isUnreplicated ||= isUnreplicated(notice);
  };

  readonly #onReport = ({ parameterName, parameterValue }: PgReport): void => {
    this.#name = parameterName === 'application_name' ? parameterValue : this.#name;
  };

  readonly #onTag = ({ text }: { readonly text: string }): void => {
    if (!this.#isTheirs) {
      return;
    }
    this.#wrote ||= WROTE.test(text);
    this.#mayHaveEnded ||= ENDS.test(text);
    if (ENDED.test(text)) {
      this.#committedOutside ??= `PostgreSQL answered ${text} to a statement of the application within the branch`;
      this.#endedOutside();
    }
  };

  readonly #onReady = ({ status }: { readonly status: string }): void => {
    if (this.#isTheirs && status === 'I') {
      this.#endedOutside();
    }
    if (this.#isTheirs && status === 'T' && (this.#name ?? this.#tag) !== this.#tag) {
      this.#onLost(statementReason(DISGUISED));
    }
  };

  #endedOutside(): void {
    this.#isTheirs = false;
    this.#closed ??= ENDED_BY_APPLICATION.message;
    this.#onLost(ENDED_BY_APPLICATION);
  }

  readonly #onError = (error: PgError | RefusedStatement): void => {
    if (this.#isTheirs && !(error instanceof RefusedStatement)) {
      this.#firstError ??= statementReason(error);
    }
  };

  readonly #onGone = (error?: Error): void => {
    if (!this.#isGone) {
      this.#isGone = true;
      this.#onLost(lostReason(error ?? new Error('the connection was closed')));
    }
  };
}
