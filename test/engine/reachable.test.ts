// Every state that one branch and a stray, or two branches, can reach, against every event: no surprise, and every step lawful.

import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import type { Effect, Event, Step } from '../../src/coordinator/engine/event.ts';
import type { FinishingBranch, State } from '../../src/coordinator/engine/state.ts';
import { openTransaction } from '../../src/coordinator/engine/state.ts';
import { step } from '../../src/coordinator/engine/step.ts';
import { AssertionError } from '../../src/lib/assert.ts';
import { isSameEvidence } from '../../src/xa/evidence.ts';
import { ATTEMPTS_MAX, attemptsOf, universe } from './model/universe.ts';
import { GTRID } from './model/world.ts';
import { describeEvent, describeState, told } from './trace.ts';

/** Where each kind of state may lead. Nothing leaves a decision, and a rollback that ended is only taken up again for damage. */
const NEXT: Readonly<Record<State['kind'], readonly State['kind'][]>> = {
  active: ['active', 'preparing', 'one-phase', 'deciding', 'rolling-back', 'completed'],
  preparing: ['preparing', 'deciding', 'rolling-back', 'completed'],
  'one-phase': ['one-phase', 'completed'],
  deciding: ['deciding', 'committing'],
  committing: ['committing', 'completed'],
  'rolling-back': ['rolling-back', 'completed'],
  completed: ['completed', 'rolling-back'],
};

/** Events that only a bug of the driver can send: the engine stops the process. */
function isImpossible(state: State, event: Event): boolean {
  switch (event.kind) {
    case 'decision-durable':
      return state.kind === 'active' || state.kind === 'preparing' || state.kind === 'rolling-back';
    case 'operator-vouched':
      return state.kind === 'active' || state.kind === 'preparing';
    case 'damage-durable':
      return (
        state.kind === 'active' ||
        state.kind === 'preparing' ||
        ((state.kind === 'committing' || state.kind === 'rolling-back') &&
          branch(state, event.bqual)?.status.kind !== 'recording-damage')
      );
    default:
      return false;
  }
}

function explore(events: readonly Event[]): number {
  const first = openTransaction(GTRID);
  const seen = new Set([JSON.stringify(first)]);
  const queue: State[] = [first];
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    for (const event of events) {
      const next = tryStep(state, event);
      if (next === undefined) {
        continue;
      }
      checkStep(state, event, next);
      if (next.state === state || attemptsOf(next.state) > ATTEMPTS_MAX) {
        continue;
      }
      const key = JSON.stringify(next.state);
      if (!seen.has(key)) {
        checkData(state, event, next.state, key);
        seen.add(key);
        queue.push(next.state);
      }
    }
  }
  return seen.size;
}

function tryStep(state: State, event: Event): Step<State> | undefined {
  try {
    const next = step(state, event);
    check(!isImpossible(state, event), state, event, 'is impossible, and was taken');
    return next;
  } catch (error) {
    if (error instanceof AssertionError && isImpossible(state, event)) {
      return undefined;
    }
    throw new Error(`${describeState(state)}, ${describeEvent(event)}: ${String(error)}`, { cause: error });
  }
}

function checkStep(before: State, event: Event, { state, effects }: Step<State>): void {
  const fact = (holds: boolean, message: string): void => check(holds, before, event, message);
  fact(NEXT[before.kind].includes(state.kind), `leads to ${state.kind}`);
  const [was, is] = [told(before), told(state)];
  fact(
    was === undefined || was === is || is === 'mixed' || (was === 'committed' && is === 'hazard'),
    `${was} is ${is}`,
  );
  if (before.kind === 'completed' && state.kind === 'rolling-back') {
    fact(before.decision === 'rollback', 'D2: a commit is taken up as a rollback');
  }
  if (state.kind === 'completed' && state.outcome === 'committed' && state.logged) {
    fact(
      state.branches.every(({ status }) => status.kind === 'proven'),
      'D7: committed, and a branch is not proven',
    );
  }
  for (const effect of effects) {
    fact(isLawful(effect, before, { state, effects }), `asks for ${JSON.stringify(effect)}`);
  }
}

function checkData(before: State, event: Event, state: State, json: string): void {
  check(isDeepStrictEqual(withoutUndefined(state), JSON.parse(json)), before, event, 'the state is more than JSON');
  check(isUnique(state), before, event, 'a branch is there twice');
}

function isLawful(effect: Effect, before: State, { state, effects }: Step<State>): boolean {
  const isDecided = state.kind === 'committing' || (state.kind === 'completed' && isCommitLogged(state));
  switch (effect.kind) {
    case 'prepare':
      return state.kind === 'preparing';
    case 'decide':
      return state.kind === 'deciding' && before.kind !== 'deciding';
    case 'finished':
      return state.kind === 'completed' && state.outcome === 'committed' && before.kind === 'committing';
    case 'answer':
      return told(state) !== undefined;
    case 'refuse-enlist':
    case 'refuse-end':
      return state === before && effects.length === 1;
    case 'finish':
      switch (effect.verb) {
        case 'commit':
          return isDecided && branch(state, effect.bqual) !== undefined;
        case 'commit-one-phase':
          return state.kind === 'one-phase' && effect.bqual === state.branch.bqual;
        case 'rollback': {
          if (state.kind === 'rolling-back' || (state.kind === 'completed' && !isCommitLogged(state))) {
            return true;
          }
          const named = branch(state, effect.bqual);
          return (
            state.kind !== 'active' &&
            state.kind !== 'preparing' &&
            (named === undefined || named.status.kind === 'unproven' || isOther(named, effect))
          );
        }
      }
      return false;
    default:
      return true;
  }
}

function branch(state: State, bqual: string): FinishingBranch | undefined {
  switch (state.kind) {
    case 'active':
    case 'preparing':
      return undefined;
    case 'one-phase':
      return state.branch.bqual === bqual ? state.branch : undefined;
    default:
      return state.branches.find((other) => other.bqual === bqual);
  }
}

function isCommitLogged(state: Extract<State, { kind: 'completed' }>): boolean {
  return state.decision === 'commit' && state.logged;
}

/** Another opening of a branch that is to be committed is told with its own evidence, so that it touches no other. */
function isOther(named: FinishingBranch, { evidence, instance }: Extract<Effect, { kind: 'finish' }>): boolean {
  return (
    evidence.kind !== 'none' &&
    (named.evidence.kind === 'none' ? instance !== named.instance : !isSameEvidence(evidence, named.evidence))
  );
}

function isUnique(state: State): boolean {
  const names = state.kind === 'one-phase' ? [] : state.branches.map(({ bqual }) => bqual);
  return new Set(names).size === names.length;
}

/** The six fields that may be undefined are left out, as JSON does; any other one is a surprise. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(withoutUndefined);
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return value;
  }
  const entries = Object.entries(value).filter(
    ([key, field]) =>
      field !== undefined || !['vote', 'reason', 'rollbackOnly', 'scope', 'presumed', 'instance'].includes(key),
  );
  return Object.fromEntries(entries.map(([key, field]) => [key, withoutUndefined(field)]));
}

function check(holds: boolean, state: State, event: Event, message: string): void {
  if (!holds) {
    throw new Error(`${describeState(state)}\n  ${JSON.stringify(event)}\n  ${message}`);
  }
}

const TIMEOUT_MS = 120_000;

test('one branch and a stray: every event in every state is lawful', { timeout: TIMEOUT_MS }, () => {
  const states = explore(universe({ branches: 1, stray: true, instances: 2 }));
  console.info(`${states} states`);
  expect(states).toBeGreaterThan(500);
});

test('two branches: every event in every state is lawful', { timeout: TIMEOUT_MS }, () => {
  const states = explore(universe({ branches: 2, stray: false, instances: 2 }));
  console.info(`${states} states`);
  expect(states).toBeGreaterThan(5_000);
});
