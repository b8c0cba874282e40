// Tries one action after another on copies of the same state, and shows each state that comes of it.
import { actionNumber, type Kind } from './action.ts';
import type { Field } from './layout.ts';
import { get, LOG, type Opening, placeOf } from './layout.ts';
import type { Site } from './site.ts';
import type { World } from './world.ts';

/** Called for each state that can come next, in `world.words`; `world.problem` says what is wrong with the action. */
export type Visit = (action: number) => void;

export class Chooser {
  readonly world: World;
  /** The state that all of them start from. */
  readonly from: Int32Array;
  /** Faults have stopped, and nobody asks for anything new; what is on its way, and what timers do, goes on. */
  isFair = false;
  visit: Visit = () => undefined;
  /** Of two that live at the same time, the instance that is looked at. */
  instance: Opening = 0;

  constructor(world: World) {
    this.world = world;
    this.from = new Int32Array(world.words.length);
  }

  local(branch: number): number {
    return this.from[placeOf(branch)] ?? 0;
  }

  isSet(branch: number, field: Field): boolean {
    return get(this.local(branch), field) === 1;
  }

  /** The branch as it is, of the instance that is looked at. */
  site(branch: number): Site {
    return this.world.site.load(this.from, branch, this.instance);
  }

  /** Looks at the only instance that lives, or at one after the other. */
  forEachInstance(look: () => void): void {
    look();
    if (this.world.hasTwo) {
      this.instance = 1;
      look();
      this.instance = 0;
    }
  }

  get log(): number {
    return this.from[LOG] ?? 0;
  }

  /** Makes a state by `change`; false: it is none. */
  try(kind: Kind, branch: number, detail: number, change: (world: World) => boolean): void {
    this.world.load(this.from);
    if (change(this.world)) {
      this.visit(actionNumber(kind, branch, this.instance, detail));
    }
  }

  /** The coordinator hears of an event. */
  tell(kind: Kind, branch: number, event: number, detail = 0): void {
    this.world.load(this.from);
    if (this.world.tell(event)) {
      this.visit(actionNumber(kind, branch, this.instance, detail));
    }
  }

  /** Something happens at a branch's site. */
  at(kind: Kind, branch: number, detail: number, change: (site: Site, world: World) => boolean): void {
    this.world.load(this.from);
    const site = this.world.siteOf(branch, this.instance);
    site.problem = undefined;
    if (change(site, this.world)) {
      this.world.fail(site.problem);
      site.save(this.world.words, branch);
      this.visit(actionNumber(kind, branch, this.instance, detail));
    }
  }
}
