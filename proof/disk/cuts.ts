// The moments of a recording at which the power may fail, and how many states are taken from each.
import type { DiskEvent, Lies } from './disk.ts';
import { Disk } from './disk.ts';

export interface CutPlan {
  /** A cut comes just before the event with this number, or after the last one. */
  readonly cuts: readonly number[];
  /** States at most from each cut. */
  readonly quota: number;
}

/** Shares `states` out over all cuts: some have fewer than their share, which the others make up for. */
export function planCuts(events: readonly DiskEvent[], states: number, lies: Lies): CutPlan {
  const disk = new Disk(lies);
  const cuts: number[] = [];
  // How many states a cut has at most: every write may be torn in many ways, a name is there or not.
  const capacities: number[] = [];
  for (const [at, event] of events.entries()) {
    // What is told changes no disk: the cut behind it has the same states, and more that must be there.
    if (event.kind !== 'told') {
      cuts.push(at);
      capacities.push(capacityOf(disk));
    }
    disk.apply(event);
  }
  cuts.push(events.length);
  capacities.push(capacityOf(disk));
  // Different fates may leave the same contents; so many more are tried.
  const tries = states * 2.5;
  let quota = 1;
  while (capacities.reduce((sum, capacity) => sum + Math.min(capacity, quota), 0) < tries && quota < tries) {
    quota = Math.ceil(quota * 1.05);
  }
  return { cuts, quota };
}

function capacityOf(disk: Disk): number {
  const pending = disk.pending();
  const tearable = pending.some(({ event }) => event.kind === 'write' && event.bytes.length > 512);
  return tearable ? Number.POSITIVE_INFINITY : 2 ** pending.length;
}
