// What the application does on its client while that is lent: noted for the branch, and told when the transaction is not the branch's any more.

import type { Reason } from '../../../xa/vocabulary.ts';
import { ENDED_BY_APPLICATION } from '../../lent/application-branch.ts';
import { HeldRelease } from '../../lent/pool-release.ts';
import { RefusedStatement } from '../../lent/refused-statement.ts';
import type { Footprint } from '../branch/reader.ts';
import type { BlockStatus, PgError } from '../protocol/batch.ts';
import type { PgClient } from '../protocol/driver-insides.ts';
import { DISGUISED, statementReason } from '../protocol/errors.ts';
import { readingOf } from '../sql/statement.ts';
import { PgGate } from './gate.ts';

/** Rows were changed, so that a transaction number exists. */
const WROTE = /^(?:INSERT|UPDATE|DELETE|MERGE) .*[1-9]/;
/** What may have ended the transaction behind our back, and another may have begun since; also a rollback to a savepoint. */
const ENDS = /^ROLLBACK/;
/** What has. The gate lets nothing through that is answered so; if it did, that is seen here in the same round trip. */
const ENDED = /^(?:COMMIT|PREPARE TRANSACTION)/;

/** What is told of the application and of its client. */
interface ApplicationListener {
  /** Why the branch can only be rolled back. */
  onDoomed(reason: Reason): void;
  /** Nothing is answered any more. */
  onGone(cause: Error): void;
  /** The session is not named as it should be, or reads texts otherwise. */
  isDisguised(): boolean;
}

export class ApplicationSide {
  readonly #client: PgClient;
  readonly #footprint: Footprint;
  readonly #listener: ApplicationListener;
  readonly #gate: PgGate;
  readonly #release: HeldRelease;
  /** Between BEGIN and the first word of the branch's end the application alone speaks on the client. */
  #speaks = false;
  #closed: string | undefined;
  #committed: string | undefined;
  #mayHaveEnded = false;
  #firstError: Reason | undefined;

  /** Stands in the client's way until `end`. */
  constructor(client: PgClient, footprint: Footprint, listener: ApplicationListener) {
    this.#client = client;
    this.#footprint = footprint;
    this.#listener = listener;
    this.#release = HeldRelease.ofPg(client);
    this.#gate = new PgGate(client, {
      onDoomed: (message) => listener.onDoomed({ ...ENDED_BY_APPLICATION, message }),
      onText: (sql) => footprint.add(readingOf(sql)),
      closed: () => this.#closed,
    });
    this.#listen('on');
  }

  /** Why the application may send nothing more. */
  get closed(): string | undefined {
    return this.#closed;
  }

  /** The engine has committed work of the branch at the application's own word: how that is known. */
  get committed(): string | undefined {
    return this.#committed;
  }

  /** A transaction may have ended, and another begun: the engine has to be asked which one is open. */
  get mayHaveEnded(): boolean {
    return this.#mayHaveEnded;
  }

  /** The first error of a statement: it explains a transaction that turns out to have failed. */
  get firstError(): Reason | undefined {
    return this.#firstError;
  }

  /** How many transactions of the application's own are open. */
  get depth(): number {
    return this.#gate.depth;
  }

  /** From now on the application speaks. */
  begin(): void {
    this.#speaks = true;
  }

  /** Back at a savepoint, an earlier error explains nothing any more. */
  recovered(): void {
    this.#firstError = undefined;
  }

  /** What is said on the client now is ours. */
  pause(): void {
    this.#speaks = false;
  }

  /** What the application still sends is refused, with `why`. */
  refuse(why: string): void {
    this.#speaks = false;
    this.#closed = why;
  }

  /** What `send` sends in this turn is not the application's. */
  asOurs<T>(send: () => T): T {
    return this.#gate.asOurs(send);
  }

  /** The client is the application's again, or its pool's. */
  end(): void {
    this.#speaks = false;
    this.#listen('off');
    this.#gate.remove();
    this.#release.end();
  }

  #listen(verb: 'on' | 'off'): void {
    const { connection } = this.#client;
    connection[verb]('commandComplete', this.#onTag);
    connection[verb]('errorMessage', this.#onError);
    connection[verb]('readyForQuery', this.#onReady);
    // Also because a client without a listener for errors ends the process.
    this.#client[verb]('error', this.#onGone);
    this.#client[verb]('end', this.#onGone);
  }

  readonly #onTag = ({ text }: { readonly text: string }): void => {
    if (!this.#speaks) {
      return;
    }
    this.#footprint.hasWritten ||= WROTE.test(text);
    this.#mayHaveEnded ||= ENDS.test(text);
    if (ENDED.test(text)) {
      this.#committed ??= `PostgreSQL answered ${text} to a statement of the application within the branch`;
      this.#ended();
    }
  };

  readonly #onError = (error: PgError | RefusedStatement): void => {
    if (this.#speaks && !(error instanceof RefusedStatement)) {
      this.#firstError ??= statementReason(error);
    }
  };

  readonly #onReady = ({ status }: { readonly status: BlockStatus }): void => {
    if (this.#speaks && status === 'I') {
      this.#ended();
    }
    // In a transaction that failed the settings are what they were before it.
    if (this.#speaks && status === 'T' && this.#listener.isDisguised()) {
      this.#listener.onDoomed(statementReason(DISGUISED));
    }
  };

  #ended(): void {
    this.#speaks = false;
    this.#closed ??= ENDED_BY_APPLICATION.message;
    this.#listener.onDoomed(ENDED_BY_APPLICATION);
  }

  readonly #onGone = (error?: Error): void => this.#listener.onGone(error ?? new Error('the connection was closed'));
}
