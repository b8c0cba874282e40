// A call has its turn: nothing else runs for the branch, and how it stands now decides.
import { assert, unreachable } from '../../lib/assert.ts';
import { eitherEvidence, isSameEvidence, openingEvidence, openingOf } from '../../xa/evidence.ts';
import type { Evidence, Reason } from '../../xa/vocabulary.ts';
import { type Answer, type Call, type CallName, findCall, isOver, type Stage, withoutCall, withStage } from './call.ts';
import { type Effect, impossible, type Step } from './effect.ts';
import { proofOf } from './ended.ts';
import { ASKED_TO_VOTE, NOT_HELD, UNPREPARED } from './reasons.ts';
import { type Branch, holdsOther, type Prepared, type PreparedToldOnePhase } from './state.ts';

const AT_ENGINE: Stage = { kind: 'at-engine' };
const AT_SESSION: Stage = { kind: 'at-session' };
const PROBING: Stage = { kind: 'probing' };

export function turn(branch: Branch, name: CallName): Step {
  const call = findCall(branch.calls, name);
  assert(call !== undefined, 'a call that has its turn is there until it is answered');
  switch (call.stage.kind) {
    case 'waiting':
      return decide(branch, call);
    case 'waiting-to-remove': {
      const { opening } = call.stage;
      return atEngine(branch, call, { kind: 'removing', opening }, 'rollback', openingEvidence(opening));
    }
    case 'waiting-to-prove':
      return prove(branch, call);
    case 'session-ends':
    case 'session-ends-first':
    case 'at-session':
    case 'at-engine':
    case 'keeping-to-no':
    case 'removing':
    case 'probing':
    case 'committing-found':
      return impossible(branch, `a call has its turn once, this one is ${call.stage.kind}`);
    default:
      return unreachable(call.stage);
  }
}

function decide(branch: Branch, call: Call): Step {
  switch (call.verb) {
    case 'commit':
      return commit(branch, call);
    case 'rollback':
      return rollback(branch, call);
    case 'commit-one-phase':
      return onePhase(branch, call);
    default:
      return unreachable(call.verb);
  }
}

function commit(branch: Branch, call: Call): Step {
  const { state } = branch;
  if (holdsOther(state, call.evidence)) {
    return atEngine(branch, call, AT_ENGINE, 'commit', call.evidence);
  }
  switch (state.kind) {
    case 'active':
    case 'asked':
    case 'announced':
    case 'preparing':
    case 'preparing-superseded':
    case 'committing-one-phase':
      // D3: its vote was never given. Committing now would commit half of a transaction.
      return answered(branch, call, { kind: 'not-yet', reason: UNPREPARED }, [
        { kind: 'note', note: { kind: 'commit-of-unprepared', state: state.kind } },
      ]);
    case 'prepared':
    case 'prepared-told-one-phase':
      return atEngine(branch, call, AT_ENGINE, 'commit', eitherEvidence(call.evidence, state.evidence));
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
    case 'unknown':
      return atEngine(branch, call, AT_ENGINE, 'commit', call.evidence);
    default:
      return unreachable(state);
  }
}

function rollback(branch: Branch, call: Call): Step {
  const { state } = branch;
  if (holdsOther(state, call.evidence)) {
    return atEngine(branch, call, AT_ENGINE, 'rollback', call.evidence);
  }
  switch (state.kind) {
    case 'prepared':
    case 'prepared-told-one-phase':
      return atEngine(branch, call, AT_ENGINE, 'rollback', eitherEvidence(call.evidence, state.evidence));
    case 'rolled-back':
    case 'voted':
    case 'one-phase':
    case 'left-to-engine':
    case 'unknown':
      return atEngine(branch, call, AT_ENGINE, 'rollback', call.evidence);
    case 'active':
    case 'asked':
    case 'announced':
    case 'preparing':
    case 'preparing-superseded':
    case 'committing-one-phase':
      return impossible(branch, 'the turn of a rollback'); // What is not prepared ends at once, or before this turn.
    default:
      return unreachable(state);
  }
}

function onePhase(branch: Branch, call: Call): Step {
  const { state } = branch;
  switch (state.kind) {
    case 'asked':
      return next(branch, call, AT_SESSION, { kind: 'ask-one-phase' });
    case 'committing-one-phase':
      // D5: it has announced its evidence, and was told with it.
      return next(branch, call, AT_SESSION, { kind: 'commit-one-phase' });
    case 'preparing':
    case 'preparing-superseded':
      // 1. it was asked for one phase, behind a statement · 2. it was asked for its vote, which comes behind this turn and tells more.
      return answered(branch, call, { kind: 'unknown', reason: ASKED_TO_VOTE });
    case 'prepared':
    case 'prepared-told-one-phase':
      return commitPrepared(branch, state, call);
    case 'rolled-back':
      return answered(branch, call, { kind: 'done-otherwise', proof: proofOf(state) });
    case 'voted':
      // Its no was told, and may have been passed on: even if the engine holds the branch prepared, it must not commit (D5).
      return state.vote.kind === 'rollback'
        ? atEngine(branch, call, keepingToNo(state.vote.reason), 'rollback', call.evidence)
        : answered(branch, call, { kind: 'done' });
    case 'one-phase':
      return isOver(state.result) ? answered(branch, call, state.result) : prove(branch, call);
    case 'left-to-engine':
    case 'unknown':
      return prove(branch, call);
    case 'active':
    case 'announced':
      return impossible(branch, 'the turn of one phase'); // An active branch is asked, and one that has announced is told, before it waits.
    default:
      return unreachable(state);
  }
}

/** The commit request overtook the vote of the branch's last statement. */
function commitPrepared(branch: Branch, state: Prepared | PreparedToldOnePhase, call: Call): Step {
  const { opening, evidence, sinceMs } = state;
  if (!isSameEvidence(call.evidence, evidence)) {
    return answered(branch, call, { kind: 'has-written', evidence });
  }
  const told: PreparedToldOnePhase = { kind: 'prepared-told-one-phase', opening, evidence, sinceMs };
  return atEngine({ state: told, calls: branch.calls }, call, AT_ENGINE, 'commit', evidence);
}

/** One phase of a branch that this life does not hold: its engine says how it ended, or that it cannot say. */
function prove(branch: Branch, call: Call): Step {
  return openingOf(call.evidence) === undefined
    ? answered(branch, call, { kind: 'rollback', reason: NOT_HELD })
    : atEngine(branch, call, PROBING, 'probe', call.evidence);
}

function keepingToNo(reason: Reason): Stage {
  return { kind: 'keeping-to-no', reason };
}

export function atEngine(
  branch: Branch,
  { verb, evidence: named }: CallName,
  stage: Stage,
  kind: 'commit' | 'rollback' | 'probe',
  evidence: Evidence,
): Step {
  const call = { verb, evidence: named };
  return next(branch, call, stage, { kind, call, evidence });
}

function next({ state, calls }: Branch, call: CallName, stage: Stage, effect: Effect): Step {
  return { state, calls: withStage(calls, call, stage), effects: [effect] };
}

export function answered(
  { state, calls }: Branch,
  { verb, evidence }: CallName,
  answer: Answer,
  before: readonly Effect[] = [],
): Step {
  const call = { verb, evidence };
  return { state, calls: withoutCall(calls, call), effects: [...before, { kind: 'answer', verb, evidence, answer }] };
}
