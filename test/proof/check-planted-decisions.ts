// Bugs of the decision and of what follows it that the checker must find.

import { HONEST } from '../../proof/check/honesty.ts';
import type { Effect, Step } from '../../src/coordinator/engine/event.ts';
import type { Deciding, State } from '../../src/coordinator/engine/state.ts';
import { step as branchStep } from '../../src/participants/engine/step.ts';
import { NO_EVIDENCE } from '../../src/xa/evidence.ts';
import type { Reason } from '../../src/xa/vocabulary.ts';
import { changed, misheard, type PlantedBug } from './check-planted-bug.ts';

const REASON: Reason = { code: 'TXN_ROLLED_BACK', message: 'planted', retryable: true };

function finishAll(state: Deciding, verb: 'commit' | 'rollback'): readonly Effect[] {
  return state.branches.map(({ bqual, instance, evidence }) => ({ kind: 'finish', verb, bqual, instance, evidence }));
}

function rolledBack(state: Deciding): Step<State> {
  const { gtrid, branches } = state;
  return {
    state: { kind: 'rolling-back', gtrid, branches, reason: REASON, presumed: undefined },
    effects: [...finishAll(state, 'rollback'), { kind: 'answer', level: 'decided' }],
  };
}

/** Asked to commit in one phase by somebody who does not know its evidence, it commits as if he did. */
const heedless: typeof branchStep = (branch, event) => {
  if (event.kind !== 'finish-wanted' || event.verb !== 'commit-one-phase') {
    return branchStep(branch, event);
  }
  const { state } = branch;
  const isKnown = state.kind === 'announced' || state.kind === 'prepared';
  const after = branchStep(branch, isKnown ? { ...event, evidence: state.evidence } : event);
  const { opening } = after.state.kind === 'asked' ? after.state : {};
  return opening === undefined ? after : { ...after, state: { kind: 'committing-one-phase', opening } };
};

export const DECISION_BUGS: readonly PlantedBug[] = [
  {
    name: 'branches are told to commit before the decision is forced',
    branches: 1,
    world: 'crashes',
    planted: changed((_before, _event, after) =>
      after.state.kind === 'deciding' && after.effects.some(({ kind }) => kind === 'decide')
        ? { state: after.state, effects: [...after.effects, ...finishAll(after.state, 'commit')] }
        : after,
    ),
    violates: /^D1/,
  },
  {
    name: 'a restart presumes commit',
    branches: 1,
    world: 'crashes',
    planted: {
      admitted: ({ state, effects }) => ({
        state,
        effects: effects.map((effect) =>
          effect.kind === 'finish' && effect.verb === 'rollback' ? { ...effect, verb: 'commit' } : effect,
        ),
      }),
    },
    violates: /^D1/,
  },
  {
    name: 'a restart drops the decisions that it finds',
    branches: 1,
    world: 'crashes',
    planted: { recovered: () => undefined },
    violates: /^D(4|5|12)/,
  },
  {
    name: 'a force that fails is an abort',
    branches: 1,
    world: 'crashes',
    planted: { forceFailed: (state) => (state.kind === 'deciding' ? rolledBack(state) : undefined) },
    violates: /^D(2|5)/,
  },
  {
    name: 'a deadline turns a decision that is being written',
    branches: 1,
    world: 'crashes',
    planted: changed((before, event, after) =>
      before.kind === 'deciding' && event.kind === 'deadline' ? rolledBack(before) : after,
    ),
    violates: /^D2/,
  },
  {
    name: 'a commit is answered before its decision is durable',
    branches: 1,
    world: 'crashes',
    planted: changed((_before, _event, after) =>
      after.state.kind === 'deciding'
        ? { ...after, effects: [...after.effects, { kind: 'answer', level: 'decided' }] }
        : after,
    ),
    violates: /^D5/,
  },
  {
    name: 'the transaction is forgotten after the first acknowledgement',
    branches: 2,
    world: 'crashes',
    planted: changed((before, event, after) =>
      before.kind === 'committing' && event.kind === 'branch-result' && event.result.kind === 'done'
        ? {
            state: {
              ...{ kind: 'completed', gtrid: before.gtrid, decision: 'commit', outcome: 'committed', scope: undefined },
              ...{ branches: before.branches, logged: true },
            },
            effects: [
              { kind: 'finished', record: { kind: 'finished', gtrid: before.gtrid } },
              { kind: 'answer', level: 'applied' },
            ],
          }
        : after,
    ),
    violates: /^D(5|6, D7)/,
  },
  {
    name: 'two branches are committed in one phase',
    branches: 2,
    world: 'crashes',
    planted: changed((before, event, after) => {
      const [first] = after.state.kind === 'preparing' ? after.state.branches : [];
      if (before.kind !== 'active' || event.kind !== 'commit-requested' || first === undefined) {
        return after;
      }
      const { bqual, instance } = first;
      const branch = { bqual, instance, evidence: NO_EVIDENCE, status: { kind: 'pending', attempts: 0 } } as const;
      return {
        state: { kind: 'one-phase', gtrid: before.gtrid, branch, unnamed: [] },
        effects: [{ kind: 'finish', verb: 'commit-one-phase', bqual, instance, evidence: NO_EVIDENCE }],
      };
    }),
    violates: /^D3/,
  },
  {
    name: 'proof of the opposite counts as done',
    branches: 1,
    world: 'people',
    planted: misheard((_state, event) =>
      event.kind === 'branch-result' && event.result.kind === 'done-otherwise'
        ? { ...event, result: { kind: 'done' } }
        : event,
    ),
    violates: /^D(4|5|6)/,
  },
  {
    name: 'an end that no engine proves counts as done',
    branches: 1,
    world: 'evidence',
    planted: misheard((_state, event) =>
      event.kind === 'branch-result' && event.result.kind === 'unproven'
        ? { ...event, result: { kind: 'done' } }
        : event,
    ),
    violates: /^D(5|6)/,
  },
  {
    name: 'a branch that is not done yet is not asked again',
    branches: 1,
    world: 'crashes',
    planted: changed((_before, _event, { state, effects }) => ({
      state,
      effects: effects.filter(({ kind }) => kind !== 'retry'),
    })),
    violates: /^D12/,
  },
  {
    name: 'a stray branch is left prepared',
    branches: 1,
    world: 'crashes',
    planted: { admitted: () => ({ state: undefined, effects: [] }) },
    violates: /^D12/,
  },
  {
    name: 'a participant commits in one phase before anybody knows its evidence',
    branches: 1,
    world: 'crashes',
    planted: { participant: { ...HONEST, step: heedless } },
    violates: /^D5/,
  },
  {
    name: 'a participant commits whatever its engine holds prepared under the name',
    branches: 1,
    world: 'repeats',
    planted: { participant: { ...HONEST, commitOfOther: 'committed' } },
    violates: /^D1, D9/,
  },
  {
    name: 'a participant takes a name that its engine does not know for done',
    branches: 1,
    world: 'people',
    planted: { participant: { ...HONEST, ofUnlisted: () => 'done' } },
    violates: /^D(4|5|6)/,
  },
];
