// What whoever asks is told. Somebody always asks, at once and of everybody: what was told once must be true in every later state (D5).

import { judgeProofs } from '../../src/coordinator/engine/question.ts';
import type { Outcome } from '../../src/xa/vocabulary.ts';
import { REMEMBERED } from './entrances.ts';
import { claimedMask } from './judges.ts';
import { claimedOpening, type Field, Flag, get, Local, Work, workOf } from './layout.ts';
import type { World } from './world.ts';

/** Notes what can be heard in the state that is being made. */
export function noteTold(world: World): void {
  const { told } = world.coordinators.facts(world.coordinator);
  if (world.isLookedUp) {
    lookUp(world);
  } else if (told !== undefined) {
    tell(world, told);
  }
}

/** What is told later takes nothing back (D5), except that damage may be found, and an operator's word may stand in for a proof. */
function tell(world: World, told: Field, isProof = false): void {
  for (const [name, before, after] of TOLD) {
    // A branch that was committed by hand looks like a commit in one phase whose answer was lost, once all else is forgotten.
    const isHand = isProof && before === toldRolledBack && world.flag(Flag.administratorActed) === 1;
    // A commit of branches that only read leaves nothing behind, like a rollback: after a restart nobody can tell which it was.
    const isEmpty = before === toldCommitted && told === toldRolledBack && hasOnlyRead(world);
    if (world.flag(before) === 1 && !after.includes(told) && !isHand && !isEmpty) {
      world.fail(`D5: ${name} was told, and now something else is`);
    }
  }
  world.setFlag(told, 1);
}

function hasOnlyRead(world: World): boolean {
  for (let branch = 0; branch < world.configuration.branches; branch += 1) {
    const local = world.local(branch);
    const claimed = claimedOpening(local);
    if (claimed !== undefined && workOf(local, claimed) !== Work.readOnly) {
      return false;
    }
  }
  return true;
}

const { toldCommitted, toldRolledBack, toldMixed, toldHazard } = Flag;

/** What may be told after it. */
const TOLD: readonly (readonly [string, Field, readonly Field[]])[] = [
  ['committed', toldCommitted, [toldCommitted, toldHazard, toldMixed]],
  ['rolled back', toldRolledBack, [toldRolledBack, toldMixed]],
  ['hazard', toldHazard, [toldHazard, toldMixed]],
  ['mixed', toldMixed, [toldMixed]],
];

/** The transaction is not held: production says what is concluded from what is left of it. Engines that would be asked first are away (D11). */
function lookUp(world: World): void {
  const { branches } = world.configuration;
  const hasClaimed = world.flag(Flag.commitSent) === 1;
  if (!hasClaimed && proversIn(world) !== 0) {
    return; // Whoever names no branch hears what one engine has proven, also of work by hand: docs/checker.md.
  }
  const answer = asked(world, hasClaimed ? claimedMask(world.words, branches) : 0);
  const found =
    answer.kind === 'ask' ? judgeProofs(answer.bquals.map((bqual) => ({ bqual, proof: 'away' }))).found : answer;
  if (found.kind === 'outcome') {
    tell(world, OUTCOMES[found.outcome], world.flag(Flag.remembered) !== 0);
  }
}

const OUTCOMES: Readonly<Record<Outcome, Field>> = {
  committed: toldCommitted,
  'rolled-back': toldRolledBack,
  mixed: toldMixed,
  hazard: toldHazard,
};

/** What somebody hears who names these branches, or whose engines are asked for him first. */
export function asked(world: World, claimed: number): ReturnType<World['entrances']['asked']> {
  return world.entrances.asked(claimed, proversIn(world), world.standing());
}

function proversIn(world: World): number {
  let provers = 0;
  for (let branch = 0; branch < world.configuration.branches; branch += 1) {
    provers |= get(world.local(branch), Local.provenBy) << branch;
  }
  return provers;
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
