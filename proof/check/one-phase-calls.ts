// One-phase calls, which alone depend on the instance that they are for: it holds the branch's session, and there is no record to
// begin from again. The source is src/coordinator/calls/calls.ts.
import type { StateFacts } from './coordinators.ts';
import { get, Local, placeOf } from './layout.ts';
import { CALL, ONE_PHASE_CALLS } from './mail.ts';
import { branchOf, instanceNumber } from './names.ts';
import type { Reaction } from './reactions.ts';
import type { World } from './world.ts';

const [WITHOUT_EVIDENCE] = CALL['commit-one-phase'];

/** Sent to its instance; if that is gone, to the one that followed it, unless no evidence is known: then nothing was committed. */
export function callOnePhase(world: World, { branch, mail, instance }: NonNullable<Reaction['onePhase']>): void {
  const local = world.local(branch);
  const isGone = instance !== -1 && instance !== get(local, Local.instance);
  if (isGone && mail === WITHOUT_EVIDENCE) {
    world.setLocal(branch, Local.callUnsent, 1);
    return;
  }
  world.send(branch, mail);
  world.setLocal(branch, Local.callUnsent, 0);
  world.setLocal(branch, Local.callOpen, 1);
}

/** The one phase has an end: a call that waits for another instance is not sent any more. */
export function leaveOnePhase(world: World, { state }: StateFacts): void {
  if (state?.kind !== 'one-phase' || world.coordinators.facts(world.coordinator).kind === 'one-phase') {
    return;
  }
  const branch = branchOf(state.branch.bqual);
  const local = world.local(branch);
  const waits = get(local, Local.instance) === 1 && instanceNumber(state.branch.instance) === 0;
  if (waits && get(local, Local.callOpen) === 1) {
    const place = placeOf(branch) + 1;
    world.words[place] = (world.words[place] ?? 0) & ~ONE_PHASE_CALLS;
  }
  forgetCall(world, branch);
}

export function forgetCall(world: World, branch: number): void {
  world.setLocal(branch, Local.callOpen, 0);
  world.setLocal(branch, Local.callUnsent, 0);
}
