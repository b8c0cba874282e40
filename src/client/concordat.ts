// The client: one connection to a coordinator, shared by everything that a process does in global transactions.
import type { Clock } from '../lib/clock.ts';
import { type Random, systemRandom } from '../lib/random.ts';
import { systemClock } from '../lib/system-clock.ts';
import { parseGtrid } from '../xa/xid.ts';
import type { ClientParts } from './branches.ts';
import { parseContext } from './context.ts';
import { CoordinatorSession, type SessionSettings } from './coordinator-session.ts';
import { Embedding } from './embedding.ts';
import { type BranchIdentity, ConcordatError } from './errors.ts';
import { RefusedError, toClientError } from './failures.ts';
import { JoinedTransaction, type JoinOptions } from './joined.ts';
import {
  CONNECT_TIMEOUT_DEFAULT_MS,
  type ConnectOptions,
  checkBranchStart,
  checkMilliseconds,
  checkTransactionOptions,
  OUTCOME_TIMEOUT_DEFAULT_MS,
  type RunOptions,
  type TransactionOptions,
} from './options.ts';
import { askTransaction, outcomeOf, type TransactionOutcome } from './outcome.ts';
import { OwnTransaction } from './own-transaction.ts';
import { ResourceLinks } from './resource-links.ts';
import { runTransaction } from './run.ts';
import type { Transaction, TransactionWork } from './transaction.ts';
import { within } from './wait.ts';

/** A resource as the coordinator knows it. */
export interface ResourceInfo {
  readonly name: string;
  /** postgresql, mysql, mariadb or memory */
  readonly engine: string;
  /** A sidecar of it is attached, and takes statements. */
  readonly available: boolean;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** Made by `connect`. Share one in each process; it reconnects by itself until it is closed. */
export class Concordat implements AsyncDisposable {
  readonly #parts: ClientParts;
  readonly #open = new Set<OwnTransaction>();
  #closing: Promise<void> | undefined;

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /**
   * Runs `work` in a new transaction: commits when it returns, rolls back when it throws, and throws what it threw.
   *
   * While the connection is away it waits for it first, for `connectTimeoutMs`.
   * @throws {TransactionRolledBackError} {OutcomeUnknownError} {HeuristicOutcomeError} as `Transaction.commit` does.
   * @throws {ConcordatError} CONNECTION_LOST: nothing was begun. {RangeError} an option is out of range.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T> | T, options: RunOptions = {}): Promise<T> {
    return runTransaction(this, this.#parts.session.settings, work, options);
  }

  /**
   * Begins a transaction, to be committed or rolled back by hand. Nothing is awaited: the id is of this session's own.
   * @throws {ConcordatError} CONNECTION_LOST: not connected just now, or out of ids; `ready` waits. {RangeError}
   */
  begin(options: TransactionOptions = {}): Transaction {
    checkTransactionOptions(options);
    const transaction = this.#tryBegin(options);
    if (transaction === undefined) {
      const message =
        'The coordinator is not connected just now, or has not sent new ids yet: await ready() before begin().';
      throw new ConcordatError(message, { code: 'CONNECTION_LOST', retryable: true });
    }
    return transaction;
  }

  /**
   * Begins a transaction as soon as the connection is there.
   * @throws {ConcordatError} CONNECTION_LOST after `connectTimeoutMs`; the signal's reason; {RangeError}
   */
  async beginWhenReady(options: TransactionOptions = {}): Promise<Transaction> {
    checkTransactionOptions(options);
    options.signal?.throwIfAborted();
    return this.#tryBegin(options) ?? (await this.#until(() => this.#tryBegin(options), options.signal));
  }

  /** Resolves when a transaction can be begun. @throws {ConcordatError} CONNECTION_LOST after `connectTimeoutMs`. */
  async ready(options: WaitOptions = {}): Promise<void> {
    const look = (): true | undefined => {
      const link = this.#parts.session.connection?.link;
      return link !== undefined && !link.exhausted ? true : undefined;
    };
    await this.#until(look, options.signal);
  }

  /**
   * Takes part in a transaction that another service began and whose `context` came with the call.
   * @throws {TypeError} the text is not a context.
   */
  join(context: string, options: JoinOptions = {}): TransactionWork {
    checkBranchStart(options);
    return new JoinedTransaction(this.#parts, parseContext(context), options);
  }

  /**
   * How a transaction ended. `branches`, from an `OutcomeUnknownError`, lets the coordinator tell more: with two or more of them its
   * log's silence proves a rollback.
   * @throws {ConcordatError} TXN_NOT_FOUND: not an id of this coordinator. CONNECTION_LOST: nobody could be asked.
   */
  async outcome(
    gtrid: string,
    branches: readonly BranchIdentity[] = [],
    options: WaitOptions = {},
  ): Promise<TransactionOutcome> {
    if (parseGtrid(gtrid) === undefined) {
      throw new TypeError(`not the id of a transaction: ${gtrid}`);
    }
    const { signal } = options;
    const { clock, connectTimeoutMs: timeoutMs } = this.#parts.session.settings;
    try {
      const { link } = await this.#until(() => this.#parts.session.connection, signal);
      const request = { gtrid, branches: branches.map(({ bqual, instance }) => ({ bqual, instance })) };
      const silent = (): ConcordatError =>
        new ConcordatError('The coordinator did not answer in time.', { code: 'DEADLINE', retryable: false });
      return outcomeOf(await within(askTransaction(link, request), { clock, timeoutMs, signal }, silent));
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'OUTCOME_EXPIRED') {
        return 'expired';
      }
      throw signal?.aborted === true ? error : toClientError(error);
    }
  }

  /** The resources that the coordinator knows, by name; kept up to date while connected. */
  resources(): readonly ResourceInfo[] {
    return [...this.#parts.session.directory.values()]
      .map(({ name, engine, address }) => ({ name, engine, available: address !== '' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Rolls back what is open, waits for commits that are under way, and ends every connection. Idempotent; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tryBegin(options: TransactionOptions): OwnTransaction | undefined {
    if (this.#closing !== undefined) {
      throw new ConcordatError('The client is closed and begins nothing more.', {
        code: 'TXN_STATE',
        retryable: false,
      });
    }
    const { connection } = this.#parts.session;
    const gtrid = connection?.link.number();
    if (connection === undefined || gtrid === undefined) {
      return undefined;
    }
    const transaction = new OwnTransaction(this.#parts, connection, gtrid, options, (ended) =>
      this.#open.delete(ended),
    );
    this.#open.add(transaction);
    return transaction;
  }

  #until<T>(look: () => T | undefined, signal: AbortSignal | undefined): Promise<T> {
    const { session } = this.#parts;
    return session.until(look, { timeoutMs: session.settings.connectTimeoutMs, signal });
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((transaction) => transaction.settle('the client was closed')));
    await this.#parts.embedding.close();
    await this.#parts.session.close();
    this.#parts.links.close();
  }
}

/** What is given in tests only. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Connects to the coordinator at `address`, host and port.
 * @throws {ConcordatError} CONNECTION_LOST after `connectTimeoutMs`, naming the address; the signal's reason; {RangeError}
 */
export async function connect(
  address: string,
  options: ConnectOptions = {},
  environment: Environment = { clock: systemClock, random: systemRandom },
): Promise<Concordat> {
  checkMilliseconds('connectTimeoutMs', options.connectTimeoutMs);
  checkMilliseconds('outcomeTimeoutMs', options.outcomeTimeoutMs);
  options.signal?.throwIfAborted();
  const links = new ResourceLinks(options.logger);
  const settings: SessionSettings = {
    address,
    application: options.application ?? '',
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_DEFAULT_MS,
    logger: options.logger,
    onAddresses: (addresses) => links.keep(addresses),
    ...environment,
  };
  const session = new CoordinatorSession(settings);
  const outcomeTimeoutMs = options.outcomeTimeoutMs ?? OUTCOME_TIMEOUT_DEFAULT_MS;
  const concordat = new Concordat({ session, links, embedding: new Embedding(settings), outcomeTimeoutMs });
  try {
    await concordat.ready(options.signal === undefined ? {} : { signal: options.signal });
    return concordat;
  } catch (error) {
    await concordat.close();
    throw error;
  }
}
