// The client's connection to its coordinator for as long as the client lives: links that follow one another, and the directory.
import type { ResourceDirectory__Output as WireDirectory } from '../../gen/concordat/v1/ResourceDirectory.ts';
import type { ResourceEntry__Output as ResourceEntry } from '../../gen/concordat/v1/ResourceEntry.ts';
import type { SessionWelcome__Output as Welcome } from '../../gen/concordat/v1/SessionWelcome.ts';
import type { TransactionServiceClient } from '../../gen/concordat/v1/TransactionService.ts';
import { type Backoff, backoffDelayMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { pause, within } from '../../lib/wait.ts';
import { wire } from '../../wire/proto.ts';
import { CoordinatorError } from '../../xa/errors.ts';
import type { Logger } from '../public/options.ts';
import { COORDINATOR_CHANNEL, channelCredentials } from './channel.ts';
import { CoordinatorLink } from './coordinator-link.ts';
import { toClientError } from './failures.ts';

export interface ClientSettings {
  readonly address: string;
  readonly application: string;
  readonly connectTimeoutMs: number;
  readonly logger: Logger | undefined;
  /** Called with the addresses of the sidecars, after each change. */
  readonly onAddresses: (addresses: ReadonlySet<string>) => void;
  readonly clock: Clock;
  readonly random: Random;
  /** In place of a connection to `address`. */
  readonly client?: TransactionServiceClient | undefined;
}

/** A link and what its welcome said. */
export interface Connection {
  readonly link: CoordinatorLink;
  readonly welcome: Welcome;
}

const RECONNECT: Backoff = { firstMs: 50, maxMs: 2_000 };

/** Made by `openCoordinatorSession`. Reconnects by itself until it is closed. */
const TOKEN_CHARS = 26;

export class CoordinatorSession {
  readonly settings: ClientSettings;
  readonly #client: TransactionServiceClient;
  /** Who we are over all sessions: request ids are ours alone. */
  readonly #token: string;
  readonly #stop = new AbortController();
  readonly #changes = new Set<() => void>();
  #connection: Connection | undefined;
  #directory = new Map<string, ResourceEntry>();
  /** Resources whose sidecar is attached, and when it left where it is not any more. */
  #attached: ReadonlySet<string> = new Set();
  readonly #leftAt = new Map<string, number>();
  #failure: unknown;

  constructor(settings: ClientSettings) {
    this.settings = settings;
    this.#token = settings.random.base32(TOKEN_CHARS);
    this.#client =
      settings.client ?? new wire.TransactionService(settings.address, channelCredentials(), COORDINATOR_CHANNEL);
    void this.#connect();
  }

  /** Undefined while the connection is away. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  get directory(): ReadonlyMap<string, ResourceEntry> {
    return this.#directory;
  }

  /** Milliseconds since the sidecar of the resource left; undefined: it is attached, or this client has not seen it. */
  goneForMs(resource: string): number | undefined {
    const leftAt = this.#leftAt.get(resource);
    return leftAt === undefined ? undefined : this.settings.clock.now() - leftAt;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /**
   * Resolves with what `look` finds, now or after a change of the connection, its ids or the directory.
   * @throws {ConcordatError} CONNECTION_LOST or what `late` makes, after `timeoutMs`; the signal's reason.
   */
  until<T>(
    look: () => T | undefined,
    bounds: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
    late: () => unknown = () => this.#away(bounds.timeoutMs),
  ): Promise<T> {
    let onChange: () => void = () => undefined;
    const found = new Promise<T>((resolve, reject) => {
      onChange = () => {
        if (bounds.signal?.aborted === true) {
          return;
        }
        try {
          const value = this.closed ? undefined : look();
          if (value !== undefined) {
            resolve(value);
          } else if (this.closed || this.#isFinal()) {
            reject(this.#away(bounds.timeoutMs));
          }
        } catch (error) {
          reject(error);
        }
      };
      this.#changes.add(onChange);
      onChange();
    });
    return within(found, { clock: this.settings.clock, ...bounds }, late).finally(() => this.#changes.delete(onChange));
  }

  /** Ends the session; the coordinator rolls back what was not asked to commit. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#changed();
    await this.#connection?.link.close();
    this.#client.close();
  }

  async #connect(): Promise<void> {
    const { clock, random, logger, address } = this.settings;
    for (let attempt = 1; !this.closed; attempt++) {
      try {
        await this.#open();
        return;
      } catch (error) {
        this.#failure = error;
        this.#changed();
        logger?.warn({ evt: 'session_failed', address, attempt, err: error }, 'cannot open the coordinator session');
        const delayMs = backoffDelayMs(RECONNECT, attempt, random);
        await pause(clock, delayMs, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  async #open(): Promise<void> {
    const { application, clock, connectTimeoutMs, logger, address } = this.settings;
    const directory = new Map<string, ResourceEntry>();
    const link = new CoordinatorLink(this.#client, clock, {
      onResources: (news) => {
        merge(directory, news);
        if (this.#directory === directory) {
          this.#directoryChanged();
        }
      },
      onLease: () => this.#changed(),
      onLost: (error) => this.#onLost(link, error),
    });
    const welcome = await link.greet(application, this.#token, {
      clock,
      timeoutMs: connectTimeoutMs,
      signal: this.#stop.signal,
    });
    if (link.lost !== undefined) {
      throw link.lost;
    }
    this.#failure = undefined;
    this.#connection = { link, welcome };
    this.#directory = directory;
    this.#directoryChanged();
    const { logIdentity, epoch, version } = welcome;
    logger?.info({ evt: 'session_open', address, logIdentity, epoch, version }, 'coordinator session open');
  }

  #onLost(link: CoordinatorLink, error: CoordinatorError): void {
    // A link that never was welcomed is the business of #connect.
    if (this.#connection?.link !== link) {
      return;
    }
    this.#connection = undefined;
    this.#failure = error;
    if (!this.closed) {
      this.settings.logger?.warn({ evt: 'session_lost', address: this.settings.address, err: error }, error.message);
      void this.#connect();
    }
  }

  #directoryChanged(): void {
    this.#noteLeaving();
    this.settings.onAddresses(new Set([...this.#directory.values()].map((entry) => entry.address)));
    this.#changed();
  }

  #noteLeaving(): void {
    const attached = [...this.#directory.values()].flatMap(({ name, address }) => (address === '' ? [] : [name]));
    for (const name of this.#attached) {
      this.#leftAt.set(name, this.settings.clock.now()); // Taken back below if it has not left.
    }
    this.#attached = new Set(attached);
    for (const name of attached) {
      this.#leftAt.delete(name);
    }
  }

  #changed(): void {
    for (const change of [...this.#changes]) {
      change();
    }
  }

  /** Trying again would not help: other versions, other settings. */
  #isFinal(): boolean {
    const failure = this.#failure;
    return failure instanceof CoordinatorError && (failure.code === 'PROTOCOL' || failure.code === 'FIELD_INVALID');
  }

  #away(waitedMs: number): unknown {
    const { address } = this.settings;
    const cause = this.#failure;
    if (this.closed) {
      return toClientError(new CoordinatorError('TXN_STATE', 'The client is closed and begins nothing more.'));
    }
    if (cause instanceof CoordinatorError && this.#isFinal()) {
      const message = `The coordinator at ${address} refuses this client: ${cause.message}`;
      return toClientError(new CoordinatorError(cause.code, message, { cause }));
    }
    // gRPC ends its sentence with a note that is mostly empty.
    const words = cause instanceof Error ? cause.message.replace(/\.?\s*Resolution note:[\s.]*$/, '') : '';
    const said = words === '' ? '' : ` The last attempt said: ${words}.`;
    const message = `The coordinator at ${address} cannot be reached; waited ${waitedMs} ms.${said} Check that it runs there (concordat coordinator), and the address and port.`;
    return toClientError(new CoordinatorError('CONNECTION_LOST', message, { cause }));
  }
}

function merge(directory: Map<string, ResourceEntry>, { entries, gone, partial }: WireDirectory): void {
  if (!partial) {
    directory.clear();
  }
  for (const entry of entries) {
    directory.set(entry.name, entry);
  }
  for (const name of gone) {
    directory.delete(name);
  }
}
