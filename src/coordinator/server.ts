// The coordinator as one object: log, driver and services put together, recovered before it serves.

import { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Clock } from '../lib/clock.ts';
import type { EventLogger } from '../lib/logger.ts';
import type { Random } from '../lib/random.ts';
import type { Log } from '../log/log.ts';
import { bind } from '../wire/bind.ts';
import { addHealth } from '../wire/health.ts';
import { addReflection } from '../wire/reflection.ts';
import type { CoordinatorError } from '../xa/errors.ts';
import { COORDINATOR_MESSAGE_BYTES_MAX, STREAMS_PER_CONNECTION_MAX } from '../xa/limits.ts';
import { KEEPALIVE_ANSWER_MS, KEEPALIVE_MS } from '../xa/times.ts';
import type { Calls } from './calls/calls.ts';
import { openCore } from './core.ts';
import type { Registry } from './driver/registry.ts';
import { Lifetime } from './lifetime.ts';
import { readyLines } from './operators/ready.ts';
import { addServices, SERVICE_NAMES } from './services.ts';

interface CoordinatorOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: EventLogger;
  /** `host:port`; port 0 takes any free one. */
  readonly listen: string;
  readonly defaultTimeoutMs: number;
  readonly openTransactionsMax: number;
  readonly outcomesMax: number;
  readonly drainGraceMs: number;
  /** An existing directory for backups; absent: the log takes their names as they are. */
  readonly backupDir?: string;
  /** Answer server reflection. */
  readonly reflection?: boolean;
  /** See `CoreOptions`. */
  readonly besideLogs?: readonly string[];
}

export interface Coordinator extends AsyncDisposable {
  /** Where it listens, with the port that was taken. */
  readonly address: string;
  /** Why nothing is served, until a person adopts the log; undefined: it serves. */
  readonly refusal: CoordinatorError | undefined;
  readonly calls: Calls;
  readonly transactions: Registry;
  /**
   * Resolves when the log became unusable. Whoever waits is told "unknown" and the server stops by itself; then stop the process,
   * and a restart reads the truth.
   */
  readonly failed: Promise<Error>;
  /** Resolves when the server is closed: drained, stopped, or after the log has failed. */
  readonly stopped: Promise<void>;
  isServing(): boolean;
  /** What is ready and what is not, for people: the coordinator, then each database, one line each. */
  readyLines(): string;
  /** No new transactions; open ones end or the grace does; then everything is closed. Repeats join the first. */
  drain(): Promise<void>;
  /** Closes at once. What is open is recovered by the next start. */
  stop(): Promise<void>;
}

/** Half-dead connections are noticed by pings; grpc-js sets no limit of its own on any of these. */
const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': COORDINATOR_MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': COORDINATOR_MESSAGE_BYTES_MAX,
  'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
  'grpc.max_connection_idle_ms': 300_000,
};

/** @throws {Error} the address cannot be listened on. The log stays open then: its opener closes it. */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { log, clock, logger } = options;
  const core = openCore(options);
  const {
    copy,
    alarms,
    driver,
    calls,
    transactions,
    directory,
    operations,
    application,
    admin,
    sessions,
    participants,
  } = core;

  const server = new Server(SERVER_OPTIONS);
  const health = new HealthImplementation();
  const lifetime = new Lifetime({
    server,
    health,
    serviceNames: SERVICE_NAMES,
    driver,
    transactions,
    directory,
    operations,
    sessions,
    clock,
    logger,
    drainGraceMs: options.drainGraceMs,
  });

  addHealth(server, health, ['', ...SERVICE_NAMES]);
  addServices(server, {
    application,
    admin,
    sessions,
    driver,
    transactions,
    log,
    clock,
    logger,
    participants,
    copy,
    alarms,
    backupDir: options.backupDir,
    drain: () => {
      void lifetime.drain();
      return transactions.liveCount;
    },
  });
  if (options.reflection === true) {
    await addReflection(server, SERVICE_NAMES);
  }
  const port = await bind(server, options.listen).catch((error: unknown) => {
    driver.close();
    throw error;
  });
  if (copy.refusal === undefined) {
    lifetime.serve();
    copy.onRefused = () => lifetime.refuse();
  }
  const address = `${options.listen.slice(0, options.listen.lastIndexOf(':'))}:${port}`;
  const { identity, epoch } = log.recovered;
  logger.info({ evt: copy.refusal === undefined ? 'serving' : 'not-serving', address, epoch, identity });
  return {
    address,
    get refusal() {
      return copy.refusal;
    },
    calls,
    transactions,
    failed: driver.failed,
    stopped: lifetime.stopped,
    isServing: () => lifetime.isServing,
    readyLines: () => readyLines({ directory, isServing: lifetime.isServing, now: clock.now() }),
    drain: () => lifetime.drain(),
    stop: () => lifetime.stop(),
    [Symbol.asyncDispose]: () => lifetime.stop(),
  };
}
