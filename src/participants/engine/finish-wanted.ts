// A command to finish a branch arrives. What is certain at once is done at once; everything else waits for whatever runs for the
// branch, and is decided by how it stands then (turn.ts).
import { unreachable } from '../../lib/assert.ts';
import { isSameEvidence, type Opening } from '../../xa/evidence.ts';
import type { FinishResult, Reason } from '../../xa/vocabulary.ts';
import { type Call, type CallName, findCall, type Stage } from './call.ts';
import { become, type Effect, ignore, impossible, type Step } from './effect.ts';
import type { CallEvent } from './event.ts';
import { INCOMPLETE, ROLLED_BACK } from './reasons.ts';
import { type Branch, holdsOther, type Unasked } from './state.ts';
import { END, rolledBack } from './unasked.ts';

type Wanted = Extract<CallEvent, { kind: 'finish-wanted' }>;

const WAITING: Stage = { kind: 'waiting' };
const NOTHING: readonly Effect[] = [];

export function finishWanted(branch: Branch, event: Wanted): Step {
  if (findCall(branch.calls, event) !== undefined) {
    return ignore(branch); // Its answer is on the way, once for both.
  }
  if (branch.state.kind === 'unknown') {
    // The command overtook the branch's first statement, or an earlier life held it: from now on that statement is refused (D9).
    const known = { state: { kind: 'left-to-engine', opening: undefined }, calls: branch.calls } as const;
    const step = byVerb(known, event);
    return { ...step, effects: [{ kind: 'remember' }, ...step.effects] };
  }
  return byVerb(branch, event);
}

function byVerb(branch: Branch, event: Wanted): Step {
  const { state } = branch;
  const isOther = holdsOther(state, event.evidence);
  switch (event.verb) {
    case 'commit':
      return wait(branch, event, isOther);
    case 'rollback':
      return isOther ? wait(branch, event, isOther) : rollback(branch, event);
    case 'commit-one-phase':
      return isOther || event.holder === 'another' ? onePhaseOfOther(branch, event) : onePhase(branch, event);
    default:
      return unreachable(event.verb);
  }
}

function rollback(branch: Branch, event: Wanted): Step {
  const { state } = branch;
  switch (state.kind) {
    case 'active':
    case 'asked':
    case 'announced':
      return endWith(branch, state, event, ROLLED_BACK, { kind: 'done' });
    case 'preparing':
    case 'preparing-superseded':
      return wait(branch, event, false, LIMIT_PREPARE);
    case 'prepared':
    case 'prepared-told-one-phase':
    case 'committing-one-phase':
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
    case 'unknown':
      return wait(branch, event, false);
    default:
      return unreachable(state);
  }
}

/** Nobody wants it prepared any more, and its last statement may wait for a lock for ever. */
const LIMIT_PREPARE: readonly Effect[] = [{ kind: 'limit-prepare' }];

function onePhase(branch: Branch, event: Wanted): Step {
  const { state } = branch;
  switch (state.kind) {
    case 'active':
      // Some of its statements may still be on their way (D3).
      return state.oneShot
        ? endWith(branch, state, event, INCOMPLETE, { kind: 'done-otherwise', proof: INCOMPLETE.message })
        : wait(become(branch, { kind: 'asked', opening: state.opening }, NOTHING), event, false);
    case 'announced':
      if (!isSameEvidence(event.evidence, state.evidence)) {
        return told(branch, event, state.evidence);
      }
      return wait(become(branch, { kind: 'committing-one-phase', opening: state.opening }, NOTHING), event, false, [
        { kind: 'stop-deadline' },
      ]);
    case 'asked':
    case 'committing-one-phase':
      return impossible(branch, 'a second call of one phase');
    case 'preparing':
    case 'preparing-superseded':
    case 'prepared':
    case 'prepared-told-one-phase':
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
    case 'unknown':
      return wait(branch, event, false);
    default:
      return unreachable(state);
  }
}

/** Also when it was announced before: the word may be lost. */
function told({ state, calls }: Branch, { verb, evidence }: Wanted, own: Wanted['evidence']): Step {
  return {
    state,
    calls,
    effects: [{ kind: 'answer', verb, evidence, answer: { kind: 'has-written', evidence: own } }],
  };
}

/**
 * Another opening is to be committed in one phase: one that another instance holds or held, or an earlier one. What is held here was
 * opened a second time, by a first statement that came twice, and must not be committed for it (D3): it goes first. What became of the
 * one that is meant is for the engine to say.
 */
function onePhaseOfOther(branch: Branch, event: Wanted): Step {
  const { state } = branch;
  switch (state.kind) {
    case 'active':
    case 'asked':
    case 'announced': {
      const calls = added(branch, event, { kind: 'session-ends-first' });
      return { state: rolledBack(state, ROLLED_BACK, 'participant'), calls, effects: [OPENED_TWICE, ...END] };
    }
    case 'preparing':
    case 'preparing-superseded':
      return removeFirst(branch, event, state.opening, [OPENED_TWICE, ...LIMIT_PREPARE]);
    case 'prepared':
    case 'prepared-told-one-phase':
    case 'committing-one-phase':
      return removeFirst(branch, event, state.opening, [OPENED_TWICE]);
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
    case 'unknown':
      return waitAs(branch, event, { kind: 'waiting-to-prove' }, false, NOTHING);
    default:
      return unreachable(state);
  }
}

const OPENED_TWICE: Effect = { kind: 'note', note: { kind: 'opened-twice' } };

function removeFirst(branch: Branch, event: Wanted, opening: Opening, before: readonly Effect[]): Step {
  return waitAs(branch, event, { kind: 'waiting-to-remove', opening }, false, before);
}

/** Rolled back at once, overtaking whatever runs; answered when its session has obeyed. */
function endWith(branch: Branch, state: Unasked, event: Wanted, reason: Reason, answer: FinishResult): Step {
  return {
    state: rolledBack(state, reason, 'participant'),
    calls: added(branch, event, { kind: 'session-ends', answer }),
    effects: END,
  };
}

function wait(branch: Branch, event: Wanted, isOther: boolean, before: readonly Effect[] = NOTHING): Step {
  return waitAs(branch, event, WAITING, isOther, before);
}

function waitAs(branch: Branch, event: Wanted, stage: Stage, isOther: boolean, before: readonly Effect[]): Step {
  const call: CallName = { verb: event.verb, evidence: event.evidence };
  // Another opening that is at work holds up nothing.
  const turn: Effect = { kind: 'wait-turn', call, queue: isOther ? 'opening' : 'branch' };
  return { state: branch.state, calls: added(branch, event, stage), effects: [...before, turn] };
}

function added({ calls }: Branch, { verb, evidence }: Wanted, stage: Stage): readonly Call[] {
  return [...calls, { verb, evidence, stage }];
}
