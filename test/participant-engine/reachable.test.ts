// Every state that one branch can reach with up to two calls at a time, against every event: no surprise, and every step lawful.
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { AssertionError } from '../../src/lib/assert.ts';
import { type Call, type CallName, findCall, isSameCall } from '../../src/participants/engine/call.ts';
import type { Effect, Step } from '../../src/participants/engine/effect.ts';
import type { Event } from '../../src/participants/engine/event.ts';
import { isUnprepared } from '../../src/participants/engine/queries.ts';
import { type Branch, holdsOther, NO_CALLS, type State, UNKNOWN } from '../../src/participants/engine/state.ts';
import { step } from '../../src/participants/engine/step.ts';
import { rowEvidence } from '../../src/xa/evidence.ts';
import type { FinishResult, Vote } from '../../src/xa/vocabulary.ts';
import { NOTHING } from './nothing.ts';
import { describeCall, describeEffect, describeState } from './trace.ts';
import { opening, reason } from './words.ts';

const CALLS_MAX = 2;
const OWN = opening('a');
const EVIDENCE = [NOTHING, rowEvidence(OWN), rowEvidence(opening('b'))];
const REASON = reason('BRANCH_UNKNOWN');

/** Where each kind of state may lead. Nothing leads back to statements, from prepared to an end by anybody but the engine, or out of an end. */
const ENDS = ['rolled-back', 'voted', 'one-phase', 'left-to-engine'] as const;
const NEXT: Readonly<Record<State['kind'], readonly State['kind'][]>> = {
  unknown: ['unknown', 'active', 'left-to-engine'],
  active: ['active', 'asked', 'preparing', 'rolled-back', 'left-to-engine'],
  asked: ['asked', 'announced', 'preparing', 'one-phase', 'rolled-back', 'left-to-engine'],
  announced: ['announced', 'committing-one-phase', 'preparing', 'rolled-back', 'left-to-engine'],
  'committing-one-phase': ['committing-one-phase', 'one-phase'],
  preparing: ['preparing', 'preparing-superseded', 'prepared', 'voted', 'left-to-engine'],
  'preparing-superseded': ['preparing-superseded', 'voted', 'left-to-engine'],
  prepared: ['prepared', 'prepared-told-one-phase', 'left-to-engine'],
  'prepared-told-one-phase': ['prepared-told-one-phase', 'left-to-engine'],
  'rolled-back': ['rolled-back'],
  voted: ['voted'],
  'one-phase': ['one-phase'],
  'left-to-engine': ['left-to-engine'],
};

const RESULTS: readonly FinishResult[] = [
  { kind: 'done' },
  { kind: 'done-otherwise', proof: 'proof' },
  { kind: 'not-yet', reason: REASON },
  { kind: 'unknown', reason: REASON },
  { kind: 'unproven', reason: REASON },
];
const VOTES: readonly Vote[] = [
  { kind: 'prepared', evidence: rowEvidence(OWN) },
  { kind: 'read-only' },
  { kind: 'rollback', reason: REASON },
];

function universe(): readonly Event[] {
  const calls = (['commit', 'rollback', 'commit-one-phase'] as const).flatMap((verb) =>
    EVIDENCE.map((evidence): CallName => ({ verb, evidence })),
  );
  const flags = [true, false];
  return [
    ...flags.flatMap((oneShot) => flags.map((named): Event => ({ kind: 'open', opening: OWN, oneShot, named }))),
    { kind: 'last-statement' },
    { kind: 'vote-wanted', by: 'client' },
    { kind: 'vote-wanted', by: 'coordinator' },
    ...VOTES.map((vote): Event => ({ kind: 'vote-taken', vote, damage: undefined, nowMs: 0 })),
    { kind: 'vote-taken', vote: { kind: 'rollback', reason: REASON }, damage: 'proof', nowMs: 0 },
    ...RESULTS.map((answer): Event => ({ kind: 'session-answered', answer })),
    { kind: 'session-answered', answer: { kind: 'has-written', evidence: rowEvidence(OWN) } },
    { kind: 'session-ended' },
    { kind: 'session-lost', reason: REASON },
    { kind: 'damaged', reason: REASON, proof: 'proof' },
    { kind: 'deadline' },
    { kind: 'prepare-overdue' },
    { kind: 'newer-life', reason: REASON },
    { kind: 'stop', reason: REASON },
    { kind: 'not-listed', listedMs: 0 },
    { kind: 'not-listed', listedMs: 1 },
    { kind: 'listed', prepared: [] },
    { kind: 'listed', prepared: [rowEvidence(OWN)] },
    { kind: 'list-failed', reason: REASON },
    ...calls.flatMap((call): Event[] => [
      ...(['this', 'another', 'not-known'] as const).map(
        (holder): Event => ({ kind: 'finish-wanted', ...call, holder }),
      ),
      { kind: 'turn', call },
      ...RESULTS.map((result): Event => ({ kind: 'finished', call, result })),
      ...(['committed', 'rolled-back', 'prepared', 'active', 'unproven'] as const).map(
        (proof): Event => ({ kind: 'probed', call, proof }),
      ),
      { kind: 'probe-failed', call, reason: REASON },
    ]),
  ];
}

/** Events that only a bug of the runtime can send, as step.ts lists its duties: the engine stops the process. */
function isImpossible({ state, calls }: Branch, event: Event): boolean {
  const stage = 'call' in event ? findCall(calls, event.call)?.stage.kind : undefined;
  switch (event.kind) {
    case 'open':
      return state.kind !== 'unknown' || calls.length > 0;
    case 'vote-taken':
      return state.kind !== 'preparing' && state.kind !== 'preparing-superseded';
    case 'session-answered':
      return !isAtSession(calls) || (event.answer.kind === 'has-written' && state.kind === 'committing-one-phase');
    case 'session-ended':
      return !isEnded(state);
    case 'turn':
      return stage === 'waiting'
        ? isTooEarly(state, event.call)
        : stage !== 'waiting-to-remove' && stage !== 'waiting-to-prove';
    case 'finished':
      return !['at-engine', 'keeping-to-no', 'removing', 'committing-found'].includes(stage ?? '');
    case 'probed':
    case 'probe-failed':
      return stage !== 'probing';
    default:
      return false;
  }
}

function isAtSession(calls: readonly Call[]): boolean {
  return calls.some(({ stage }) => stage.kind === 'at-session');
}

/** The queue of the branch: a rollback comes behind its prepare and its commit in one phase. */
function isTooEarly(state: State, { verb, evidence }: CallName): boolean {
  return verb === 'rollback' && isUnprepared(state) && !holdsOther(state, evidence);
}

/** What the queue of the branch keeps from happening, whatever the engine would do with it. */
function isOutOfTurn({ state, calls }: Branch, event: Event): boolean {
  switch (event.kind) {
    case 'vote-taken':
    case 'damaged':
      return isAtSession(calls); // The session answers one after the other, and statements come before one phase.
    case 'turn':
      // What is removed is removed behind its prepare or its commit.
      return isUnprepared(state) && findCall(calls, event.call)?.stage.kind === 'waiting-to-remove';
    default:
      return false;
  }
}

function explore(events: readonly Event[]): number {
  const first: Branch = { state: UNKNOWN, calls: NO_CALLS };
  const seen = new Set([JSON.stringify(first)]);
  const queue: Branch[] = [first];
  for (let branch = queue.pop(); branch !== undefined; branch = queue.pop()) {
    for (const event of events) {
      const next = isOutOfTurn(branch, event) ? undefined : tryStep(branch, event);
      if (next === undefined || next.calls.length > CALLS_MAX) {
        continue;
      }
      checkStep(branch, event, next);
      const after = { state: next.state, calls: next.calls };
      const key = JSON.stringify(after);
      if (!seen.has(key)) {
        seen.add(key);
        check(
          isDeepStrictEqual(withoutUndefined(after), JSON.parse(key)),
          branch,
          event,
          'the state is more than JSON',
        );
        queue.push(after);
      }
    }
  }
  return seen.size;
}

function tryStep(branch: Branch, event: Event): Step | undefined {
  try {
    const next = step(branch, event);
    check(!isImpossible(branch, event), branch, event, 'is impossible, and was taken');
    return next;
  } catch (error) {
    if (error instanceof AssertionError && isImpossible(branch, event)) {
      return undefined;
    }
    throw new Error(`${describe(branch)}, ${JSON.stringify(event)}: ${String(error)}`, { cause: error });
  }
}

function checkStep(before: Branch, event: Event, after: Step): void {
  const fact = (holds: boolean, message: string): void => check(holds, before, event, message);
  const { effects } = after;
  fact(NEXT[before.state.kind].includes(after.state.kind), `leads to ${after.state.kind}`);
  fact(
    new Set(after.calls.map(({ verb, evidence }) => `${verb} ${JSON.stringify(evidence)}`)).size === after.calls.length,
    'a call is there twice',
  );
  const hasEnded = !isEnded(before.state) && isEnded(after.state);
  fact(!hasEnded || effects.some(({ kind }) => kind === 'remember'), 'ends, and is not remembered');
  const isTold = (call: CallName): boolean =>
    effects.some((effect) => effect.kind === 'answer' && isSameCall(effect, call));
  for (const call of before.calls) {
    fact(
      findCall(after.calls, call) !== undefined || isTold(call),
      `${describeCall(call)} is dropped without an answer`,
    );
  }
  for (const effect of effects) {
    fact(isLawful(effect, before, event, after), `asks for ${describeEffect(effect)}`);
  }
}

function isEnded(state: State): boolean {
  return (ENDS as readonly string[]).includes(state.kind);
}

function isLawful(effect: Effect, before: Branch, event: Event, { state, calls }: Step): boolean {
  switch (effect.kind) {
    case 'tell-opened':
    case 'open-session':
    case 'start-deadline':
      return before.state.kind === 'unknown' && state.kind === 'active';
    case 'take-vote':
      return state.kind === 'preparing' && before.state.kind !== 'preparing';
    case 'ask-one-phase':
      return state.kind === 'asked';
    case 'commit-one-phase': // D5: after it has announced its evidence.
      return state.kind === 'committing-one-phase' && before.state.kind === 'committing-one-phase';
    case 'end-session': // D3: only what nobody asked for its vote is certain to be rolled back.
      return ['active', 'asked', 'announced'].includes(before.state.kind) && isEnded(state);
    case 'end-prepare':
    case 'limit-prepare':
      return state.kind === 'preparing' || state.kind === 'preparing-superseded';
    case 'release-session':
      return ['vote-taken', 'session-answered', 'session-ended'].includes(event.kind);
    case 'stop-deadline':
      return before.state !== state;
    case 'vote':
      return isLawfulVote(effect.vote, before, event, state);
    case 'commit':
    case 'rollback':
    case 'probe': {
      const isOwn = !holdsOther(state, effect.evidence) && effect.evidence !== NOTHING;
      return findCall(calls, effect.call) !== undefined && (effect.kind !== 'commit' || !isOwn || !isUnprepared(state));
    }
    case 'answer':
      return (
        effect.answer.kind !== 'done' ||
        isEnded(state) ||
        effect.verb === 'rollback' ||
        holdsOther(state, effect.evidence) ||
        event.kind === 'probed' ||
        event.kind === 'finished'
      );
    case 'damage':
      return state.kind === 'left-to-engine';
    case 'remember':
      return isEnded(state);
    case 'wait-turn':
      return findCall(calls, effect.call) !== undefined;
    case 'list':
      return state.kind === 'left-to-engine';
    case 'note':
      return true;
  }
}

/** D3: yes is told only of what its engine has confirmed. D5: none is told of what may be committed in one phase. */
function isLawfulVote(vote: Vote, before: Branch, event: Event, state: State): boolean {
  if (event.kind === 'listed' || event.kind === 'list-failed') {
    return isEnded(state);
  }
  const isOnePhase = state.kind === 'one-phase' || state.kind === 'committing-one-phase';
  return vote.kind === 'prepared'
    ? event.kind === 'vote-taken' || before.state.kind === 'prepared' || before.state.kind === 'prepared-told-one-phase'
    : isEnded(state) && !isOnePhase;
}

function withoutUndefined(value: Branch): unknown {
  const { state, calls } = value;
  return state.kind === 'left-to-engine' && state.opening === undefined
    ? { state: { kind: state.kind }, calls }
    : value;
}

function describe({ state, calls }: Branch): string {
  return `${describeState(state)}; ${calls.map(describeCall).join(', ')}`;
}

function check(holds: boolean, branch: Branch, event: Event, message: string): void {
  if (!holds) {
    throw new Error(`${describe(branch)}\n  ${JSON.stringify(event)}\n  ${message}`);
  }
}

test('every event in every state is lawful', { timeout: 120_000 }, () => {
  const branches = explore(universe());
  console.info(`${branches} branches`);
  expect(branches).toBeGreaterThan(500);
});
