// A participant runtime on a memory engine, attached over real gRPC to a coordinator that the test plays.

import type { Clock } from '../../src/lib/clock.ts';
import type { EventLogger, LogFields } from '../../src/lib/logger.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { systemClock } from '../../src/lib/system-clock.ts';
import { dialGrpc } from '../../src/participants/attach/grpc-dial.ts';
import type { ResourceManager } from '../../src/participants/resource-manager.ts';
import type { StatementAnswer, StatementCall } from '../../src/participants/runtime/branches/statement-call.ts';
import { openParticipantRuntime, type ParticipantRuntime } from '../../src/participants/runtime/runtime.ts';
import type { RuntimeOptions } from '../../src/participants/runtime/runtime-options.ts';
import { MemoryEngine } from '../../src/testing/engine/engine.ts';
import type { MemoryFault, MemoryFaults, MemoryVerb } from '../../src/testing/engine/faults.ts';
import { openMemoryResourceManager } from '../../src/testing/engine/resource-manager.ts';
import { CoordinatorError } from '../../src/xa/errors.ts';
import type { EvidenceRow } from '../../src/xa/evidence.ts';
import {
  formatBqual,
  formatGtrid,
  formatXid,
  type LogIdentity,
  parseResourceName,
  type ResourceName,
  type Xid,
} from '../../src/xa/xid.ts';
import { type AttachCoordinator, type AttachSession, startAttachCoordinator } from './attach-coordinator.ts';

export function resourceName(text: string): ResourceName {
  const name = parseResourceName(text);
  if (name === undefined) {
    throw new Error(`no resource name: ${text}`);
  }
  return name;
}

export const ACCOUNTS = resourceName('accounts');

/** Events in the order they were logged. */
export class EventList implements EventLogger {
  readonly events: LogFields[] = [];
  readonly debug = (): void => undefined;
  readonly info = (fields: LogFields): void => void this.events.push(fields);
  readonly warn = this.info;
  readonly error = this.info;
  readonly fatal = this.info;

  named(evt: string): LogFields[] {
    return this.events.filter((event) => event.evt === evt);
  }
}

export interface FixtureOptions extends Partial<Pick<RuntimeOptions, 'kind' | 'maxBranches' | 'onRefused'>> {
  readonly clock?: Clock;
  readonly prepare?: (coordinator: AttachCoordinator, engine: MemoryEngine) => void;
  /** Stands between the runtime and its engine. */
  readonly through?: (rm: ResourceManager) => ResourceManager;
}

let sequence = 0;

export class Fixture implements AsyncDisposable {
  readonly coordinator: AttachCoordinator;
  readonly engine = new MemoryEngine(systemRandom.base32(10));
  /** Which engine answers at the address of this one now. */
  answering: MemoryEngine = this.engine;
  readonly clock: Clock;
  readonly log = new EventList();
  /** The newest opening of each branch. */
  readonly openings = new Map<string, EvidenceRow>();
  /** Every call of the runtime to its engine, in order. */
  readonly calls: MemoryVerb[] = [];
  /** What happens to the next calls of a verb, in order; then nothing does. */
  readonly faults = new Map<MemoryVerb, MemoryFault[]>();
  readonly #options: FixtureOptions;
  readonly #runtimes: { runtime: ParticipantRuntime; rm: ResourceManager }[] = [];

  constructor(coordinator: AttachCoordinator, options: FixtureOptions) {
    this.coordinator = coordinator;
    this.#options = options;
    this.clock = options.clock ?? systemClock;
  }

  /** A life of the participant, not awaited. */
  start(options: Partial<RuntimeOptions> = {}): ParticipantRuntime {
    const { kind = 'sidecar', maxBranches = 8, onRefused } = this.#options;
    const faults: MemoryFaults = ({ verb }) => {
      this.calls.push(verb);
      return this.faults.get(verb)?.shift() ?? { kind: 'none' };
    };
    const memory = openMemoryResourceManager({ engine: () => this.answering, clock: this.clock, faults });
    const open = memory.open.bind(memory);
    memory.open = (xid, options) => {
      this.openings.set(formatXid(xid), { ...xid, opening: options.opening });
      return open(xid, options);
    };
    const rm = this.#options.through?.(memory) ?? memory;
    const runtime = openParticipantRuntime({
      ...{ resource: ACCOUNTS, kind, address: '127.0.0.1:1', rm, maxBranches },
      dial: dialGrpc(this.coordinator.address),
      ...{ clock: this.clock, random: systemRandom, logger: this.log },
      ...(onRefused !== undefined && { onRefused }),
      ...options,
    });
    this.#runtimes.push({ runtime, rm });
    return runtime;
  }

  /** The first life, ready, and its stream. */
  async attach(): Promise<{ runtime: ParticipantRuntime; session: AttachSession }> {
    const before = this.coordinator.sessions.filter((session) => session.heard('ready').length > 0).length;
    const runtime = this.start();
    const session = await this.coordinator.attached(before + 1);
    // It is told that it takes part some turns after it said that it is ready, unless it is refused; both ends are in this process.
    for (let turn = 0; turn < 200 && !runtime.status.ready; turn += 1) {
      await new Promise(setImmediate);
    }
    return { runtime, session };
  }

  /** A branch of the coordinator's life that nobody has seen. */
  xid(options: { epoch?: number; identity?: LogIdentity; resource?: string; n?: number } = {}): Xid {
    sequence += 1;
    const { identity = this.coordinator.identity, epoch = this.coordinator.epoch, resource = 'accounts', n } = options;
    return { gtrid: formatGtrid({ identity, epoch, sequence }), bqual: formatBqual(resourceName(resource), n) };
  }

  /** Ends a life as a crash would: its sessions are gone, its stream breaks, it says nothing. */
  async crash(runtime: ParticipantRuntime): Promise<void> {
    const life = this.#runtimes.find((other) => other.runtime === runtime);
    this.coordinator.sessions.at(-1)?.break();
    this.engine.endSessions('the participant was killed');
    await runtime[Symbol.asyncDispose]();
    await life?.rm[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.coordinator.die();
    for (const { runtime, rm } of this.#runtimes) {
      await runtime[Symbol.asyncDispose]();
      await rm[Symbol.asyncDispose]();
    }
  }
}

export async function openFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const coordinator = await startAttachCoordinator();
  const fixture = new Fixture(coordinator, options);
  options.prepare?.(coordinator, fixture.engine);
  return fixture;
}

/** A statement in the memory engine's language. */
export function statement(xid: Xid, number: number, sql: string, more: Partial<StatementCall> = {}): StatementCall {
  return {
    ...{ xid, number, statement: { sql, parameters: [] } },
    ...{ isolation: 'default', readOnly: false, timeoutMs: 0, named: false, oneShot: false, last: false },
    ...more,
  };
}

export function ref(xid: Xid): { gtrid: string; bqual: string } {
  return { gtrid: xid.gtrid, bqual: xid.bqual };
}

/** The refusal of a statement. */
export async function refusal(answer: Promise<StatementAnswer>): Promise<CoordinatorError> {
  try {
    await answer;
  } catch (error) {
    if (error instanceof CoordinatorError) {
      return error;
    }
    throw error;
  }
  throw new Error('the statement was not refused');
}

/** What another session reads of a key now. */
export function committed(engine: MemoryEngine, key: string): unknown {
  const value = engine.read(undefined, key);
  return value === undefined || value.kind === 'null' ? undefined : value.value;
}
