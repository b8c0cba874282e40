// Ended: the branch has left the table, and what is remembered of it answers what comes late or again (D9). Nothing opens it once more.
import { unreachable } from '../../lib/assert.ts';
import { openingOf } from '../../xa/evidence.ts';
import type { Evidence, Reason, Vote } from '../../xa/vocabulary.ts';
import { withoutCall, withStage } from './call.ts';
import { does, type Effect, ignore, impossible, type Step } from './effect.ts';
import type { BranchEvent } from './event.ts';
import { answerOnePhase } from './one-phase.ts';
import { NEITHER_HELD_NOR_LISTED } from './reasons.ts';
import type { Branch, BranchIn, Ended, RolledBack } from './state.ts';

export function stepEnded(branch: BranchIn<Ended>, event: BranchEvent): Step {
  const { state } = branch;
  switch (event.kind) {
    case 'vote-wanted':
      return event.by === 'coordinator' ? voteAgain(branch, state) : ignore(branch);
    case 'listed':
      return does(branch, [{ kind: 'vote', vote: voteByList(event.prepared) }]);
    case 'list-failed':
      return does(branch, [{ kind: 'vote', vote: no(event.reason) }]);
    case 'session-ended':
      return sessionEnded(branch);
    case 'session-answered':
      // 1. it was asked for one phase · 2. its session was, too · 3. it was rolled back under that · 4. the session answers, whatever.
      return state.kind === 'rolled-back'
        ? answerOnePhase(branch, state, { kind: 'done-otherwise', proof: proofOf(state) })
        : impossible(branch, event.kind);
    case 'open':
    case 'vote-taken':
      return impossible(branch, event.kind);
    case 'last-statement':
    case 'session-lost':
    case 'damaged':
    case 'deadline':
    case 'prepare-overdue':
    case 'newer-life':
    case 'stop':
    case 'not-listed':
      return ignore(branch);
  }
}

function voteAgain(branch: Branch, state: Ended): Step {
  switch (state.kind) {
    case 'voted':
      return does(branch, [{ kind: 'vote', vote: state.vote }]);
    case 'rolled-back':
      return does(branch, [{ kind: 'vote', vote: no(state.reason) }]);
    case 'one-phase':
      return ignore(branch); // It may be committed; a vote could only mislead.
    case 'left-to-engine':
      return does(branch, [{ kind: 'list' }]);
    default:
      return unreachable(state);
  }
}

/** Of two openings nobody can say which is the client's work, so that neither gets a yes; nor does one whose commit could not be proven. */
function voteByList([evidence, second]: readonly Evidence[]): Vote {
  return evidence === undefined || second !== undefined || openingOf(evidence) === undefined
    ? no(NEITHER_HELD_NOR_LISTED)
    : { kind: 'prepared', evidence };
}

function no(reason: Reason): Vote {
  return { kind: 'rollback', reason };
}

export function proofOf({ reason }: RolledBack): string {
  return `the participant rolled it back: ${reason.message}`;
}

/** Calls that wait for it are answered, or go on. */
function sessionEnded(branch: Branch): Step {
  let { calls } = branch;
  const effects: Effect[] = [{ kind: 'release-session' }];
  for (const { verb, evidence, stage } of branch.calls) {
    const call = { verb, evidence };
    if (stage.kind === 'session-ends') {
      calls = withoutCall(calls, call);
      effects.push({ kind: 'answer', verb, evidence, answer: stage.answer });
    } else if (stage.kind === 'session-ends-first') {
      calls = withStage(calls, call, { kind: 'waiting-to-prove' });
      effects.push({ kind: 'wait-turn', call, queue: 'branch' });
    }
  }
  return { state: branch.state, calls, effects };
}
