// Everything that can happen next in a state of the world.
import { Chooser, type Visit } from './chooser.ts';
import { evidenceActions } from './evidence-actions.ts';
import { COORDINATOR, Flag } from './layout.ts';
import { clientActions, operatorActions } from './people-actions.ts';
import { siteActions } from './site-actions.ts';
import { remember } from './telling.ts';
import type { World } from './world.ts';

export class Actions {
  readonly #chooser: Chooser;

  constructor(world: World) {
    this.#chooser = new Chooser(world);
  }

  /** `isFair`: only what goes on by itself when faults have stopped. Calls `visit` for each state that may follow `from`. */
  successors(from: Int32Array, isFair: boolean, visit: Visit): void {
    const chooser = this.#chooser;
    chooser.from.set(from);
    chooser.isFair = isFair;
    chooser.visit = visit;
    for (let branch = 0; branch < chooser.world.configuration.branches; branch += 1) {
      siteActions(chooser, branch);
      chooser.forEachInstance(() => evidenceActions(chooser, branch));
    }
    chooser.tell('deadline', 0, chooser.world.events.deadline);
    written(chooser);
    if (!isFair) {
      stops(chooser);
      evicted(chooser);
      clientActions(chooser);
      operatorActions(chooser);
    }
  }
}

/** The oldest record that is being written is on stable storage, and the coordinator hears of it. */
function written(chooser: Chooser): void {
  const { events, logs } = chooser.world;
  const next = logs.written(chooser.log);
  if (next !== undefined) {
    chooser.try('written', 0, 0, (world) => {
      world.setLog(next.log);
      if (next.event !== undefined && world.coordinator !== 0) {
        world.tell(events.number(next.event));
      }
      return true;
    });
  }
}

/**
 * The process stops and starts again, with any number of its last writes on the disk. A force that fails is this and nothing else: the
 * record may be there or not, and nobody goes on.
 */
function stops(chooser: Chooser): void {
  const { configuration, logs, protocol } = chooser.world;
  const { writing } = logs.facts(chooser.log);
  for (let kept = 0; kept <= writing; kept += 1) {
    chooser.try('crash', 0, kept, (world) => {
      const mayCrash = world.flag(Flag.life) < configuration.coordinatorCrashes;
      if (mayCrash) {
        world.restart(kept);
      }
      return mayCrash;
    });
    if (protocol.forceFailed !== undefined && writing > 0) {
      chooser.try('force failed', 0, kept, (world) => world.goOnAfterFailedForce(kept));
    }
  }
}

/** Completed, and old: what is left in memory is how it ended. Streams are in order, so that every report of it has been heard or lost. */
function evicted(chooser: Chooser): void {
  chooser.try('evicted', 0, 0, (world) => {
    const { kind, isHeuristic, isPresumed, isRolledBack } = world.coordinators.facts(world.coordinator);
    const mayGo = world.configuration.eviction && world.flag(Flag.evicted) === 0;
    if (!mayGo || kind !== 'completed' || isHeuristic) {
      return false;
    }
    world.words[COORDINATOR] = 0;
    world.dropReports();
    world.setFlag(Flag.evicted, 1);
    if (!isPresumed) {
      remember(world, isRolledBack ? 'rolled-back' : 'committed');
    }
    return true;
  });
}
