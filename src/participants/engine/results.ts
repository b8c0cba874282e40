// The engine has answered a call: what that means for the branch, and what the coordinator hears. There is no generic error.
import { assert, unreachable } from '../../lib/assert.ts';
import { formatEvidence, openingEvidence } from '../../xa/evidence.ts';
import type { BranchProof, Evidence, FinishResult, Reason } from '../../xa/vocabulary.ts';
import { type Call, type CallName, findCall, isOver, withStage } from './call.ts';
import { type Effect, impossible, type Step } from './effect.ts';
import type { CallEvent } from './event.ts';
import { NO_PROOF, UNPREPARED } from './reasons.ts';
import { type Branch, holdsOther, type State } from './state.ts';
import { answered, atEngine } from './turn.ts';

type Finished = Extract<CallEvent, { kind: 'finished' }>;

export function finished(branch: Branch, event: Finished): Step {
  const { result } = event;
  const call = atWork(branch, event.call);
  const { stage } = call;
  switch (stage.kind) {
    case 'at-engine':
      return ended(branch, call, call.evidence, result, result);
    case 'keeping-to-no':
      return ended(branch, call, call.evidence, result, turnedRound(result, stage.reason));
    case 'removing':
      return removed(branch, call, openingEvidence(stage.opening), result);
    case 'committing-found':
      return answered(branch, call, result);
    case 'waiting':
    case 'waiting-to-remove':
    case 'waiting-to-prove':
    case 'session-ends':
    case 'session-ends-first':
    case 'at-session':
    case 'probing':
      return impossible(branch, event.kind);
    default:
      return unreachable(stage);
  }
}

export function probed(branch: Branch, name: CallName, proof: BranchProof): Step {
  const call = beingProbed(branch, name);
  switch (proof) {
    case 'committed':
      return answered(branch, call, { kind: 'done' });
    case 'rolled-back':
      return answered(branch, call, {
        kind: 'done-otherwise',
        proof: `the engine shows it rolled back, by ${formatEvidence(call.evidence)}`,
      });
    case 'prepared':
      return atEngine(branch, call, { kind: 'committing-found' }, 'commit', call.evidence);
    case 'active':
      return answered(branch, call, { kind: 'not-yet', reason: UNPREPARED });
    case 'unproven':
      return answered(branch, call, { kind: 'unproven', reason: NO_PROOF });
    default:
      return unreachable(proof);
  }
}

export function probeFailed(branch: Branch, name: CallName, reason: Reason): Step {
  return answered(branch, beingProbed(branch, name), { kind: 'unknown', reason });
}

function beingProbed(branch: Branch, name: CallName): Call {
  const call = atWork(branch, name);
  assert(call.stage.kind === 'probing', 'only what was asked for is proven');
  return call;
}

function atWork({ calls }: Branch, name: CallName): Call {
  const call = findCall(calls, name);
  assert(call !== undefined, 'a call is there until it is answered');
  return call;
}

/** Of a branch that this participant has voted no on. */
function turnedRound(result: FinishResult, reason: Reason): FinishResult {
  switch (result.kind) {
    case 'done':
      return { kind: 'done-otherwise', proof: `it voted no: ${reason.message}` };
    case 'done-otherwise':
      return { kind: 'done' }; // By hand, then; nobody of ours has committed it.
    case 'not-yet':
    case 'unknown':
    case 'unproven':
      return result;
    default:
      return unreachable(result);
  }
}

function ended(branch: Branch, call: Call, meant: Evidence, result: FinishResult, answer: FinishResult): Step {
  return isOver(result) && !holdsOther(branch.state, meant)
    ? answered({ state: left(branch), calls: branch.calls }, call, answer, REMEMBER)
    : answered(branch, call, answer);
}

/** The second opening is gone, or its engine did not say so; either way the one that is meant is asked for. */
function removed(branch: Branch, call: Call, own: Evidence, result: FinishResult): Step {
  const isGone = isOver(result) && !holdsOther(branch.state, own);
  const name = { verb: call.verb, evidence: call.evidence };
  const wait: Effect = { kind: 'wait-turn', call: name, queue: 'branch' };
  return {
    state: isGone ? left(branch) : branch.state,
    calls: withStage(branch.calls, name, { kind: 'waiting-to-prove' }),
    effects: isGone ? [...REMEMBER, wait] : [wait],
  };
}

const REMEMBER: readonly Effect[] = [{ kind: 'remember' }];

/** D6: its engine has proven an end. From now on only the engine knows, also of a branch that was never held here (D9). */
function left(branch: Branch): State {
  const { state } = branch;
  switch (state.kind) {
    case 'prepared':
    case 'prepared-told-one-phase':
      return { kind: 'left-to-engine', opening: state.opening };
    case 'unknown':
      return { kind: 'left-to-engine', opening: undefined };
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
      return state;
    case 'active':
    case 'asked':
    case 'announced':
    case 'preparing':
    case 'preparing-superseded':
    case 'committing-one-phase':
      return impossible(branch, 'the end of phase two');
    default:
      return unreachable(state);
  }
}
