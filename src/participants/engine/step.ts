// The participant's half of the protocol: one function from what is known of a branch and what happens to it, to what is known then and
// what has to be done. No clock, no I/O, no promise; expected cases are never thrown.
import { unreachable } from '../../lib/assert.ts';
import type { Step } from './effect.ts';
import { stepEnded } from './ended.ts';
import type { BranchEvent, Event } from './event.ts';
import { finishWanted } from './finish-wanted.ts';
import { stepCommittingOnePhase } from './one-phase.ts';
import { stepPrepared } from './prepared.ts';
import { stepPreparing } from './preparing.ts';
import { finished, probed, probeFailed } from './results.ts';
import type { Branch } from './state.ts';
import { turn } from './turn.ts';
import { stepUnasked } from './unasked.ts';
import { stepUnknown } from './unknown.ts';

/**
 * How it is driven. A branch that nothing is known of is `{ state: UNKNOWN, calls: NO_CALLS }`. A step is itself the branch as it stands
 * next, with the effects to be carried out in their order. What an effect leads to comes back as an event, which its comment names.
 *
 * The driver owes this:
 * - One opening after the other: `open` happens only to an unknown branch. Session events, timers, votes and lists happen to the opening
 *   that they were asked for, never to a later one of the name.
 * - The queue of a branch: `open-session`, statements, `take-vote` and the turns of calls with `queue: 'branch'` run one at a time and in
 *   the order in which they were asked for. A turn lasts until its call is answered or asks for another turn. `end-session` begins at
 *   once, and what is queued later waits for it, too. Turns with `queue: 'opening'` have a queue for each such opening.
 * - Statements: `statementRefusal` (queries.ts) tells before each whether the branch takes it, and `endedReason` before and behind its
 *   execution whether the branch has ended meanwhile. Which number comes next is the driver's.
 * - Time is only what events bring (D10): `vote-taken` and `not-listed` carry readings of one monotonic clock.
 *
 * An event that can only be a bug of the driver fails an assertion: it must not go on guessing.
 */
export function step(branch: Branch, event: Event): Step {
  switch (event.kind) {
    case 'finish-wanted':
      return finishWanted(branch, event);
    case 'turn':
      return turn(branch, event.call);
    case 'finished':
      return finished(branch, event);
    case 'probed':
      return probed(branch, event.call, event.proof);
    case 'probe-failed':
      return probeFailed(branch, event.call, event.reason);
    default:
      return stepState(branch, event);
  }
}

function stepState({ state, calls }: Branch, event: BranchEvent): Step {
  switch (state.kind) {
    case 'unknown':
      return stepUnknown({ state, calls }, event);
    case 'active':
    case 'asked':
    case 'announced':
      return stepUnasked({ state, calls }, event);
    case 'committing-one-phase':
      return stepCommittingOnePhase({ state, calls }, event);
    case 'preparing':
    case 'preparing-superseded':
      return stepPreparing({ state, calls }, event);
    case 'prepared':
    case 'prepared-told-one-phase':
      return stepPrepared({ state, calls }, event);
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
      return stepEnded({ state, calls }, event);
    default:
      return unreachable(state);
  }
}
