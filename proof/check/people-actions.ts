// What people do: the client, which asks for an end, and an operator, who acts on what the coordinator shows.
import type { Chooser } from './chooser.ts';
import { claimsNumber } from './events.ts';
import { Claim, claimedOpening, Flag, get, isOpened, Local, Work } from './layout.ts';
import { bqualOf, GTRID } from './names.ts';
import type { World } from './world.ts';

/** How a client words its commit request. */
export const COMMIT_VARIANTS = [
  'naming what has answered it',
  'without naming instances',
  'naming every branch, without instances',
] as const;

type Variant = 0 | 1 | 2;

export function clientActions(chooser: Chooser): void {
  const { world, from } = chooser;
  const { branches, otherClients } = world.configuration;
  const { events } = world;
  world.load(from);
  if (world.flag(Flag.commitSent) === 1) {
    chooser.tell('commit again', 0, events.request('commit', named(world)));
  } else {
    commit(chooser, 0);
    if (otherClients) {
      commit(chooser, 1);
      commit(chooser, 2);
    }
  }
  const opened = claimsNumber(branches, (branch) => latest(chooser.local(branch)));
  chooser.tell('rollback', 0, events.request('rollback', opened));
  chooser.tell('rollback-only', 0, events.rollbackOnly);
  chooser.tell('client lost', 0, events.clientLost);
  for (let branch = 0; otherClients && branch < branches; branch += 1) {
    enlist(chooser, branch);
  }
}

/** By `Enlist`, before its first statement; the commit request does not name the branch again. */
function enlist(chooser: Chooser, branch: number): void {
  const isLate = isOpened(chooser.local(branch)) || chooser.isSet(branch, Local.enlisted);
  chooser.try('enlist', branch, 0, (world) => {
    if (isLate || world.flag(Flag.commitSent) === 1) {
      return false;
    }
    world.setLocal(branch, Local.enlisted, 1);
    return world.tell(world.events.branches[branch]?.enlist[get(world.local(branch), Local.instance)] ?? -1);
  });
}

/** The client names what answered it. Other clients name no instance, or also what has not answered. */
function commit(chooser: Chooser, variant: Variant): void {
  chooser.try('commit', 0, variant, (world) => {
    const { branches } = world.configuration;
    for (let branch = 0; branch < branches; branch += 1) {
      if (awaitsAnswer(world.local(branch))) {
        return false;
      }
      claim(world, branch, variant);
    }
    world.setFlag(Flag.commitSent, 1);
    world.tell(world.events.request('commit', named(world)));
    world.noteTold();
    return true;
  });
}

/** Whoever enlists a branch waits for what it sent there. */
function awaitsAnswer(local: number): boolean {
  return get(local, Local.enlisted) === 1 && isOpened(local) && get(local, Local.claim) === Claim.none;
}

function claim(world: World, branch: number, variant: Variant): void {
  const local = world.local(branch);
  const opening = claimedOpening(local);
  if (get(local, Local.enlisted) === 1) {
    if (opening === undefined) {
      world.setLocal(branch, Local.claim, Claim.first); // Never used, as far as anybody knows.
    }
    return;
  }
  const isTwice = get(local, Local.second) !== Work.none; // Only its instance tells which opening is meant.
  if (variant !== 0 && !isTwice && (opening !== undefined || variant === 2)) {
    world.setLocal(branch, Local.claim, opening === 1 ? Claim.blankSecond : Claim.blankFirst);
  }
}

/** What the request names: without what was enlisted. */
function named(world: World): number {
  return claimsNumber(world.configuration.branches, (branch) => {
    const local = world.local(branch);
    return get(local, Local.enlisted) === 1 ? Claim.none : get(local, Local.claim);
  });
}

function latest(local: number): number {
  if (get(local, Local.second) !== Work.none) {
    return Claim.second;
  }
  return get(local, Local.first) === Work.none ? Claim.none : Claim.first;
}

const BY = { operator: 'ops', reason: 'the checker says so', requestId: '', wallTime: 0 };

/** Judged by production's own rules when the operator acts; its effect comes when the record is durable, whatever happened since. */
export function operatorActions(chooser: Chooser): void {
  const { configuration } = chooser.world;
  if (!configuration.operator) {
    return;
  }
  chooser.try('operator rolls back', 0, 0, (world) => {
    const { mayRollBack } = world.coordinators.facts(world.coordinator);
    if (!mayRollBack || world.flag(Flag.operatorRolledBack) === 1) {
      return false;
    }
    world.setFlag(Flag.operatorRolledBack, 1);
    world.write({ kind: 'operator-action', gtrid: GTRID, action: 'rollback', ...BY });
    return true;
  });
  for (let branch = 0; branch < configuration.branches; branch += 1) {
    vouch(chooser, branch, 'branch-committed');
    vouch(chooser, branch, 'branch-rolled-back');
  }
}

/** Truthfully or not. */
function vouch(chooser: Chooser, branch: number, action: 'branch-committed' | 'branch-rolled-back'): void {
  chooser.try('operator vouches', branch, action === 'branch-committed' ? 1 : 0, (world) => {
    const { vouchable } = world.coordinators.facts(world.coordinator);
    if ((vouchable & (1 << branch)) === 0 || world.flag(Flag.operatorVouched) === 1) {
      return false;
    }
    world.setFlag(Flag.operatorVouched, 1);
    world.write({ kind: 'operator-action', gtrid: GTRID, action, bqual: bqualOf(branch), ...BY });
    return true;
  });
}
