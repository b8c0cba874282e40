// Branches, effects and answers of the participant's engine as lines that people read: nothing that a step decides is left out.
import { unreachable } from '../../src/lib/assert.ts';
import type { Answer, Call, CallName } from '../../src/participants/engine/call.ts';
import type { Effect, Note, VoteTaking } from '../../src/participants/engine/effect.ts';
import {
  endedReason,
  heldAs,
  isMoving,
  isUnprepared,
  mayOpen,
  preparedEvidence,
  statementRefusal,
  voteOf,
} from '../../src/participants/engine/queries.ts';
import { type Branch, isEnded, type State } from '../../src/participants/engine/state.ts';
import { isSameEvidence, openingEvidence, openingOf, rowEvidence } from '../../src/xa/evidence.ts';
import type { Evidence, Reason, Vote } from '../../src/xa/vocabulary.ts';

/** What has changed, line by line; parts that are the very same objects have not. */
export function describeChange(before: Branch, after: Branch): string[] {
  const lines: string[] = [];
  if (before.state !== after.state) {
    const arrow = before.state.kind === after.state.kind ? '' : `${before.state.kind} -> `;
    lines.push(`${arrow}${describeState(after.state)}`);
  }
  if (before.calls !== after.calls) {
    lines.push(after.calls.length === 0 ? 'no calls' : `calls: ${after.calls.map(describeCall).join(', ')}`);
  }
  return lines;
}

export function describeState(state: State): string {
  switch (state.kind) {
    case 'unknown':
      return state.kind;
    case 'active':
      return `active ${shortOf(state.opening)}${state.oneShot ? ' one-shot' : ''}`;
    case 'asked':
    case 'committing-one-phase':
    case 'preparing':
    case 'preparing-superseded':
      return `${state.kind} ${shortOf(state.opening)}`;
    case 'announced':
      return `announced ${shortOf(state.opening)} by ${evidenceText(state.evidence)}`;
    case 'prepared':
    case 'prepared-told-one-phase':
      return `${state.kind} ${shortOf(state.opening)} by ${evidenceText(state.evidence)} since ${state.sinceMs}`;
    case 'rolled-back':
      return `rolled-back ${shortOf(state.opening)} by ${state.by} (${reasonText(state.reason)})`;
    case 'voted':
      return `voted ${shortOf(state.opening)}: ${voteText(state.vote)}`;
    case 'one-phase':
      return `one-phase ${shortOf(state.opening)}: ${answerText(state.result)}`;
    case 'left-to-engine':
      return `left-to-engine ${state.opening === undefined ? '-' : shortOf(state.opening)}`;
    default:
      return unreachable(state);
  }
}

export function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'open-session':
    case 'ask-one-phase':
    case 'commit-one-phase':
    case 'end-session':
    case 'end-prepare':
    case 'release-session':
    case 'list':
    case 'start-deadline':
    case 'limit-prepare':
    case 'stop-deadline':
    case 'remember':
      return `- ${effect.kind}`;
    case 'take-vote':
      return `- take-vote by ${voteTaking(effect.how)}`;
    case 'commit':
    case 'rollback':
    case 'probe':
      return `- engine ${effect.kind} ${evidenceText(effect.evidence)} for ${callText(effect.call)}`;
    case 'tell-opened':
      return `- tell opened ${shortOf(effect.opening)}${effect.soon ? ' soon' : ''}`;
    case 'vote':
      return `- tell vote ${voteText(effect.vote)}`;
    case 'answer':
      return `- answer ${callText(effect)}: ${answerText(effect.answer)}`;
    case 'damage':
      return `- tell damage of ${shortOf(effect.opening)}: ${effect.proof}`;
    case 'wait-turn':
      return `- ${callText(effect.call)} waits for its turn${effect.queue === 'opening' ? ' beside the branch' : ''}`;
    case 'note':
      return `- note ${noteText(effect.note)}`;
    default:
      return unreachable(effect);
  }
}

/** Everything that `queries.ts` tells of a branch; `own`: the evidence of the opening that it is asked about. */
export function describeQueries(branch: Branch, own: Evidence): string[] {
  const { state } = branch;
  const refusal = statementRefusal(state);
  const why = refusal?.kind === 'gone' && refusal.reason !== undefined ? ` (${reasonText(refusal.reason)})` : '';
  const ended = endedReason(state);
  const vote = voteOf(state);
  const prepared = preparedEvidence(state, own);
  const isListedMoving = [0, 100].map((atMs) => isMoving(branch, { evidence: own, atMs, reconcileMs: 100 }));
  return [
    `first statement: ${mayOpen(branch) ? 'opens it' : 'refused'}; ${isEnded(state) ? 'ended' : 'not ended'}`,
    `statements: ${refusal === undefined ? 'taken' : `${refusal.kind}${why}`}`,
    `a running statement: ${ended === undefined ? 'heard' : reasonText(ended)}`,
    `vote: ${vote === undefined ? '-' : voteText(vote)}`,
    `${isUnprepared(state) ? 'unprepared' : 'not unprepared'}; prepared by ${prepared === undefined ? '-' : evidenceText(prepared)}`,
    `to a coordinator that comes back: ${heldAs(branch, own) ?? 'nothing'}`,
    `listed: ${isListedMoving.map((moving) => (moving ? 'left out' : 'told')).join(', later ')}`,
  ];
}

export function evidenceText(evidence: Evidence): string {
  const opening = openingOf(evidence);
  if (opening === undefined) {
    return 'nothing';
  }
  if (isSameEvidence(evidence, rowEvidence(opening))) {
    return `row ${shortOf(opening)}`;
  }
  return isSameEvidence(evidence, openingEvidence(opening)) ? `opening ${shortOf(opening)}` : '?';
}

export function describeCall(call: Call): string {
  const { stage } = call;
  const answer = stage.kind === 'session-ends' ? ` for ${answerText(stage.answer)}` : '';
  const reason = stage.kind === 'keeping-to-no' ? ` (${reasonText(stage.reason)})` : '';
  const opening = 'opening' in stage ? ` ${shortOf(stage.opening)}` : '';
  return `${callText(call)} ${stage.kind}${answer}${reason}${opening}`;
}

function callText({ verb, evidence }: CallName): string {
  return `${verb} by ${evidenceText(evidence)}`;
}

function shortOf(opening: string): string {
  return opening.slice(0, 1);
}

function voteTaking(how: VoteTaking): string {
  return how.kind === 'refuse' ? `refusing (${reasonText(how.reason)})` : how.kind;
}

function voteText(vote: Vote): string {
  switch (vote.kind) {
    case 'prepared':
      return `prepared by ${evidenceText(vote.evidence)}`;
    case 'read-only':
      return 'read-only';
    case 'rollback':
      return `no (${reasonText(vote.reason)})`;
    default:
      return unreachable(vote);
  }
}

function answerText(answer: Answer): string {
  switch (answer.kind) {
    case 'done':
      return 'done';
    case 'done-otherwise':
      return `done-otherwise (${answer.proof})`;
    case 'has-written':
      return `has-written ${evidenceText(answer.evidence)}`;
    case 'rollback':
      return voteText(answer);
    case 'not-yet':
    case 'unknown':
    case 'unproven':
      return `${answer.kind} (${reasonText(answer.reason)})`;
    default:
      return unreachable(answer);
  }
}

function noteText(note: Note): string {
  switch (note.kind) {
    case 'commit-of-unprepared':
      return `${note.kind}: ${note.state}`;
    case 'lost':
      return `${note.kind}: ${reasonText(note.reason)}`;
    case 'opened-twice':
    case 'timeout':
    case 'prepare-overdue':
      return note.kind;
    default:
      return unreachable(note);
  }
}

function reasonText({ code, message }: Reason): string {
  return `${code}: ${message}`;
}
