// What whoever asks is told. Somebody always asks, at once and of everybody: what was told once must be true in every later state (D5).

import type { Outcome } from '../../src/xa/vocabulary.ts';
import { REMEMBERED } from './entrances.ts';
import { claimedMask } from './judges.ts';
import { Flag, get, Local } from './layout.ts';
import type { World } from './world.ts';

/** Notes what can be heard in the state that is being made. The source is src/coordinator: operations, lookup. */
export function noteTold(world: World): void {
  const { told } = world.coordinators.facts(world.coordinator);
  if (world.isLookedUp) {
    lookUp(world);
  } else if (told !== undefined) {
    world.setFlag(told, 1);
  }
}

/** The transaction is not held: what is remembered answers, then the log, whose silence means a rollback to whoever names two branches. */
function lookUp(world: World): void {
  const claimed = claimedMask(world.words, world.configuration.branches);
  const isPlural = (claimed & (claimed - 1)) !== 0;
  if (isRemembered(world)) {
    world.setFlag(world.flag(Flag.remembered) === 1 ? Flag.toldCommitted : Flag.toldRolledBack, 1);
  } else if (world.logs.facts(world.log).decided !== 0) {
    world.setFlag(Flag.toldCommitted, 1);
  } else if (world.flag(Flag.life) > 0 && world.flag(Flag.commitSent) === 1 && isPlural) {
    world.setFlag(Flag.toldRolledBack, 1);
  }
}

/** What one engine has proven is told to whoever asked for a commit and named its branch alone. */
export function isRemembered(world: World): boolean {
  const { branches } = world.configuration;
  let provers = 0;
  for (let branch = 0; branch < branches; branch += 1) {
    provers |= get(world.local(branch), Local.provenBy) << branch;
  }
  const isForAsker =
    provers === 0 || (world.flag(Flag.commitSent) === 1 && claimedMask(world.words, branches) === provers);
  return world.flag(Flag.remembered) !== 0 && isForAsker;
}

/** What the coordinator remembers of the end; `branch`: by whose engine alone it knows it. */
export function remember(world: World, outcome: Outcome, branch?: number): void {
  world.setFlag(Flag.remembered, REMEMBERED.indexOf(outcome));
  for (let other = 0; other < world.configuration.branches; other += 1) {
    world.setLocal(other, Local.provenBy, other === branch ? 1 : 0);
  }
  noteTold(world);
}

export function forgetEnd(world: World): void {
  world.setFlag(Flag.remembered, 0);
  for (let branch = 0; branch < world.configuration.branches; branch += 1) {
    world.setLocal(branch, Local.provenBy, 0);
  }
}
