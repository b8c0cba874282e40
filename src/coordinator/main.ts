// The coordinator as a program: opens the log, serves, and stops as it should: drained by SIGTERM, at once by a second one, and
// with its own exit code when the log has failed.

import { mkdir } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import { join, resolve } from 'node:path';
import { parseAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import type { EventLogger } from '../lib/logger.ts';
import type { Random } from '../lib/random.ts';
import { openSqliteLog } from '../log/sqlite/sqlite-log.ts';
import { cannotListen } from '../wire/bind.ts';
import { productVersion } from '../wire/version.ts';
import { CoordinatorError, EXIT } from '../xa/errors.ts';
import type { CoordinatorConfig } from './config.ts';
import { type Coordinator, startCoordinator } from './server.ts';

interface CoordinatorProgram extends AsyncDisposable {
  readonly address: string;
  readonly adminAddress: string;
  readonly coordinator: Coordinator;
  /** The exit code for the process, once it is over: drained, stopped, or failed. */
  readonly ended: Promise<number>;
  /** SIGTERM or SIGINT: the first drains, the second stops at once. Safe either way: a restart recovers what is open. */
  signal(): void;
}

/** @throws {CoordinatorError} LOG_LOCKED, LOG_DAMAGED, LOG_FOREIGN, LOG_NEWER, CONFIG_INVALID: nothing was started. */
export async function runCoordinator(
  config: CoordinatorConfig,
  parts: { readonly clock: Clock; readonly random: Random; readonly logger: EventLogger },
): Promise<CoordinatorProgram> {
  const { clock, random, logger } = parts;
  const log = await openSqliteLog({
    directory: config.dataDir,
    clock,
    random,
    version: productVersion(),
    options: {
      outcomesRetainedMax: config.retention.outcomesMax,
      outcomesRetainedMs: config.retention.outcomesMs,
      allowNetworkFilesystem: config.allowNetworkFileSystem,
      acceptWithoutHighWater: config.acceptWithoutHighWater,
    },
  });
  let coordinator: Coordinator | undefined;
  let http: HttpServer;
  let adminAddress: string;
  try {
    coordinator = await startCoordinator({
      log,
      clock,
      random,
      logger,
      listen: config.listen,
      reflection: config.reflection,
      defaultTimeoutMs: config.defaultTimeoutMs,
      openTransactionsMax: config.limits.openTransactionsMax,
      outcomesMax: config.retention.outcomesMax,
      drainGraceMs: config.drainGraceMs,
      backupDir: await backupDirectory(config),
      besideLogs: config.besideLogs === '' ? [] : config.besideLogs.split(','),
    });
    [http, adminAddress] = await serveHealth(config.adminListen, coordinator);
  } catch (error) {
    await coordinator?.stop();
    await log[Symbol.asyncDispose]();
    throw error instanceof CoordinatorError
      ? error
      : new CoordinatorError('CONFIG_INVALID', error instanceof Error ? error.message : String(error), {
          cause: error,
        });
  }
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  let signals = 0;
  let closing: Promise<void> | undefined;
  const close = (code: number, first: () => Promise<void>): Promise<void> => {
    closing ??= first()
      .then(() => coordinator.stop())
      .then(() => http.close())
      .then(() => log[Symbol.asyncDispose]())
      .then(
        () => end(code),
        (error: unknown) => {
          logger.error({ evt: 'stop-failed', err: error });
          end(EXIT.unexpected);
        },
      );
    return closing;
  };
  let hasFailed = false;
  void coordinator.failed.then(async (error) => {
    hasFailed = true;
    logger.fatal({ evt: 'stopped', message: error.message });
    await coordinator.stopped;
    // Not even a clean close: nothing may touch the log any more but the next start, which reads the truth.
    end(EXIT.logFailed);
  });
  void coordinator.stopped.then(() => {
    if (!hasFailed) {
      void close(EXIT.ok, () => coordinator.stop()); // Drained by an operator's call instead of a signal.
    }
  });
  return {
    address: coordinator.address,
    adminAddress,
    coordinator,
    ended,
    signal: () => {
      signals += 1;
      if (signals === 1) {
        void close(EXIT.ok, () => coordinator.drain());
      } else {
        void coordinator.stop().then(() => end(EXIT.ok));
      }
    },
    [Symbol.asyncDispose]: () => close(EXIT.ok, () => coordinator.stop()),
  };
}

/** Made if it is missing; beside the log unless it is set. @throws {CoordinatorError} CONFIG_INVALID */
async function backupDirectory({ dataDir, backupDir }: CoordinatorConfig): Promise<string> {
  const directory = resolve(backupDir ?? join(dataDir, 'backups'));
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: Error) => {
    throw new CoordinatorError('CONFIG_INVALID', `backupDir ${directory} cannot be made: ${error.message}`, {
      cause: error,
    });
  });
  return directory;
}

/**
 * /livez answers while the process runs, /readyz while it takes new transactions. With `?verbose` each database has a line; it changes no
 * status: a coordinator one of whose databases is away serves the others.
 */
async function serveHealth(listen: string, coordinator: Coordinator): Promise<[HttpServer, string]> {
  const address = parseAddress(listen);
  if (typeof address === 'string') {
    throw new CoordinatorError('CONFIG_INVALID', `adminListen ${address}`);
  }
  const server = createServer((request, response) => {
    const isReady = coordinator.isServing();
    const [path, query] = (request.url ?? '').split('?');
    const known = path === '/livez' || path === '/readyz';
    const status = !known ? 404 : path === '/livez' || isReady ? 200 : 503;
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
    const lines = query?.split('&').includes('verbose') === true ? coordinator.readyLines() : '';
    response.end(
      known
        ? `${lines}${status === 200 ? 'ok' : 'not ready'}\n`
        : 'only /livez and /readyz are here, also with ?verbose\n',
    );
  });
  server.unref();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error) => reject(cannotListen(listen, error)));
  server.listen(address.port, address.host, resolve);
  await promise;
  const bound = server.address();
  return [server, `${address.host}:${typeof bound === 'object' && bound !== null ? bound.port : address.port}`];
}
