// A real coordinator for one test: over real gRPC, on a log in memory that can be failed, crashed and opened again.

import { type Coordinator, startCoordinator } from '../../src/coordinator/server.ts';
import type { BranchRef } from '../../src/gen/concordat/v1/BranchRef.ts';
import type { TransactionInfo__Output as TransactionInfo } from '../../src/gen/concordat/v1/TransactionInfo.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { EventLogger, LogFields } from '../../src/lib/logger.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import type { Log } from '../../src/log/log.ts';
import type { LogRecord, LogRecordKind } from '../../src/log/record.ts';
import { MemoryDisk, type WriteFate } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import { PROTOCOL } from '../../src/wire/protocol.ts';
import { eventually } from '../support/eventually.ts';
import { type ParticipantSettings, ScriptedParticipant } from './scripted-participant.ts';
import { TestSession } from './test-session.ts';
import { type Api, openApi } from './unary.ts';

export interface SystemOptions {
  readonly clock?: Clock;
  readonly openTransactionsMax?: number;
  readonly outcomesMax?: number;
  readonly defaultTimeoutMs?: number;
  readonly drainGraceMs?: number;
  readonly besideLogs?: readonly string[];
  readonly reflection?: boolean;
  /** Opens the log of one life; by default a memory log on the system's disk. */
  readonly openLog?: () => Promise<Log>;
}

/** Events in the order they were logged. */
export class EventList implements EventLogger {
  readonly events: LogFields[] = [];
  readonly debug = (fields: LogFields): void => void this.events.push(fields);
  readonly info = this.debug;
  readonly warn = this.debug;
  readonly error = this.debug;
  readonly fatal = this.debug;

  named(evt: string): LogFields[] {
    return this.events.filter((event) => event.evt === evt);
  }
}

interface Life {
  readonly log: Log;
  readonly coordinator: Coordinator;
  readonly api: Api;
}

export class System implements AsyncDisposable {
  readonly disk = new MemoryDisk();
  readonly events = new EventList();
  readonly #options: SystemOptions;
  readonly #closing: AsyncDisposable[] = [];
  #life: Life | undefined;

  constructor(options: SystemOptions) {
    this.#options = options;
  }

  get coordinator(): Coordinator {
    return this.#now.coordinator;
  }

  get log(): Log {
    return this.#now.log;
  }

  get api(): Api {
    return this.#now.api;
  }

  get address(): string {
    return this.coordinator.address;
  }

  async start(listen = '127.0.0.1:0'): Promise<void> {
    const { clock = systemClock, openLog } = this.#options;
    const log =
      (await openLog?.()) ?? (await openMemoryLog({ clock, random: systemRandom, version: 'test', disk: this.disk }));
    const coordinator = await startCoordinator({
      log,
      clock,
      random: systemRandom,
      logger: this.events,
      listen,
      defaultTimeoutMs: this.#options.defaultTimeoutMs ?? 30_000,
      openTransactionsMax: this.#options.openTransactionsMax ?? 10_000,
      outcomesMax: this.#options.outcomesMax ?? 100_000,
      drainGraceMs: this.#options.drainGraceMs ?? 5_000,
      besideLogs: this.#options.besideLogs ?? [],
      reflection: this.#options.reflection ?? false,
    });
    this.#life = { log, coordinator, api: openApi(coordinator.address) };
  }

  /** The process dies without a word; what the log was writing is lost or kept. Then it starts again at the same address. */
  async restart(inFlight: WriteFate = 'lost'): Promise<void> {
    const { address } = this;
    this.disk.crash(inFlight);
    await this.#stop();
    await this.start(address);
  }

  /** A participant that is attached and ready. */
  async participant(resource: string, settings?: ParticipantSettings): Promise<ScriptedParticipant> {
    const participant = this.dial(resource, settings);
    await this.attached(participant);
    return participant;
  }

  /** A participant that has said hello, whatever comes of it. */
  dial(resource: string, settings?: ParticipantSettings): ScriptedParticipant {
    const participant = new ScriptedParticipant(this.address, resource, settings);
    this.#closing.push(participant);
    return participant;
  }

  attached({ resource, instance }: ScriptedParticipant): Promise<true> {
    return eventually(
      `${resource} ${instance} is attached`,
      async () => (await this.#isAttached(resource, instance)) || undefined,
    );
  }

  detached({ resource, instance }: ScriptedParticipant): Promise<true> {
    return eventually(`${resource} ${instance} is detached`, async () => !(await this.#isAttached(resource, instance)));
  }

  /** A session that was welcomed. */
  async session(): Promise<TestSession> {
    const session = new TestSession(this.address);
    this.#closing.push(session);
    await session.ask({ hello: { ...PROTOCOL, application: 'test' } });
    return session;
  }

  /** A transaction with these branches reported by their participants: ready to be committed with two phases. */
  async transaction(
    ...participants: readonly ScriptedParticipant[]
  ): Promise<{ gtrid: string; branches: BranchRef[] }> {
    const { gtrid } = await this.api.begin({});
    for (const { resource } of participants) {
      await this.api.enlist({ gtrid, resource });
    }
    return { gtrid, branches: participants.map(({ resource: bqual, instance }) => ({ bqual, instance })) };
  }

  async info(gtrid: string, branches: BranchRef[] = []): Promise<TransactionInfo> {
    const { transaction } = await this.api.getTransaction({ gtrid, branches });
    if (transaction === null) {
      throw new Error('an answer without a transaction');
    }
    return transaction;
  }

  /** Durable records of one kind. */
  records<K extends LogRecordKind>(kind: K): Extract<LogRecord, { kind: K }>[] {
    return this.disk.records.flatMap(({ record }) =>
      record.kind === kind ? [record as Extract<LogRecord, { kind: K }>] : [],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#closing) {
      await one[Symbol.asyncDispose]();
    }
    await this.#stop();
  }

  get #now(): Life {
    if (this.#life === undefined) {
      throw new Error('the coordinator is not running');
    }
    return this.#life;
  }

  async #stop(): Promise<void> {
    const life = this.#life;
    this.#life = undefined;
    life?.api.close();
    await life?.coordinator.stop();
    await life?.log[Symbol.asyncDispose]();
  }

  async #isAttached(resource: string, instance: string): Promise<boolean> {
    const { resources } = await this.api.resources({});
    return resources.some(
      ({ name, participants }) => name === resource && participants.some((one) => one.instance === instance),
    );
  }
}

export async function openSystem(options: SystemOptions = {}): Promise<System> {
  const system = new System(options);
  await system.start();
  return system;
}
