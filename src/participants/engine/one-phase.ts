// One phase: the branch commits without a record of the coordinator's, so that whoever tells it to must be able to prove the commit
// afterwards, whoever dies. For a branch that has written, step by step:
//   1. the coordinator asks, without evidence: the session is asked whether it has written (asked)
//   2. it has: the participant announces the evidence, and can still roll the branch back (announced)
//   3. the coordinator tells it to commit, with that evidence: from now on nothing else may end it (committing-one-phase)
//   4. the engine answers: that is the outcome (one-phase)
// If the word of 2 or of 3 is lost, the coordinator asks again and hears the evidence again. If the answer of 4 is lost, any participant
// of the resource proves the end by the evidence.
import { assert } from '../../lib/assert.ts';
import type { Opening } from '../../xa/evidence.ts';
import type { FinishResult } from '../../xa/vocabulary.ts';
import { type OnePhaseAnswer, withoutCall } from './call.ts';
import { type Effect, ignore, impossible, type Step } from './effect.ts';
import type { BranchEvent } from './event.ts';
import type { Branch, BranchIn, CommittingOnePhase, State } from './state.ts';

export function stepCommittingOnePhase(branch: BranchIn<CommittingOnePhase>, event: BranchEvent): Step {
  switch (event.kind) {
    case 'session-answered':
      return event.answer.kind === 'has-written'
        ? impossible(branch, event.kind)
        : endOnePhase(branch, branch.state.opening, event.answer, []);
    case 'open':
    case 'vote-taken':
    case 'session-ended':
      return impossible(branch, event.kind);
    case 'vote-wanted': // It may be committed; a vote could only mislead.
    case 'session-lost': // The answer of the session tells what is known of it.
    case 'last-statement':
    case 'damaged':
    case 'deadline': // The commit may be on its way and cannot be called back (D2).
    case 'stop':
    case 'newer-life':
    case 'prepare-overdue':
    case 'not-listed':
    case 'listed':
    case 'list-failed':
      return ignore(branch);
  }
}

/** As the session answered, which serves it no more. */
export function endOnePhase(branch: Branch, opening: Opening, result: FinishResult, before: readonly Effect[]): Step {
  const step = answerOnePhase(branch, { kind: 'one-phase', opening, result }, result);
  return { ...step, effects: [...before, { kind: 'release-session' }, { kind: 'remember' }, ...step.effects] };
}

/** Whoever waits for the session's answer hears this. */
export function answerOnePhase({ calls }: Branch, state: State, answer: OnePhaseAnswer): Step {
  const call = calls.find(({ stage }) => stage.kind === 'at-session');
  assert(call !== undefined, 'a session answers whoever has asked it');
  const { verb, evidence } = call;
  return { state, calls: withoutCall(calls, call), effects: [{ kind: 'answer', verb, evidence, answer }] };
}
