// A sidecar: a participant beside its database, from the first connection to the drain. Says everything in log lines.

import { formatAddress, parseAddress } from '../../lib/address.ts';
import { backoffDelayMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventLogger } from '../../lib/logger.ts';
import type { Random } from '../../lib/random.ts';
import { atMost } from '../../lib/wait.ts';
import { CoordinatorError, type ErrorCode, EXIT } from '../../xa/errors.ts';
import { parseResourceName, type ResourceName } from '../../xa/xid.ts';
import { EngineWatch } from '../attach/engine-watch.ts';
import { dialGrpc } from '../attach/grpc-dial.ts';
import { KnownLogs } from '../attach/known-logs.ts';
import { reasonOf } from '../reasons.ts';
import { EngineError, type PreflightFinding, type ResourceManager } from '../resource-manager.ts';
import { openParticipantRuntime, type ParticipantRuntime } from '../runtime/runtime.ts';
import type { ParticipantConfig } from './config.ts';
import { openEngine } from './open-engine.ts';
import type { ResourceServers, Seat } from './resource-server.ts';

export type SidecarConfig = Pick<
  ParticipantConfig,
  'resource' | 'url' | 'coordinator' | 'listen' | 'advertise' | 'maxBranches' | 'detach' | 'drainGraceMs'
> &
  Partial<Pick<ParticipantConfig, 'reflection'>>;

/** What is not a setting of its own. */
interface SidecarSecret {
  /** Reads the URL again from where it is kept; absent: it was given as it is. @throws what is wrong with the file. */
  readonly readUrl?: (() => string) | undefined;
}

export interface SidecarPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: EventLogger;
  /** Opens another engine than the URL's; for tests. */
  readonly openEngine?: () => ResourceManager;
  readonly secret?: SidecarSecret | undefined;
}

export interface Sidecar extends AsyncDisposable {
  readonly resource: ResourceName;
  readonly port: number;
  /** What services are told to dial. */
  readonly address: string;
  /** Resolves when the sidecar has taken part for the first time. */
  readonly ready: Promise<void>;
  /** The exit code for the process, once it is over. */
  readonly ended: Promise<number>;
  /** Why it ended by itself: a failed preflight, or a coordinator that will never take it. */
  readonly failure: CoordinatorError | undefined;
  /** SIGTERM or SIGINT: the first drains, the second stops at once. Safe either way. */
  signal(): void;
  /** SIGHUP: reads its URL again, if that is in a file. New connections use it; open ones stay. Never throws. */
  reload(): void;
  /** Takes no new branch, lets open ones end for `graceMs`, and closes everything. Repeats join; one with 0 hurries. */
  stop(graceMs?: number): Promise<void>;
}

/** Reasons that no retry fixes: the sidecar was pointed at the wrong database, the wrong name or the wrong version. */
const HOPELESS: readonly ErrorCode[] = ['RESOURCE_IDENTITY', 'PROTOCOL', 'NOT_OWNER'];
/** Every address of this machine to listen on, and none that anybody could dial. */
const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];
const BACKOFF = { firstMs: 200, maxMs: 5_000 } as const;

/** A sidecar that has its place at a server, and has done nothing yet. Either is called, once. */
export interface OpenedSidecar {
  /** When the servers listen. Goes on from there by itself: reaches the database, checks it, attaches. */
  start(): Sidecar;
  close(): Promise<void>;
}

/** @throws {CoordinatorError} `CONFIG_INVALID`: nothing was opened. */
export async function openSidecar(
  config: SidecarConfig,
  ports: SidecarPorts,
  servers: ResourceServers,
): Promise<OpenedSidecar> {
  const resource = parseResourceName(config.resource);
  const listen = parseAddress(config.listen);
  if (resource === undefined || typeof listen === 'string') {
    const what =
      resource === undefined ? `resource ${config.resource} is not a valid name` : `listen ${String(listen)}`;
    throw new CoordinatorError('CONFIG_INVALID', what);
  }
  const rm = ports.openEngine?.() ?? (await openEngine(config, ports));
  let sidecar: RunningSidecar | undefined;
  const seat = servers.join(config.listen, resource, () => sidecar?.runtime, config.reflection);
  return {
    start: () => {
      const address = config.advertise ?? formatAddress({ host: listen.host, port: seat.port });
      if (WILDCARDS.includes(listen.host) && config.advertise === undefined) {
        const message = `services on other machines cannot dial ${address}: set advertise to an address that they reach`;
        ports.logger.warn({ evt: 'advertise-missing', address, message });
      }
      sidecar = new RunningSidecar({ config, ports, resource, rm, seat, address });
      return sidecar;
    },
    close: async () => {
      await seat.leave();
      await rm[Symbol.asyncDispose]();
    },
  };
}

interface Parts {
  readonly config: SidecarConfig;
  readonly ports: SidecarPorts;
  readonly resource: ResourceName;
  readonly rm: ResourceManager;
  readonly seat: Seat;
  readonly address: string;
}

class RunningSidecar implements Sidecar {
  readonly resource: ResourceName;
  readonly port: number;
  readonly address: string;
  readonly #parts: Parts;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<number>();
  readonly #hurry = Promise.withResolvers<void>();
  readonly #stopping = Promise.withResolvers<void>();
  #stopped: Promise<void> | undefined;
  #url: string;
  runtime: ParticipantRuntime | undefined;
  failure: CoordinatorError | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#url = parts.config.url;
    this.resource = parts.resource;
    this.port = parts.seat.port;
    this.address = parts.address;
    parts.ports.logger.info({ evt: 'listening', address: parts.address });
    void this.#start();
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  signal(): void {
    void this.stop(this.#stopped === undefined ? this.#parts.config.drainGraceMs : 0);
  }

  reload(): void {
    const { rm, ports } = this.#parts;
    try {
      const url = ports.secret?.readUrl?.();
      if (url !== undefined && url !== this.#url) {
        rm.useUrl?.(url);
        this.#url = url;
        ports.logger.info({ evt: 'url-read-again', message: 'new connections use what is in the file now' });
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      ports.logger.warn({ evt: 'url-not-read', message: `the former URL of the database stays: ${message}` });
    }
  }

  stop(graceMs: number = this.#parts.config.drainGraceMs): Promise<void> {
    if (graceMs === 0) {
      this.#hurry.resolve();
    }
    this.#stopped ??= this.#stop(graceMs, EXIT.ok);
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop(0);
  }

  async #start(): Promise<void> {
    const { rm, seat, resource, address, config, ports } = this.#parts;
    const findings = await this.#reachEngine();
    if (this.#stopped !== undefined || findings === undefined) {
      return;
    }
    const fatal = findings.filter((finding) => finding.fatal);
    if (fatal.length > 0) {
      for (const { check, message, fix } of fatal) {
        ports.logger.error({ evt: 'preflight', check, fatal: true, message, fix });
      }
      const lines = fatal.map(({ check, message, fix }) => `${check}: ${message} ${fix}`);
      this.#fail(new CoordinatorError('PREFLIGHT_FAILED', lines.join('\n')), EXIT.usage);
      return;
    }
    this.runtime = openParticipantRuntime({
      ...{ resource, kind: 'sidecar', address, rm, maxBranches: config.maxBranches },
      dial: dialGrpc(config.coordinator),
      ...{ clock: ports.clock, random: ports.random, logger: ports.logger },
      onLoginRefused: () => this.reload(),
      onStatus: ({ ready, engineAnswers, draining }) => seat.setServing(ready && engineAnswers && !draining),
      onRefused: (error, { wasReady }) => {
        if (!wasReady && HOPELESS.includes(error.code)) {
          this.#fail(error, EXIT.notAllowed);
        }
      },
    });
    await this.runtime.firstReady;
    this.#ready.resolve();
  }

  /** What preflight finds, once the database answers; undefined: the sidecar was stopped before it did. */
  async #reachEngine(): Promise<readonly PreflightFinding[] | undefined> {
    const { rm, ports } = this.#parts;
    const watch = new EngineWatch({
      ...ports,
      rm,
      logs: new KnownLogs(rm, ports.clock),
      onAnswers: () => undefined,
      onOtherEngine: () => undefined,
      onLoginRefused: () => this.reload(),
    });
    for (let attempt = 1; this.#stopped === undefined; attempt += 1) {
      try {
        await this.#createTables();
        return await rm.preflight();
      } catch (error) {
        watch.failed(error);
        const timeoutMs = backoffDelayMs(BACKOFF, attempt, ports.random);
        await atMost(this.#stopping.promise, { clock: ports.clock, timeoutMs });
      }
    }
    return undefined;
  }

  /** An account that may not create them is fine if somebody else has: preflight tells, with the statements to run. */
  async #createTables(): Promise<void> {
    try {
      await this.#parts.rm.createTables();
    } catch (error) {
      if (!(error instanceof EngineError) || error.sessionLost || error.reason.code === 'ENGINE_UNAVAILABLE') {
        throw error;
      }
      this.#parts.ports.logger.warn({ evt: 'tables-not-created', message: reasonOf(error).message });
    }
  }

  #fail(error: CoordinatorError, exitCode: number): void {
    const { logger } = this.#parts.ports;
    this.failure = error;
    logger.error({ evt: 'stopped', code: error.code, message: error.message, advice: error.entry.advice });
    this.#hurry.resolve();
    this.#stopped ??= this.#stop(0, exitCode);
  }

  async #stop(graceMs: number, exitCode: number): Promise<void> {
    const { seat, rm, ports } = this.#parts;
    ports.logger.info({ evt: 'draining', held: this.runtime?.held ?? 0 });
    this.#stopping.resolve();
    seat.setServing(false);
    if (this.runtime !== undefined) {
      await Promise.race([this.runtime.drain(graceMs), this.#hurry.promise]);
      await this.runtime[Symbol.asyncDispose]();
    }
    await seat.leave();
    await rm[Symbol.asyncDispose]();
    ports.logger.info({ evt: 'ended', exitCode });
    this.#ended.resolve(exitCode);
  }
}
