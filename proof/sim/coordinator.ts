// The coordinator's process: the real core over a memory log, with simulated streams in front of it. It dies and comes back.
import { type Core, openCore } from '../../src/coordinator/core.ts';
import { type AttachStream, ParticipantSession } from '../../src/coordinator/participants/session.ts';
import type { Durability, Log, RecoveredLog } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import { openMemoryLog } from '../../src/testing/log/memory-log.ts';
import { wire } from '../../src/wire/proto.ts';
import type { Gtrid } from '../../src/xa/xid.ts';
import { callOver } from './call.ts';
import { Host } from './host.ts';
import { eventsTo } from './logger.ts';
import { type Network, Stream, unavailable } from './network.ts';

export interface CoordinatorSettings {
  readonly outcomesMax: number;
  readonly outcomesRetainedMax: number;
  readonly openTransactionsMax: number;
  readonly defaultTimeoutMs: number;
}

interface Life {
  readonly host: Host;
  core: Core | undefined;
  log: Log | undefined;
}

export interface Backup {
  readonly copy: MemoryDisk;
  /** The life in which it was made. */
  readonly epoch: number;
  readonly token: string;
}

type ServeSession = Parameters<Core['sessions']['serve']>[0];

const CODECS = {
  session: wire.TransactionService.service.Session,
  attach: wire.ParticipantService.service.Attach,
} as const;

/** How long a refused connection takes to say so. */
const REFUSED_MS = 5;

export class CoordinatorNode {
  /** Decisions that a disk of this log has ever held; the log itself forgets them in time. */
  readonly durable = new Set<string>();
  #disk: MemoryDisk;
  readonly #network: Network;
  readonly #settings: CoordinatorSettings;
  #life: Life | undefined;
  #lives = 0;
  /** Forced appends of each kind of record since the beginning. */
  readonly forced = new Map<string, number>();
  /** Called with what was given to the log, before it is durable. */
  onAppend: (record: LogRecord) => void = () => undefined;
  /** Called with every transaction that a life begins, and its epoch. */
  onBegun: (gtrid: string, epoch: number) => void = () => undefined;
  /** Called with every log that a life opens, before anybody uses it. */
  onLog: (log: Log) => void = () => undefined;
  /** Called when a life serves, before anybody has reached it. */
  onStarted: (core: Core, recovered: RecoveredLog) => void = () => undefined;
  /** Whether clients reach it. */
  admits: (core: Core) => boolean = () => true;
  /** Called when a process ended by itself: its log had failed. */
  onStopped: () => void = () => undefined;

  constructor(network: Network, settings: CoordinatorSettings, disk = new MemoryDisk()) {
    this.#network = network;
    this.#settings = settings;
    this.#disk = this.#watchDisk(disk);
  }

  get disk(): MemoryDisk {
    return this.#disk;
  }

  /** Another disk takes the place of this one, for the next life. */
  replaceDisk(disk: MemoryDisk): void {
    this.#disk = this.#watchDisk(disk);
  }

  get host(): Host | undefined {
    return this.#life?.host;
  }

  /** Undefined while it is down or starts. */
  get core(): Core | undefined {
    return this.#life?.core;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    this.#lives += 1;
    const host = new Host(`coord/${this.#lives}`, this.#network.world);
    const life: Life = { host, core: undefined, log: undefined };
    this.#life = life;
    const { clock, chance } = host;
    const { outcomesRetainedMax, openTransactionsMax, defaultTimeoutMs, outcomesMax } = this.#settings;
    const log = await openMemoryLog({
      ...{ clock, random: chance, version: 'simulated', disk: this.disk, outcomesRetainedMax },
    });
    const limits = { openTransactionsMax, defaultTimeoutMs, outcomesMax };
    const core = openCore({ ...limits, log: this.#watch(log), clock, random: chance, logger: eventsTo(host) });
    this.#watchBegins(core, log.recovered.epoch);
    life.core = core;
    life.log = log;
    this.onStarted(core, log.recovered);
    void core.driver.failed.then(() => this.#leave(life, core));
  }

  /** kill -9, or the machine is gone: what was being written may be on the disk, what only waited is not. */
  kill(inFlight: 'lost' | 'kept'): void {
    if (this.#life !== undefined) {
      const { host, core } = this.#life;
      this.#life = undefined;
      this.disk.crash(inFlight);
      host.kill();
      core?.driver.close();
    }
  }

  /** See `callOver`. @throws {CoordinatorError} */
  call<T>(from: Host, action: (core: Core) => T | Promise<T>): Promise<T> {
    const server = (): Life | undefined => (this.#isThereFor(this.#life?.core) ? this.#life : undefined);
    return callOver(this.#network, from, server, action);
  }

  /** SIGTERM: nothing new is begun, what is open has some time, then the streams end and the process with them. */
  stop(graceMs: number): void {
    const life = this.#life;
    const core = life?.core;
    if (life !== undefined && core !== undefined) {
      core.operations.drain();
      const late = Promise.withResolvers<void>();
      life.host.clock.after(graceMs, late.resolve);
      void Promise.race([core.transactions.empty(), late.promise]).then(() => this.#leave(life, core));
    }
  }

  /** A copy of the log as it is now; undefined: it does not run. */
  async backup(): Promise<Backup | undefined> {
    const { log } = this.#life ?? {};
    if (log === undefined) {
      return undefined;
    }
    const path = `copy-${this.#network.world.now}`;
    const { disk } = this;
    await log.backup(path);
    const copy = disk.backups.get(path);
    return copy === undefined ? undefined : { copy, epoch: log.recovered.epoch, token: log.recovered.token };
  }

  /** Whether its log holds the decision of a transaction now. */
  knowsDecision(gtrid: Gtrid): boolean {
    return this.#life?.log?.outcome(gtrid).kind === 'decided';
  }

  /** Its log as it was found at the start of this life; undefined: it is down, or starts. */
  get recovered(): RecoveredLog | undefined {
    return this.#life?.log?.recovered;
  }

  /** A stream from `from` to whichever process there is now; refused when there is none that serves. */
  open(from: Host, kind: keyof typeof CODECS): Stream {
    const codec = CODECS[kind];
    const life = this.#life;
    const core = life?.core;
    if (life === undefined || core === undefined || (kind === 'session' && !this.#isThereFor(core))) {
      const nobody = new Host('nobody', this.#network.world);
      const stream = new Stream(this.#network, codec, from, nobody);
      from.world.after(REFUSED_MS, () => stream.near.arrive('error', unavailable()));
      return stream;
    }
    const stream = this.#network.open(codec, from, life.host);
    const { world } = this.#network;
    // The far end is there when the first word can have come; whoever is cut off waits with it.
    world.after(0, () =>
      life.host.enter(() => {
        if (kind === 'session') {
          core.sessions.serve(stream.far as unknown as ServeSession);
        } else {
          new ParticipantSession(stream.far as unknown as AttachStream, core.participants);
        }
      }),
    );
    return stream;
  }

  /** The log failed: the last answers leave, and the process with them. */
  #leave(life: Life, core: Core): void {
    core.operations.drain();
    core.sessions.end();
    for (const link of core.directory.all().flatMap(({ links }) => links)) {
      link.close();
    }
    life.host.world.after(life.host.chance.between(0, 500), () => {
      if (this.#life === life) {
        this.kill('lost');
        this.onStopped();
      }
    });
  }

  #watchBegins({ driver }: Core, epoch: number): void {
    const admit = driver.admit.bind(driver);
    driver.admit = (gtrid, state, options) => {
      if (state.kind === 'active') {
        this.onBegun(gtrid, epoch);
      }
      return admit(gtrid, state, options);
    };
  }

  /** For clients. A call to a process that starts waits for what it says. */
  #isThereFor(core: Core | undefined): boolean {
    return core === undefined || this.admits(core);
  }

  #watchDisk(disk: MemoryDisk): MemoryDisk {
    const write = disk.write.bind(disk);
    disk.write = (batch) => {
      for (const { record } of batch) {
        if (record.kind === 'decided') {
          this.durable.add(record.gtrid);
        }
      }
      write(batch);
    };
    return disk;
  }

  #watch(log: Log): Log {
    const append = log.append.bind(log);
    log.append = (records: readonly LogRecord[], durability: Durability): Promise<void> => {
      for (const record of records) {
        this.#network.world.trace.say('log', durability, record);
        this.onAppend(record);
        if (durability === 'forced') {
          this.forced.set(record.kind, (this.forced.get(record.kind) ?? 0) + 1);
        }
      }
      return append(records, durability);
    };
    this.onLog(log);
    return log;
  }
}
