// Copies of the log's disk, backups and raw ones: any of them may take its place, again and again. A log that is refused for it is started
// again a few times by its supervisor, and then adopted by a person.
import type { Core } from '../../src/coordinator/core.ts';
import type { RecoveredLog } from '../../src/log/log.ts';
import type { LifeName } from '../../src/log/record.ts';
import type { MemoryDisk } from '../../src/testing/log/memory-disk.ts';
import type { Chance } from './chance.ts';
import type { System } from './system.ts';

interface Copy {
  /** Never started itself, so that it stays as it was. */
  readonly disk: MemoryDisk;
  /** Made of the files, as a snapshot of the volume is; otherwise by `log backup`. */
  readonly isRaw: boolean;
}

const COPIES_MAX = 8;
/** How often its supervisor starts a refused log at the most, before a person looks. */
const RESTARTS_MAX = 3;
/** Somebody looks whether the log is refused, on average. */
const LOOK_MS = 1_000;
const RESTART_MS = 300;

export class Copies {
  readonly #system: System;
  readonly #chance: Chance;
  readonly #say: (what: string, details: string) => void;
  readonly #copies: Copy[] = [];
  /** A copy runs that not every database has taken for its log yet. */
  #isDoubtful = false;
  #restarts = 0;

  constructor(system: System, chance: Chance, say: (what: string, details: string) => void) {
    this.#system = system;
    this.#chance = chance;
    this.#say = say;
    const { coordinator } = system;
    coordinator.admits = (core) => this.#admits(core);
    coordinator.onStarted = (core, recovered) => this.#started(core, recovered);
    this.#look();
  }

  /** Makes a copy, or puts one in the place of the log: `start` is called then, to start it. */
  strike(start: () => void): void {
    const fit = this.#copies.filter((copy) => this.#isFit(copy));
    if (fit.length > 0 && this.#chance.happens(0.5)) {
      this.#put(this.#chance.pick(fit));
      start();
    } else {
      this.#take();
    }
  }

  #take(): void {
    const { coordinator, world } = this.#system;
    if (this.#chance.happens(0.5)) {
      world.trace.say('copy', 'raw', coordinator.disk.life);
      this.#keep({ disk: coordinator.disk.clone(), isRaw: true });
      return;
    }
    coordinator.backup().then(
      (made) => {
        if (made !== undefined) {
          world.trace.say('copy', 'backup', made.copy.life);
          this.#keep({ disk: made.copy, isRaw: false });
        }
      },
      () => undefined, // The log has failed.
    );
  }

  #keep(copy: Copy): void {
    this.#copies.push(copy);
    if (this.#copies.length > COPIES_MAX) {
      this.#copies.splice(this.#chance.int(0, COPIES_MAX), 1);
    }
  }

  #put({ disk, isRaw }: Copy): void {
    const { coordinator, world, sites } = this.#system;
    for (const { parts } of sites) {
      parts.address.moveTo(parts.engine); // The copy may be older than the registration: a stray would become the resource.
    }
    world.trace.say('copy', `${isRaw ? 'raw' : 'backup'} takes the place of the log`, disk.life);
    coordinator.kill('lost');
    this.#keep({ disk: coordinator.disk.clone(), isRaw: true });
    const placed = disk.clone();
    placed.flushMs = coordinator.disk.flushMs;
    coordinator.replaceDisk(placed);
    this.#isDoubtful = true;
    this.#restarts = this.#chance.int(0, RESTARTS_MAX);
  }

  /** A raw copy of the life that the databases know looks like the crash that it is a picture of: a limit that ADR 14 names. */
  #isFit({ disk, isRaw }: Copy): boolean {
    return !isRaw || this.#system.sites.some(({ parts }) => served(parts.engine).some((life) => !knows(disk, life)));
  }

  /**
   * A limit that ADR 14 names: a life that no database has recorded is known to no other copy of the log, nor is one that only databases
   * have recorded which are away. So clients are kept away from each life until a database has recorded it, and from a copy until it is
   * refused, or every database has taken it for its log.
   */
  #admits(core: Core): boolean {
    const { sites, coordinator } = this.#system;
    if (core.copy.refusal !== undefined) {
      return true;
    }
    const isTaken = sites.every(({ parts }) => (core.directory.get(parts.name)?.links.length ?? 0) > 0);
    this.#isDoubtful &&= !isTaken;
    const token = coordinator.recovered?.token;
    return !this.#isDoubtful && sites.some(({ parts }) => served(parts.engine).some((life) => life.token === token));
  }

  #started(core: Core, { epoch, lostTo = -1 }: RecoveredLog): void {
    this.#system.restoredEpoch = Math.max(this.#system.restoredEpoch, lostTo);
    const kinds = this.#system.coordinator.disk.records.map(({ record }) => record.kind);
    const isRefused = kinds.lastIndexOf('life-refused') > kinds.lastIndexOf('log-adopted');
    if (isRefused && core.copy.refusal === undefined) {
      this.#say('D8', `a refused log is served at a later start, in epoch ${epoch}`);
    }
    if (isRefused && kinds.lastIndexOf('epoch-started') > kinds.lastIndexOf('life-refused')) {
      this.#say('D8', `a refused log begins epoch ${epoch}`);
    }
  }

  #look(): void {
    const { world, coordinator } = this.#system;
    world.after(this.#chance.gap(LOOK_MS), () => {
      const { core } = coordinator;
      if (core?.copy.refusal !== undefined && this.#restarts > 0) {
        this.#restarts -= 1;
        coordinator.kill(this.#chance.happens(0.5) ? 'lost' : 'kept');
        world.after(RESTART_MS, () => this.#system.startCoordinator());
      } else if (core?.copy.refusal !== undefined) {
        void this.#adopt(core);
      }
      this.#look();
    });
  }

  /** Never rejects. While a database has not told what it knows, it is tried again later. */
  async #adopt(core: Core): Promise<void> {
    const { world, coordinator } = this.#system;
    const person = { operator: 'simulated', reason: 'the log is lost', requestId: this.#chance.base32(8) };
    try {
      const { effects } = await core.admin.adoptLog({ ...person, dryRun: false, incomplete: false });
      world.trace.say('copy', 'adopted', effects);
    } catch (error) {
      world.trace.say('copy', 'not adopted', error);
      return;
    }
    if (coordinator.core === core) {
      coordinator.kill('kept');
      world.after(RESTART_MS, () => this.#system.startCoordinator());
    }
  }
}

/** Whether a log that starts on this disk takes that life for its own. */
function knows(disk: MemoryDisk, life: LifeName): boolean {
  const records = disk.records.map(({ record }) => record);
  const tokens = records.flatMap((record) =>
    record.kind === 'epoch-started' ? [record.token, ...(record.earlier ?? []).map(({ token }) => token)] : [],
  );
  const adopted = records.flatMap((record) => (record.kind === 'log-adopted' ? [record.lostTo] : []));
  const isOwn = life.token === disk.life.token || tokens.includes(life.token);
  return isOwn || life.epoch <= Math.max(disk.lostTo, ...adopted);
}

function served(engine: { knownLogs(): readonly LifeName[] }): readonly LifeName[] {
  return engine.knownLogs().filter(({ epoch }) => epoch > 0);
}
