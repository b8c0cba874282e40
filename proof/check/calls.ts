// Calls to participants: production says who is told (src/coordinator/engine/routing.ts); here the message is put on its way. Of a commit
// in one phase the world keeps in mind that it is not answered: it alone depends on the instance that it is for, which holds the
// branch's session, and there is no record to begin from again.
import type { Route, RoutedCall } from '../../src/coordinator/engine/routing.ts';
import type { OnePhase } from '../../src/coordinator/engine/state.ts';
import { get, Local, OPENINGS, type Opening } from './layout.ts';
import { CALL, FROM_FIRST, PREPARE } from './mail.ts';
import { branchOf, evidenceNumber, instanceNumber, instanceOf } from './names.ts';
import type { World } from './world.ts';

/** The step that asked for it has just been taken: whoever is away may still come back. */
export function call(world: World, wanted: RoutedCall): void {
  const branch = branchOf(wanted.bqual);
  const route = tell(world, branch, wanted, 0);
  if (wanted.verb === 'commit-one-phase') {
    world.setLocal(branch, Local.callOpen, route === 'to' ? 1 : 0);
    world.setLocal(branch, Local.callUnsent, route === 'to' ? 0 : 1);
  }
}

/** A vote is asked for once more, as late as it likes. False: there is nobody to ask. */
export function askAgain(world: World, wanted: RoutedCall): boolean {
  return tell(world, branchOf(wanted.bqual), wanted, LATE) === 'to';
}

/**
 * One phase was not sent, and whom it is for has come back; or was not answered, and whom it is for is away, for longer than anybody waits:
 * it goes to another instance, or to nobody. False: it waits, or is with whom it is for.
 */
export function reroute(world: World, { branch: { bqual, instance, evidence } }: OnePhase): boolean {
  const branch = branchOf(bqual);
  const holder = instanceNumber(instance);
  const isUnsent = get(world.local(branch), Local.callUnsent) === 1;
  const isWithIt = isThere(world, branch, holder) || (holder === -1 && isThere(world, branch, 0) && !world.hasTwo);
  if (isWithIt && !isUnsent) {
    return false;
  }
  const route = tell(world, branch, { verb: 'commit-one-phase', bqual, instance, evidence }, LATE);
  if (route === 'waits') {
    return false;
  }
  if (holder === 0 && !world.hasTwo) {
    world.drop(branch, FROM_FIRST); // Its stream has ended.
  }
  if (route === 'to') {
    world.setLocal(branch, Local.callOpen, 1);
    world.setLocal(branch, Local.callUnsent, 0);
  } else {
    forgetCall(world, branch);
    world.tell(world.events.branches[branch]?.untold.get(holder) ?? -1);
  }
  return true;
}

export function forgetCall(world: World, branch: number): void {
  world.setLocal(branch, Local.callOpen, 0);
  world.setLocal(branch, Local.callUnsent, 0);
}

/** Longer than every wait. */
const LATE = Number.POSITIVE_INFINITY;

/** Of two sidecars either may be the newest: each is told, as far as production tells one. */
function tell(world: World, branch: number, wanted: RoutedCall, waitedMs: number): Route['kind'] {
  const isHolderThere = isThere(world, branch, instanceNumber(wanted.instance));
  let kind: Route['kind'] = 'waits';
  for (const sidecar of sidecars(world, branch)) {
    const route = world.protocol.route(wanted, { isHolderThere, sidecar }, waitedMs);
    kind = route.kind;
    if (route.kind === 'to') {
      world.send(branch, instanceNumber(route.instance), mailOf(wanted));
    }
  }
  return kind;
}

function sidecars(world: World, branch: number): readonly (string | undefined)[] {
  const there = OPENINGS.filter((instance) => isThere(world, branch, instance));
  return there.length === 0 ? NOBODY : there.map((instance) => instanceOf(branch, instance));
}

const NOBODY = [undefined] as const;

/** Of one instance after another, the one that lives; a call waits for it on its way if it has not attached yet. */
function isThere(world: World, branch: number, instance: number): boolean {
  return world.hasTwo
    ? instance !== -1 && world.siteOf(branch, instance as Opening).isAttached
    : instance === get(world.local(branch), Local.instance);
}

function mailOf({ verb, evidence }: RoutedCall): number {
  return verb === 'prepare' ? PREPARE : (CALL[verb][evidenceNumber(evidence)] ?? -1);
}
