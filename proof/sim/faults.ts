// What goes wrong, how often, and how it is fixed; at the end of the safety phase all of it is.
import { parseRow } from '../../src/xa/evidence.ts';

import type { Chance } from './chance.ts';
import type { Backup } from './coordinator.ts';
import { Copies } from './copies.ts';
import { SimEngine } from './engine.ts';
import { Histories } from './histories.ts';
import type { Host } from './host.ts';
import { act } from './operator.ts';
import type { Site } from './site.ts';
import { FAULT_KINDS, type FaultKind } from './swarm.ts';
import { prepareRows, type System } from './system.ts';

/** How soon after a critical moment an aimed fault strikes, mostly much sooner. */
const AIMED_WITHIN_MS = 50;

export class Faults {
  readonly #system: System;
  readonly #chance: Chance;
  /** Fixes what is broken just now; each fixes once. */
  readonly #open = new Set<() => void>();
  #backup: Backup | undefined;
  readonly #copies: Copies | undefined;
  readonly #histories: Histories;
  #lastsAtMostMs = 0;
  #isOver = false;

  constructor(system: System, say: (what: string, details: string) => void) {
    this.#system = system;
    this.#chance = system.world.chance.fork();
    this.#copies = system.options.faults.copy === undefined ? undefined : new Copies(system, this.#chance, say);
    this.#histories = new Histories(system, this.#chance);
  }

  start(): void {
    const { faults, aimed } = this.#system.options;
    const kinds = FAULT_KINDS.filter((kind) => faults[kind] !== undefined);
    this.#system.onCritical = () => {
      if (kinds.length > 0 && !this.#isOver && this.#chance.happens(aimed)) {
        this.#system.world.after(this.#chance.next() ** 3 * AIMED_WITHIN_MS, () => this.#hit(this.#chance.pick(kinds)));
      }
    };
    for (const kind of FAULT_KINDS) {
      const meanMs = faults[kind];
      if (meanMs !== undefined) {
        this.#next(kind, meanMs);
      }
    }
  }

  /** No more faults, and none of them lasts. */
  end(): void {
    this.#isOver = true;
    for (const fix of [...this.#open]) {
      fix();
    }
  }

  #next(kind: FaultKind, meanMs: number): void {
    this.#system.world.after(this.#chance.gap(meanMs), () => {
      this.#hit(kind);
      if (!this.#isOver) {
        this.#next(kind, meanMs);
      }
    });
  }

  #hit(kind: FaultKind): void {
    if (!this.#isOver) {
      this.#system.world.trace.say('fault', kind);
      this.#strike(kind);
    }
  }

  #strike(kind: FaultKind): void {
    // What happens often lasts shortly, or nothing else would happen at all.
    this.#lastsAtMostMs = (this.#system.options.faults[kind] ?? 0) * 0.7;
    const { coordinator, sites, clients, network, world, shape } = this.#system;
    const chance = this.#chance;
    const site = chance.pick(sites);
    switch (kind) {
      case 'coordinator-crash':
        coordinator.kill(chance.happens(0.5) ? 'lost' : 'kept');
        this.#lasting(chance.gap(500), () => this.#system.startCoordinator());
        break;
      case 'coordinator-pause':
        this.#pause(coordinator.host, chance.gap(2_000));
        break;
      case 'coordinator-stop':
        coordinator.stop(chance.gap(1_000));
        break;
      case 'failed-force':
        coordinator.disk.failNextForce(chance.happens(0.5) ? 'lost' : 'kept');
        break;
      case 'slow-disk':
        coordinator.disk.flushMs = chance.pick([1, 20, 200, 2_000]);
        this.#lasting(chance.gap(3_000), () => {
          coordinator.disk.flushMs = shape.flushMs;
        });
        break;
      case 'full-disk':
        coordinator.disk.room = false;
        this.#lasting(chance.gap(1_000), () => {
          coordinator.disk.room = true;
        });
        break;
      case 'site-crash':
        site.kill();
        this.#lasting(chance.gap(500), () => this.#system.startSite(site));
        break;
      case 'site-stop':
        void site.stop();
        this.#lasting(chance.gap(4_000), () => {
          site.kill(); // Whoever asked it to stop does not wait for ever.
          this.#system.startSite(site);
        });
        break;
      case 'site-pause':
        this.#pause(site.host, chance.gap(3_000));
        break;
      case 'engine-crash':
        site.parts.engine.crash();
        this.#lasting(chance.gap(1_000), () => site.parts.engine.start());
        break;
      case 'address':
        this.#leadElsewhere(site);
        break;
      case 'cut':
        this.#cut(chance.pick([coordinator, site, chance.pick(clients)]).host, chance.gap(4_000));
        break;
      case 'stream-break':
        network.breakOne();
        break;
      case 'client-crash':
        this.#system.killClient(chance.int(0, clients.length - 1));
        break;
      case 'wall-clock':
        world.wallOffsetMs += chance.between(-400, 400) * 86_400_000;
        break;
      case 'hand':
        this.#byHand();
        break;
      case 'restore':
        this.#restore();
        break;
      case 'copy':
        this.#copies?.strike(() => this.#lasting(chance.gap(500), () => this.#system.startCoordinator()));
        break;
      case 'history':
        this.#histories.strike(site, () => this.#lasting(chance.gap(1_000), () => site.parts.engine.start()));
        break;
      case 'operator':
        void act(this.#system, chance);
        break;
    }
  }

  /** Another database answers at the address of this one and takes connections at once. A resource that is not registered yet would be it. */
  #leadElsewhere({ parts, runtime }: Site): void {
    if (runtime?.status.ready === true) {
      const stray = new SimEngine(`${parts.name}-stray`, this.#chance);
      prepareRows(stray);
      parts.address.moveTo(stray);
      this.#lasting(this.#chance.gap(3_000), () => parts.address.moveTo(parts.engine));
    }
  }

  /** The log's disk is lost, and its newest backup takes its place: what was decided since is not in it. */
  #restore(): void {
    const { coordinator, world } = this.#system;
    const backup = this.#backup;
    this.#backup = undefined;
    if (backup !== undefined && backup.token === coordinator.recovered?.token) {
      for (const { parts } of this.#system.sites) {
        parts.address.moveTo(parts.engine); // The backup may be older than the registration: a stray would become the resource.
      }
      world.trace.say('coord', 'restored', backup.epoch);
      coordinator.kill('lost');
      backup.copy.flushMs = coordinator.disk.flushMs;
      coordinator.replaceDisk(backup.copy);
      this.#system.restoredEpoch = Math.max(this.#system.restoredEpoch, backup.epoch);
      this.#lasting(this.#chance.gap(500), () => this.#system.startCoordinator());
    } else {
      coordinator.backup().then(
        (made) => {
          this.#backup = made;
        },
        () => undefined, // The log has failed.
      );
    }
  }

  /** Somebody with a console finishes a branch that he finds prepared. */
  #byHand(): void {
    const { sites, attempts, world } = this.#system;
    const found = sites.flatMap(({ parts: { engine } }) => engine.prepared().map(({ id }) => ({ engine, id })));
    if (found.length > 0) {
      const { engine, id } = this.#chance.pick(found);
      const verb = this.#chance.happens(0.5) ? 'commit' : 'rollback';
      const attempt = attempts.get(parseRow(id)?.gtrid ?? '');
      if (attempt !== undefined) {
        attempt.byHand = !attempt.meddled || attempt.byHand;
        attempt.meddled = true;
        world.trace.say('hand', verb, id);
        engine.finish(id, verb);
      }
    }
  }

  #pause(host: Host | undefined, forMs: number): void {
    host?.pause();
    this.#lasting(forMs, () => host?.resume());
  }

  #cut(host: Host | undefined, forMs: number): void {
    if (host !== undefined) {
      this.#system.network.cut(host);
      this.#lasting(forMs, () => this.#system.network.heal(host));
    }
  }

  #lasting(forMs: number, fix: () => void): void {
    const once = (): void => {
      if (this.#open.delete(once)) {
        fix();
      }
    };
    this.#open.add(once);
    this.#system.world.after(Math.min(forMs, this.#lastsAtMostMs), once);
  }
}
