// Does to the world what the plan says.
import { missingStrace } from '../disk/strace.ts';
import type { Deaths } from './deaths.ts';
import { type Trouble, troubleDisk } from './disk-trouble.ts';
import type { Blow, DiskTrouble, PartName } from './plan.ts';
import type { Link } from './proxy.ts';
import { everyPart, type World } from './world.ts';

export class Striker {
  /** How often each kind of fault was done. */
  readonly done = new Map<string, number>();
  readonly skipped: string[] = [];
  readonly #world: World;
  readonly #deaths: Deaths;
  readonly #timers = new Set<NodeJS.Timeout>();
  #trouble: Trouble | undefined;
  #hasStrace = true;

  constructor(world: World, deaths: Deaths) {
    this.#world = world;
    this.#deaths = deaths;
    const missing = missingStrace();
    if (missing !== undefined) {
      this.#hasStrace = false;
      this.skipped.push(`The coordinator's disk stays well. ${missing}`);
    }
  }

  strike(blow: Blow): void {
    this.#count(this.#do(blow));
  }

  /** @returns the name under which it counts; undefined: it could not be done just now. */
  #do(blow: Blow): string | undefined {
    switch (blow.kind) {
      case 'kill':
        return this.#part(blow.part)?.kill() === true ? `kill ${blow.part.kind}` : undefined;
      case 'restart':
        return this.#part(blow.part)?.restart() === true ? `restart ${blow.part.kind}` : undefined;
      case 'freeze':
        return this.#freeze(blow.part, blow.ms, blow.thenKill);
      case 'link': {
        const links = [...this.#world.links.values()];
        const link = links[blow.index % links.length];
        this.#fail(link === undefined ? [] : [link], blow.fault, blow.ms);
        return `link ${blow.fault.kind}`;
      }
      case 'isolate': {
        const links = [...this.#world.links].filter(([name]) => name.split('>').includes(blow.part.name));
        const partition = { kind: 'partition' } as const;
        this.#fail(
          links.map(([, link]) => link),
          partition,
          blow.ms,
        );
        return `isolate ${blow.part.kind}`;
      }
      case 'disk':
        return this.#troubleDisk(blow.trouble, blow.ms);
    }
  }

  /** Nothing that was begun goes on, and nothing that was planned comes. */
  end(): void {
    for (const timer of this.#timers) {
      clearTimeout(timer);
    }
    this.#timers.clear();
    this.#trouble?.end();
    this.#trouble = undefined;
  }

  #freeze(name: PartName, ms: number, thenKill: boolean): string {
    const part = this.#part(name);
    part?.freeze(ms);
    if (thenKill) {
      this.#later(ms, () => this.#count(part?.kill() === true ? `kill ${name.kind}` : undefined));
    }
    return `freeze ${name.kind}`;
  }

  #fail(links: readonly Link[], fault: Parameters<Link['fail']>[0], ms: number): void {
    for (const link of links) {
      link.fail(fault);
    }
    this.#later(ms, () => {
      for (const link of links) {
        link.fail(undefined);
      }
    });
  }

  #troubleDisk(trouble: DiskTrouble, ms: number): string | undefined {
    const { child, isReady } = this.#world.coordinator;
    if (!this.#hasStrace || child === undefined || !isReady || this.#trouble !== undefined) {
      return undefined;
    }
    if (trouble !== 'slow') {
      this.#deaths.excuse(child.pid);
    }
    const begun = troubleDisk(child.pid, trouble);
    this.#trouble = begun;
    this.#later(ms, () => {
      begun.end();
      this.#trouble = undefined;
    });
    return `disk ${trouble}`;
  }

  #part({ name }: PartName): { kill(): boolean; restart(): boolean; freeze(ms: number): void } | undefined {
    return everyPart(this.#world).find((part) => part.name === name);
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #count(name: string | undefined): void {
    if (name !== undefined) {
      this.done.set(name, (this.done.get(name) ?? 0) + 1);
    }
  }
}
