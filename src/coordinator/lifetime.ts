// The ways to an end: drained, stopped, or given up after the log has failed. Whoever waits hears its answer before the connections go.

import type { Server } from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import type { Clock } from '../lib/clock.ts';
import type { EventLogger } from '../lib/logger.ts';
import { atMost } from '../lib/wait.ts';
import type { ClientSessions } from './applications/client-session.ts';
import type { Operations } from './applications/operations.ts';
import type { Directory } from './calls/directory.ts';
import type { Driver } from './driver/driver.ts';
import type { Registry } from './driver/registry.ts';

/** How long the last answers may take to leave. */
const FAREWELL_MS = 500;

interface LifetimeParts {
  readonly server: Server;
  readonly health: HealthImplementation;
  /** What the health service answers for, besides the server as a whole. */
  readonly serviceNames: readonly string[];
  readonly driver: Driver;
  readonly transactions: Registry;
  readonly directory: Directory;
  readonly operations: Operations;
  readonly sessions: ClientSessions;
  readonly clock: Clock;
  readonly logger: EventLogger;
  readonly drainGraceMs: number;
}

export class Lifetime {
  readonly #parts: LifetimeParts;
  readonly #stopped = Promise.withResolvers<void>();
  #isServing = false;
  #isStopped = false;
  #drained: Promise<void> | undefined;

  constructor(parts: LifetimeParts) {
    this.#parts = parts;
    this.#setHealth('NOT_SERVING');
    void parts.driver.failed.then(() => this.#leave());
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** Resolves when the server is closed, for whatever reason. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  serve(): void {
    this.#isServing = true;
    this.#setHealth('SERVING');
  }

  /** No new transactions; open ones end or the grace does; then everything is closed. Repeats join the first. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  /** Closes at once. */
  async stop(): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.refuse();
      this.#parts.server.forceShutdown();
      this.#parts.driver.close();
      this.#stopped.resolve();
    }
  }

  async #drain(): Promise<void> {
    const { transactions, logger, drainGraceMs } = this.#parts;
    this.refuse();
    logger.info({ evt: 'draining', open: transactions.liveCount });
    await this.#bounded(transactions.empty(), drainGraceMs);
    for (const { gtrid, state } of transactions.all()) {
      logger.warn({ evt: 'left-for-recovery', txn: gtrid, state: state.kind });
    }
    await this.#leave();
  }

  /** Nothing new is taken from now on; what is there stays, for operators to look at. */
  refuse(): void {
    this.#isServing = false;
    this.#parts.operations.drain();
    this.#setHealth('NOT_SERVING');
  }

  /** The last answers are on their way: streams end after them, and connections when nothing is left to send. */
  async #leave(): Promise<void> {
    const { server, sessions, directory } = this.#parts;
    this.refuse();
    if (!this.#isStopped) {
      sessions.end();
      for (const link of directory.all().flatMap(({ links }) => links)) {
        link.close();
      }
      await this.#bounded(new Promise((resolve) => server.tryShutdown(resolve)), FAREWELL_MS);
    }
    await this.stop();
  }

  /** Waits for `end`, or until the time or the server is over. */
  async #bounded(end: Promise<unknown>, waitMs: number): Promise<void> {
    await atMost(Promise.race([end, this.#stopped.promise]), { clock: this.#parts.clock, timeoutMs: waitMs });
  }

  #setHealth(status: 'SERVING' | 'NOT_SERVING'): void {
    for (const name of ['', ...this.#parts.serviceNames]) {
      this.#parts.health.setStatus(name, status);
    }
  }
}
